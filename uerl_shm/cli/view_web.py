"""The server of `uerl-shm view --web`: one page and its data, on 127.0.0.1.

It reads and never writes. Whoever asks must know the token, which is part of the address that is
printed; and must ask for this machine by name, so that a page from elsewhere cannot reach it
through a name of its own that points here (DNS rebinding).
"""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from uerl_shm.cli.http_server import TIMEOUT_S, BoundedServer
from uerl_shm.cli.output import say
from uerl_shm.cli.view_state import State
from uerl_shm.errors import SpecError, UerlError

PAGE = Path(__file__).with_name("view.html")
ADDRESS = "127.0.0.1"
HOSTS = ("127.0.0.1", "localhost")
NICE = 10


class PageServer(BoundedServer):
    """What serves the page: its token, and its address.

    Attributes:
        token: Part of each address; new each time.
    """

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.token = secrets.token_urlsafe(16)
        super().__init__(address, handler)

    @property
    def url(self) -> str:
        """Address of the page on this machine, with its token."""
        return f"http://{ADDRESS}:{self.server_address[1]}/?token={self.token}"

    def shown(self) -> State:
        """Return what is shown."""
        raise NotImplementedError

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let go of a client that is gone; what else went wrong is shown as ever."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, socket.timeout)):
            super().handle_error(request, client_address)


class Server(PageServer):
    """Serves a `State`.

    Args:
        state: What is shown.
        port: On 127.0.0.1; 0: one that is free.

    Raises:
        SpecError: The port is taken, or not allowed.
    """

    def __init__(self, state: State, port: int) -> None:
        self._state = state
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            raise SpecError(
                f"port {port} of {ADDRESS} cannot be used ({error.strerror}), expected a free one: "
                "leave --port out to get one"
            ) from None

    def shown(self) -> State:
        """Return what is shown."""
        return self._state


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "uerl-shm", ""
    timeout = TIMEOUT_S

    def do_GET(self) -> None:
        """Answer the page or its data."""
        try:
            if not self._is_asked_for_by_name():
                self._refuse(HTTPStatus.FORBIDDEN, "unknown host: use the address as printed")
                return
            address = urlsplit(self.path)
            given = {key: values[-1] for key, values in parse_qs(address.query).items()}
            token = given.get("token", "").encode()
            if not hmac.compare_digest(token, self.server.token.encode()):
                self._refuse(HTTPStatus.FORBIDDEN, "wrong token: use the address as printed")
                return
            self._answer(address.path, given)
        except (UerlError, ValueError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))

    def _is_asked_for_by_name(self) -> bool:
        hosts = self.headers.get_all("Host", [])
        return len(hosts) == 1 and urlsplit(f"//{hosts[0]}").hostname in HOSTS

    def _answer(self, path: str, given: dict[str, str]) -> None:
        state = self.server.shown()
        if path == "/":
            nonce = secrets.token_urlsafe(16)
            page = PAGE.read_text("utf-8").replace("NONCE", nonce)
            self._send(page.encode(), "text/html; charset=utf-8", nonce=nonce)
        elif path == "/overview.json":
            found = state.overview(given.get("group"), given.get("array"))
            self._send(found, "application/json")
        elif path == "/row.json":
            found = state.row(given.get("group"), int(given.get("row", "0")))
            self._send(found, "application/json")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def _send(
        self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, nonce: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; "
            "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'",
        )
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self.close_connection = True
        self._send(f"{text}\n".encode(), "text/plain; charset=utf-8", status)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: addresses hold the token."""


def serve(name: str, port: int, max_envs: int) -> None:
    """Print the address of the page, and serve it until Ctrl-C.

    The process gives way to simulators and learner (nice 10): it is there to watch them.

    Raises:
        SegmentNotFound: There is no segment of this name.
        SpecError: The port is taken.
    """
    with Server(State(name, max_envs), port) as server:
        os.nice(NICE)
        say(server.url)
        server.serve_forever()
