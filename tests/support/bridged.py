"""Bridges over loopback: for tests of both ends, and for a simulator within its own process."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import numpy as np

from processes import eventually
from uerl_shm import Simulator, UerlError
from uerl_shm import bridge_frames as frames
from uerl_shm._simulator import lib
from uerl_shm.bridge_server import BridgeServer
from uerl_shm.host_arrays import Field

TOKEN = b"of tests, known to both ends"
#: Arrays that a learner's end of a test's own tells of, two envs of one agent.
FIELDS = [
    Field(number, "agent", name, role, np.dtype(dtype), shape, 2)
    for number, (name, role, dtype, shape) in enumerate(
        [
            ("observation/state", lib.UERL_ROLE_OBSERVATION, "float32", (3,)),
            ("reward", lib.UERL_ROLE_REWARD, "float32", ()),
            ("terminated", lib.UERL_ROLE_TERMINATED, "bool", ()),
            ("truncated", lib.UERL_ROLE_TRUNCATED, "bool", ()),
            ("action/move", lib.UERL_ROLE_ACTION, "int64", ()),
            ("control", lib.UERL_ROLE_CONTROL, "uint8", ()),
            ("seed", lib.UERL_ROLE_SEED, "int64", ()),
        ]
    )
]


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


def a_hello(num_channels: int = 1) -> bytes:
    """What an engine says first, for any lane."""
    versions = (lib.UERL_BRIDGE_VERSION, lib.UERL_LAYOUT_VERSION)
    return frames.HELLO.pack(lib.UERL_BRIDGE_MAGIC, *versions, -1, num_channels, b"n" * 32)


def known_engine(bridge: Bridge, num_channels: int = 1) -> socket.socket:
    """A connection that has proved the token, and goes on by hand."""
    engine = bridge.connect()
    engine.settimeout(20)
    hello = a_hello(num_channels)
    engine.sendall(frames.frame(lib.UERL_BRIDGE_HELLO, 0, hello))
    challenged = engine.recv(8 + frames.CHALLENGE.size, socket.MSG_WAITALL)[8:]
    proved = frames.proof(TOKEN, "engine", hello, challenged)
    engine.sendall(frames.frame(lib.UERL_BRIDGE_PROOF, 0, proved))
    return engine


def welcome_engine(engine: socket.socket) -> None:
    """Let an engine in as a learner's end does, with a lane of FIELDS."""
    hello = engine.recv(frames.FRAME.size + frames.HELLO.size, socket.MSG_WAITALL)[8:]
    challenged = frames.challenge(b"c" * 32)
    engine.sendall(frames.frame(lib.UERL_BRIDGE_CHALLENGE, 0, challenged))
    engine.recv(frames.FRAME.size + frames.PROOF_BYTES, socket.MSG_WAITALL)
    proved = frames.proof(TOKEN, "learner", hello, challenged)
    num_groups, packed = frames.tables(FIELDS, 2)
    head = frames.WELCOME.pack(proved, 0, 2, num_groups, len(FIELDS), 0, 4096, 2, 0, b"train")
    engine.sendall(frames.frame(lib.UERL_BRIDGE_WELCOME, 0, head, packed, b"{}"))


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
