"""The peers' clients: each steps its servers as fast as Python can.

All actions are sent before the first answer is read, so that simulators work at once; answers go
into one preallocated batch, with as few copies as the library allows.
"""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Any

import numpy as np
from peers.servers import Missing, probes, program, python_program
from workload import Workload

OUTCOME = np.dtype([("reward", "<f4"), ("terminated", "?"), ("truncated", "?")])
Send = Callable[[bytes], Any]
HEAD_BYTES = 32  # of shared_probe.cpp


def row_dtype(workload: Workload) -> np.dtype[Any]:
    """One message as a row of a batch."""
    image, state = ("u1", workload.image), ("<f4", (64,))
    fields = [("camera", *image), ("state", *state), ("outcome", OUTCOME)]
    return np.dtype(fields)


class Peer(ABC):
    """Simulators behind some transport; ``step`` is the counterpart of ``VecEnv.step``.

    Args:
        workload: What they do.
        command: Of one server.
        more: Its last argument, by env.
    """

    patience_s = 5.0  # servers end with their connections

    def __init__(self, workload: Workload, command: list[str], more: list[str] | None = None):
        self.batch = np.zeros(workload.num_envs, row_dtype(workload))
        self.stack = ExitStack()
        self.servers = probes(command, workload, more or [""] * workload.num_envs)
        self.stack.callback(lambda: self.servers.close(self.patience_s))
        try:
            pairs = [self.connect(env, said) for env, said in enumerate(self.servers.said)]
        except BaseException:
            self.stack.close()
            raise
        self.sends, self.receives = zip(*pairs, strict=True)

    @abstractmethod
    def connect(self, env: int, said: str) -> tuple[Send, Callable[[], None]]:
        """Return what sends an action, and what receives the env's row into ``batch[env]``."""

    def step(self, actions: np.ndarray) -> tuple[Any, Any]:
        """Send float32 ``(num_envs, 4)``; return the batch's camera and state."""
        for send, action in zip(self.sends, actions, strict=True):
            send(action.tobytes())
        for receive in self.receives:
            receive()
        return self.batch["camera"], self.batch["state"]

    def close(self) -> None:
        """Close the connections and end the servers."""
        self.stack.close()

    def unpacked(self, env: int, receive: Callable[[], bytes]) -> Callable[[], None]:
        """Return a function that copies a whole message into the env's row."""
        target = memoryview(self.batch[env : env + 1].view(np.uint8))

        def copy() -> None:
            target[:] = receive()

        return copy


class WebsocketClient(Peer):
    """The library websocket-client."""

    def connect(self, env: int, said: str) -> tuple[Send, Callable[[], None]]:
        """As of `Peer`."""
        websocket = imported("websocket", "websocket-client")
        options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        url = f"ws://127.0.0.1:{said}/"
        connection = websocket.create_connection(url, sockopt=options, skip_utf8_validation=True)
        self.stack.callback(connection.close)
        return connection.send_binary, self.unpacked(env, connection.recv)


class Websockets(Peer):
    """The library websockets, its synchronous client: faster than its asyncio client."""

    def connect(self, env: int, said: str) -> tuple[Send, Callable[[], None]]:
        """As of `Peer`."""
        client = imported("websockets.sync.client", "websockets")
        url = f"ws://127.0.0.1:{said}/"
        connection = self.stack.enter_context(
            client.connect(url, compression=None, max_size=None, proxy=None)
        )
        return connection.send, self.unpacked(env, connection.recv)


class Cbor(Peer):
    """UERL's messages: a CBOR map over a websocket."""

    def connect(self, env: int, said: str) -> tuple[Send, Callable[[], None]]:
        """As of `Peer`."""
        loads = imported("cbor2", "cbor2").loads
        client = imported("websockets.sync.client", "websockets")
        url = f"ws://127.0.0.1:{said}/"
        connection = self.stack.enter_context(
            client.connect(url, compression=None, max_size=None, proxy=None)
        )
        row = self.batch[env : env + 1]
        targets = {
            name: memoryview(row[name].reshape(-1).view(np.uint8)) for name in row.dtype.names
        }

        def receive() -> None:
            for name, data in loads(connection.recv()).items():
                targets[name][:] = data

        return connection.send, receive


class Tcp(Peer):
    """A bare TCP connection; answers are received into the batch itself."""

    def connect(self, env: int, said: str) -> tuple[Send, Callable[[], None]]:
        """As of `Peer`."""
        connection = self.stack.enter_context(socket.create_connection(("127.0.0.1", int(said))))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        target = memoryview(self.batch[env : env + 1].view(np.uint8))

        def receive() -> None:
            got = 0
            while got < len(target):
                got += connection.recv_into(target[got:], 0, socket.MSG_WAITALL)

        return connection.sendall, receive


class GrpcStream(Peer):
    """gRPC, one stream for each simulator; raw bytes, no protobuf."""

    patience_s = 0.0  # its servers serve for ever
    kind = "stream"

    def connect(self, env: int, said: str) -> tuple[Send, Callable[[], None]]:
        """As of `Peer`."""
        grpc = imported("grpc", "grpcio")
        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        channel = self.stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{said}", options))
        if self.kind == "unary":
            call, futures = channel.unary_unary("/probe/Step"), SimpleQueue()
            send = lambda action: futures.put(call.future(action))  # noqa: E731
            return send, self.unpacked(env, lambda: futures.get().result())
        actions: SimpleQueue[bytes | None] = SimpleQueue()
        requests: Iterator[bytes] = iter(actions.get, None)
        answers = channel.stream_stream("/probe/Run")(requests)
        self.stack.callback(answers.cancel)
        self.stack.callback(actions.put, None)
        return actions.put, self.unpacked(env, answers.__next__)


class GrpcUnary(GrpcStream):
    """gRPC as ML-Agents uses it: one call for each step."""

    kind = "unary"


class Holodeck(Peer):
    """Shared memory and a pair of semaphores for each simulator, and a copy of everything."""

    patience_s = 0.0

    def __init__(self, workload: Workload, command: list[str], polls: bool = False) -> None:
        posix_ipc = imported("posix_ipc", "posix_ipc")
        self.memory: list[np.ndarray] = []
        self.semaphores: list[tuple[Any, Any]] = []
        with ExitStack() as stack:
            names = [f"uerl-bench-{time.monotonic_ns()}-{env}" for env in range(workload.num_envs)]
            for name in names:
                self._open(posix_ipc, name, row_dtype(workload).itemsize, stack)
            super().__init__(workload, command, [name + ":poll" * polls for name in names])
            self.stack.push(stack.pop_all())

    def _open(self, posix_ipc: Any, name: str, row_bytes: int, stack: ExitStack) -> None:
        import mmap

        pair = []
        for suffix in (".asked", ".answered"):
            pair.append(posix_ipc.Semaphore(f"/{name}{suffix}", posix_ipc.O_CREX))
            stack.callback(pair[-1].unlink)
        self.semaphores.append((pair[0], pair[1]))
        region = posix_ipc.SharedMemory(f"/{name}", posix_ipc.O_CREX, size=HEAD_BYTES + row_bytes)
        stack.callback(region.unlink)
        mapped = mmap.mmap(region.fd, HEAD_BYTES + row_bytes)
        region.close_fd()
        self.memory.append(np.frombuffer(mapped, np.uint8))

    def connect(self, env: int, said: str) -> tuple[Send, Callable[[], None]]:
        """As of `Peer`."""
        asked, answered = self.semaphores[env]
        action, message = self.memory[env][16:HEAD_BYTES], self.memory[env][HEAD_BYTES:]
        target = self.batch[env : env + 1].view(np.uint8)

        def send(data: bytes) -> None:
            action[:] = np.frombuffer(data, np.uint8)
            asked.release()

        def receive() -> None:
            answered.acquire()
            target[:] = message

        return send, receive


class LearningAgents(Holodeck):
    """Shared memory that both sides look at every millisecond."""

    def __init__(self, workload: Workload, command: list[str]) -> None:
        super().__init__(workload, command, polls=True)

    def connect(self, env: int, said: str) -> tuple[Send, Callable[[], None]]:
        """As of `Peer`."""
        counts = self.memory[env][:16].view(np.uint64)
        action, message = self.memory[env][16:HEAD_BYTES], self.memory[env][HEAD_BYTES:]
        target = self.batch[env : env + 1].view(np.uint8)

        def send(data: bytes) -> None:
            action[:] = np.frombuffer(data, np.uint8)
            counts[0] += 1

        def receive() -> None:
            while counts[1] != counts[0]:
                time.sleep(0.001)
            target[:] = message

        return send, receive


def imported(module: str, package: str) -> Any:
    """Import a peer's library.

    Raises:
        Missing: It is not there.
    """
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise Missing(f"{package} is not installed: pip install {package}") from None


PEERS: dict[str, Callable[[Workload], Peer]] = {
    "websockets-served_by_c++-websockets": lambda w: Websockets(w, [program("websocket")]),
    "websockets-served_by_c++-websocket_client": lambda w: WebsocketClient(
        w, [program("websocket")]
    ),
    "websockets-served_by_python": lambda w: WebsocketClient(w, python_program()),
    "websockets-cbor": lambda w: Cbor(w, [program("websocket")], ["cbor"] * w.num_envs),
    "grpc-stream": lambda w: GrpcStream(w, [program("grpc")]),
    "grpc-unary": lambda w: GrpcUnary(w, [program("grpc")]),
    "tcp": lambda w: Tcp(w, [program("tcp")]),
    "semaphores-holodeck": lambda w: Holodeck(w, [program("shared")]),
    "polls_1ms-learning_agents": lambda w: LearningAgents(w, [program("shared")]),
}
