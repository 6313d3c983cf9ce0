"""Running Pods: started from a converted manifest, looked at and hurt from the host, removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pod.pod_images import settings
from pod.podman_pod import Converted

PATIENCE_S = 120.0
PERIOD_S = 0.2
REMOVALS = 5  # podman refuses to remove a Pod whose container restarts at that moment


class Pod:
    """One Pod of podman; a context manager, which removes it.

    Args:
        converted: What to run.
        folder: For its files.

    Attributes:
        converted: What it runs.
        started: Whether every init container succeeded.
        said: What `podman play kube` printed.
    """

    def __init__(self, converted: Converted, folder: Path) -> None:
        self.converted, self.name = converted, converted.pod["metadata"]["name"]
        self.environ = settings(folder, converted.shm_bytes)
        converted.make_folders()
        self._manifest = folder / "pod.yaml"
        self._manifest.write_text(json.dumps(converted.pod))  # JSON is YAML, too

    def __enter__(self) -> Pod:
        try:
            played = self._podman("play", "kube", str(self._manifest), check=False)
        except BaseException:
            self._remove()
            raise
        self.started = played.returncode == 0
        self.said = played.stdout + played.stderr
        return self

    def __exit__(self, *exception: object) -> None:
        self._remove()

    def _podman(
        self, *arguments: str, check: bool = True, timeout_s: float = PATIENCE_S
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["podman", *arguments],
            env=self.environ, capture_output=True, text=True, check=check, timeout=timeout_s,
        )  # fmt: skip

    def _remove(self) -> None:
        for _ in range(REMOVALS):
            if self._podman("pod", "exists", self.name, check=False).returncode != 0:
                return
            removed = self._podman("pod", "rm", "--force", "--time=0", self.name, check=False)
        raise RuntimeError(f"Pod {self.name} cannot be removed: {removed.stderr}")

    def container(self, name: str) -> dict[str, Any]:
        """Return what podman knows of a container."""
        found = json.loads(self._podman("inspect", f"{self.name}-{name}").stdout)
        assert isinstance(found[0], dict)
        return found[0]

    def pid(self, name: str) -> int:
        """Return the host's number of a container's first process; 0 while none runs."""
        return int(self.container(name)["State"]["Pid"])

    def kill(self, name: str) -> int:
        """Kill a container's first process from the host; return its number."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def status(self, name: str) -> dict[str, list[str]]:
        """Return the lines of /proc/PID/status of a container's first process, split."""
        text = Path(f"/proc/{self.pid(name)}/status").read_text()
        return {
            key: value.split() for key, _, value in (s.partition(":") for s in text.split("\n"))
        }

    def folder(self, volume: str) -> Path:
        """Return the folder of this machine that stands for a volume."""
        volumes = self.converted.pod["spec"]["volumes"]
        return Path(next(v["hostPath"]["path"] for v in volumes if v["name"] == volume))

    def logs(self, name: str) -> str:
        """Return what a container has printed so far."""
        printed = self._podman("logs", f"{self.name}-{name}", check=False)
        return printed.stdout + printed.stderr

    def call(
        self, name: str, *command: str, timeout_s: float = PATIENCE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a container, until it ends."""
        words = ("exec", f"{self.name}-{name}", *command)
        return self._podman(*words, check=False, timeout_s=timeout_s)

    def beside(self, image: str, *command: str, user: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container of its own in this Pod, until it ends."""
        return self._podman(
            *("run", "--rm", f"--pod={self.name}", "--pull=never", f"--user={user}"),
            *("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"),
            *(image, *command),
            check=False,
        )

    def address(self) -> str:
        """Return the Pod's address in podman's network."""
        infra = json.loads(self._podman("pod", "inspect", self.name).stdout)["InfraContainerID"]
        found = json.loads(self._podman("inspect", infra).stdout)[0]["NetworkSettings"]
        networks = [found, *found.get("Networks", {}).values()]
        return str(next(n["IPAddress"] for n in networks if n.get("IPAddress")))


def wait_for(what: str, look: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
    """Return what ``look`` returns, once that is true.

    Raises:
        AssertionError: It is not after ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not after {timeout_s:.0f} s"
        time.sleep(PERIOD_S)
    return found
