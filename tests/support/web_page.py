"""A page of `uerl-shm view --web`, served in this process."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from uerl_shm.cli.view_state import State
from uerl_shm.cli.view_web import Server


@contextmanager
def serving(name: str, max_envs: int = 64):
    server = Server(State(name, max_envs), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
