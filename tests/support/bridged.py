"""Bridges over loopback: for tests of both ends, and for a simulator within its own process."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

from processes import eventually
from uerl_shm import Simulator, UerlError
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


class Bridge:
    """A learner's end in a thread, and what it has said."""

    def __init__(self, name: str, certificate: tuple[str, str] | None = None) -> None:
        self.name, self.lines = name, []
        self.server = BridgeServer(name, TOKEN, ("127.0.0.1", 0), certificate, self.lines.append)
        self.address = f"127.0.0.1:{self.server.address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def simulator(self, token: bytes = TOKEN, timeout_s: float = 30, **options) -> Simulator:
        """A simulator at its other end."""
        return Simulator(bridge=self.address, token=token, timeout_s=timeout_s, **options)

    def connect(self) -> socket.socket:
        """A connection of somebody else."""
        return socket.create_connection(self.server.address, 10)

    def said(self, text: str) -> bool:
        """Whether a line with this text comes."""
        return eventually(lambda: any(text in line for line in self.lines), 30)


def serve(simulator: Simulator) -> None:
    """Answer every command with its number."""
    for command in simulator:
        command.observation["state"][:] = command.sequence
        for row in range(simulator.num_envs):
            command.outcome(row, 0.5, False, False)


def serve_until_closed(simulator: Simulator) -> None:
    """Answer commands until another thread closes the simulator."""
    with contextlib.suppress(UerlError, TypeError):
        serve(simulator)
