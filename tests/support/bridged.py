"""A simulator in Python whose commands come over a bridge within its own process."""

from __future__ import annotations

import os
import threading

from uerl_shm.bridge_server import BridgeServer

TOKEN = b"of tests, known to both ends"


def say_nothing(line: str) -> None:
    """For bridges whose connections nobody watches."""


def put_bridge_between() -> None:
    """Let a `Simulator` that takes name and lane from the environment use a bridge instead.

    Over loopback; its learner's end is a thread of this process, and ends with it.
    """
    name = os.environ.pop("UERL_SHM_NAME")
    server = BridgeServer(name, TOKEN, ("127.0.0.1", 0), None, say_nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["UERL_SHM_BRIDGE"] = f"127.0.0.1:{server.address[1]}"
