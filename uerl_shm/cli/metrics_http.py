"""The server of `uerl-shm serve-metrics`: /metrics, /healthz, and the live page for who may look.

It reads and never writes. Figures and health are open to whoever reaches the address; the page of
`uerl-shm view --web` keeps its own rules: the token, and an address that names this machine.
"""

from __future__ import annotations

import json
import threading
import time
from http import HTTPStatus
from urllib.parse import urlsplit

from uerl_shm.cli import metrics, view_web
from uerl_shm.cli.metrics_looks import LOOK_S, WELL, Looks
from uerl_shm.cli.view_state import STALE_S, State
from uerl_shm.errors import SpecError

MAX_ENVS = 64  # on the live page


class Server(view_web.PageServer):
    """Serves what `Looks` sees, and looks once a second itself.

    Args:
        looks: What is served.
        host: Address to listen on.
        port: 0: one that is free.

    Raises:
        SpecError: The address or the port cannot be used.
    """

    def __init__(self, looks: Looks, host: str, port: int) -> None:
        self.looks = looks
        self.registry = metrics.registry_of(looks)
        self._state: State | None = None
        self._state_lock = threading.Lock()
        self._shown_s = 0.0
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise SpecError(
                f"port {port} of {host} cannot be used ({error}), expected a free one of this "
                "machine: --port 0 takes one that is free"
            ) from None

    def shown(self) -> State:
        """Return what the live page shows.

        Raises:
            SegmentNotFound: There is no segment.
        """
        self.looks.look()
        name = self.looks.shown()
        with self._state_lock:
            if self._state is None or self._state.name != name:
                self._state = State(name, MAX_ENVS)
            self._shown_s = time.monotonic()
            return self._state

    def service_actions(self) -> None:
        """Look; and let go of what the live page held when nobody looks at it any more."""
        self.looks.look(LOOK_S)
        with self._state_lock:
            if time.monotonic() - self._shown_s > STALE_S:
                self._state = None


class Handler(view_web.Handler):
    """One connection."""

    server: Server

    def do_GET(self) -> None:
        """Answer figures, health, or the live page."""
        # Nobody reads a body here, and the next request must not begin with it.
        self.close_connection |= "Content-Length" in self.headers
        path = urlsplit(self.path).path
        if path == "/metrics":
            accept = self.headers.get("Accept", "")
            self._send(*metrics.encoded(self.server.registry, accept))
        elif path == "/healthz":
            self.server.looks.look()
            found = self.server.looks.health()
            well = found["status"] in WELL
            status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
            self._send((json.dumps(found) + "\n").encode(), "application/json", status)
        else:
            super().do_GET()
