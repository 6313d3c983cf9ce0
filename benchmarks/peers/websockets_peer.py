"""`probe` simulators behind websockets, stepped as fast as Python clients can.

All actions are sent before the first answer is read, so that simulators work at once; answers go
straight into one preallocated batch.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
CAMERA_BYTES = 84 * 84 * 3
STATE_BYTES = 64 * 4
OUTCOME = np.dtype([("reward", "<f4"), ("terminated", "?"), ("truncated", "?")])


def build_server(folder: Path) -> Path:
    """Compile the C++ server; return its path.

    Raises:
        FileNotFoundError: There is no compiler or no Boost; the text says what to install.
    """
    program = folder / "websocket_probe"
    source = ROOT / "benchmarks" / "peers" / "websocket_probe.cpp"
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    if not Path("/usr/include/boost/beast.hpp").exists() or shutil.which("g++") is None:
        raise FileNotFoundError("Boost.Beast is missing: apt-get install libboost-dev g++")
    folder.mkdir(parents=True, exist_ok=True)
    includes = [f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'csrc' / 'include'}"]
    command = ["g++", "-std=c++17", "-O3", *includes, str(source), "-o", str(program), "-pthread"]
    subprocess.run(command, check=True)
    return program


def python_server(env: int) -> None:
    """Serve one client from Python: the `websockets` library's own synchronous server."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from probe_pattern import expected  # type: ignore[import-not-found]
    from websockets.sync.server import serve

    def answer(connection: Any) -> None:
        for step, _ in enumerate(connection):
            camera = expected("agent/observation/camera", env, 0, step, (84, 84, 3), "uint8")
            state = expected("agent/observation/state", env, 0, step, (64,), "float32")
            connection.send(camera.tobytes() + state.tobytes() + bytes(OUTCOME.itemsize))

    with serve(answer, "127.0.0.1", 0, compression=None) as server:
        print(server.socket.getsockname()[1], flush=True)
        server.serve_forever()


class WebsocketBatch:
    """Steps simulators behind websockets; the peer's counterpart of ``VecEnv.step``.

    Args:
        command: Of one server; it prints its port.
        num_envs: How many servers.
        client: ``"websocket-client"`` or ``"websockets"``.
    """

    def __init__(self, command: list[str], num_envs: int, client: str) -> None:
        self.camera = np.empty((num_envs, 84, 84, 3), np.uint8)
        self.state = np.empty((num_envs, 64), np.float32)
        self.outcome = np.empty(num_envs, OUTCOME)
        self._processes = [
            subprocess.Popen([*command, str(env)], stdout=subprocess.PIPE, text=True)
            for env in range(num_envs)
        ]
        ports = [int(process.stdout.readline()) for process in self._processes]  # type: ignore
        pairs = [_CLIENTS[client](f"ws://127.0.0.1:{port}/") for port in ports]
        self._send = [send for send, _, _ in pairs]
        self._receive = [receive for _, receive, _ in pairs]
        self._close = [close for _, _, close in pairs]

    def step(self, actions: np.ndarray) -> tuple[Any, Any]:
        """Send float32 ``(num_envs, 4)``; return the batch's observations and outcomes."""
        for send, action in zip(self._send, actions, strict=True):
            send(action.tobytes())
        for row, receive in enumerate(self._receive):
            message = receive()
            camera = np.frombuffer(message, np.uint8, CAMERA_BYTES)
            self.camera[row] = camera.reshape(84, 84, 3)
            self.state[row] = np.frombuffer(message, np.float32, 64, CAMERA_BYTES)
            self.outcome[row] = np.frombuffer(message, OUTCOME, 1, CAMERA_BYTES + STATE_BYTES)[0]
        return (self.camera, self.state), self.outcome

    def close(self) -> None:
        """Close the connections; the servers end with them."""
        for close in self._close:
            close()
        deadline = time.monotonic() + 5.0
        for process in self._processes:
            process.stdout.close()  # type: ignore[union-attr]
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _websocket_client(url: str) -> Any:
    import socket

    import websocket

    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    connection = websocket.create_connection(url, sockopt=options, skip_utf8_validation=True)
    return connection.send_binary, connection.recv, connection.close


def _websockets(url: str) -> Any:
    from websockets.sync.client import connect

    stack = ExitStack()
    connection = stack.enter_context(connect(url, compression=None, max_size=None, proxy=None))
    return connection.send, connection.recv, stack.close


_CLIENTS = {"websocket-client": _websocket_client, "websockets": _websockets}

if __name__ == "__main__":
    python_server(int(sys.argv[1]))
