"""A headless Chromium, driven over its debugging socket: open a page, run script, see it."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = 60.0


def path() -> str | None:
    """Return the browser's path; None: there is none (Debian: apt-get install chromium)."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser of its own; a context manager.

    Args:
        width: Of the page, in pixels.
        height: Likewise.
    """

    def __init__(self, width: int = 1280, height: int = 800) -> None:
        import websocket

        self._home = tempfile.mkdtemp(prefix="browser-")
        command = [
            *(str(path()), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"),
            *(f"--user-data-dir={self._home}", f"--window-size={width},{height}"),
            *("--remote-debugging-port=0", "--remote-allow-origins=*", "about:blank"),
        ]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        self._numbers = itertools.count(1)
        try:
            address = f"http://127.0.0.1:{self._port()}/json/list"
            with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
                page = next(page for page in json.load(answer) if page["type"] == "page")
            self._socket = websocket.create_connection(
                page["webSocketDebuggerUrl"], timeout=PATIENCE_S
            )
        except BaseException:
            self._end()
            raise
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()
        self._end()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol; return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        here = f"location.href === {json.dumps(url)}"
        self.wait_for(f"{here} && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return what an expression gives, as JSON can say it."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.run(script):
            assert time.monotonic() < deadline, f"{script} is still not true; {self.text()}"
            time.sleep(0.05)

    def text(self) -> str:
        return str(self.run("document.body ? document.body.innerText : ''"))

    def dark(self, dark: bool) -> None:
        """Say that the person who looks prefers it dark, or light."""
        value = "dark" if dark else "light"
        features = [{"name": "prefers-color-scheme", "value": value}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def picture(self) -> bytes:
        """Return a PNG of the page."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _port(self) -> int:
        file, deadline = Path(self._home, "DevToolsActivePort"), time.monotonic() + PATIENCE_S
        while not (file.exists() and file.read_text().count("\n")):
            assert self._process.poll() is None, f"the browser ended: {self._process.returncode}"
            assert time.monotonic() < deadline, "the browser opened no port"
            time.sleep(0.05)
        return int(file.read_text().splitlines()[0])

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)
