"""The learner's end of a bridge: lets engines in that know the token, and holds lanes for them."""

from __future__ import annotations

import hmac
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from uerl_shm._simulator import lib
from uerl_shm.bridge_frames import (
    ALIVE,
    FRAME,
    HELLO,
    PROOF_BYTES,
    Head,
    Hello,
    challenge,
    check_hello,
    close_frame,
    frame,
    proof,
)
from uerl_shm.bridge_lane import BridgeLane
from uerl_shm.bridge_wire import Wire, check_private
from uerl_shm.errors import SegmentCorrupt, SpecError, SystemCallFailed, UerlError, code_of

_STRANGER_S = 5.0  # longest time for TLS and proof
_MAX_STRANGERS = 16  # connections at once that have proved nothing yet
_TICK_S = 0.1
_TURN_S = 0.05  # of reading, before it is looked whether the connection may go on
_PAUSE_S = 1.0  # before the next try to let engines in, where the system refuses


class BridgeConnection:
    """One engine's connection: the handshake, then the frames of its lanes.

    Args:
        connected: The socket, its TLS done; it is closed at the end of `run`.
        name: Of the segment.
        token: What the engine has to know.
        known: Called once, when it has proved that it does.
        say: Gets a line for people when lanes are taken.
    """

    def __init__(
        self,
        connected: socket.socket,
        name: str,
        token: bytes,
        known: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._wire = Wire(connected)
        self._name, self._token, self._known, self._say = name, token, known, say
        self._lanes: list[BridgeLane] = []
        self._error: Exception | None = None
        self._wanted = memoryview(b"")  # where the next bytes belong

    def run(self) -> Exception:
        """Carry frames until something ends the connection; return what."""
        try:
            self._carry()
        except Exception as error:  # whatever it is, the lanes are left
            self.end(error)
        assert self._error is not None
        self._leave(self._error)
        return self._error

    def end(self, error: Exception) -> None:
        """Let `run` end; from any thread. The first reason counts."""
        if self._error is None:
            self._error = error
            self._wire.wake()

    def _leave(self, reason: Exception) -> None:
        try:
            self._wire.send([close_frame(code_of(reason), str(reason))])
        except UerlError:
            pass  # it is gone, and needs no reason
        self._wire.close()
        for lane in self._lanes:
            lane.close()
        self._wire.free()

    def _carry(self) -> None:
        begin = time.monotonic()
        reader = self._read()
        self._wanted = next(reader)
        may_have_more = False
        while self._error is None:
            self._wire.keep_alive(ALIVE)
            self._wire.wait(0 if may_have_more else _TICK_S)
            may_have_more = self._receive(reader)
            if not self._lanes and time.monotonic() - begin > _STRANGER_S:
                raise SpecError(f"the engine proved no token in {_STRANGER_S:.0f} s, expected one")

    def _receive(self, reader: Iterator[memoryview]) -> bool:
        """Take what has come, for one turn; return whether there may be more.

        Whoever sends without end must not keep this end from saying that it lives, or from ending.
        """
        deadline = time.monotonic() + _TURN_S
        while time.monotonic() < deadline:
            count = self._wire.receive_into(self._wanted)
            if count == 0:
                return False
            self._wanted = self._wanted[count:]
            while not self._wanted:
                self._wanted = next(reader)
        return True

    def _read(self) -> Generator[memoryview]:
        """Yield the memory that the next bytes belong into."""
        hello = yield from self._content(lib.UERL_BRIDGE_HELLO, HELLO.size)
        said = Hello._make(HELLO.unpack(hello))
        check_hello(said)
        challenged = challenge(os.urandom(lib.UERL_BRIDGE_NONCE_BYTES))
        self._wire.send([frame(lib.UERL_BRIDGE_CHALLENGE, 0, challenged)])
        proved = yield from self._content(lib.UERL_BRIDGE_PROOF, PROOF_BYTES)
        if not hmac.compare_digest(proved, proof(self._token, "engine", hello, challenged)):
            raise SpecError(
                "the engine's token is not that of this bridge, expected the same: give both ends "
                "one token file"
            )
        self._known()
        self._attach(said, proof(self._token, "learner", hello, challenged))
        while True:
            head = yield from self._head()
            if head[:2] == (0, lib.UERL_BRIDGE_ALIVE):
                continue
            if head.channel >= len(self._lanes):
                raise _unexpected(head)
            yield from self._lanes[head.channel].read(head)

    def _attach(self, hello: Hello, proved: bytes) -> None:
        for channel in range(hello.num_channels):
            wanted = -1 if hello.lane < 0 else hello.lane + channel
            lane = BridgeLane(self._name, wanted, self._wire, channel, self.end)
            self._lanes.append(lane)
            self._wire.send([lane.welcome(proved)])
        self._say(f"lanes {', '.join(str(lane.lane) for lane in self._lanes)} are served")

    def _head(self) -> Generator[memoryview, None, Head]:
        packed = bytearray(FRAME.size)
        yield memoryview(packed)
        head = Head._make(FRAME.unpack(packed))
        if head.reserved != 0:
            raise _unexpected(head)
        return head

    def _content(self, kind: int, num_bytes: int) -> Generator[memoryview, None, bytes]:
        head = yield from self._head()
        if head != (num_bytes, kind, 0, 0):
            raise _unexpected(head)
        content = bytearray(num_bytes)
        yield memoryview(content)
        return bytes(content)


def _unexpected(head: Head) -> SegmentCorrupt:
    return SegmentCorrupt(
        f"a frame of kind {head.kind} with {head.num_bytes} bytes came, expected another in this "
        "place: only simulators of uerl_shm, of this version, may connect; let both ends use TLS, "
        "or neither"
    )


class BridgeServer:
    """Listens for engines, each of which gets a thread of its own.

    Args:
        name: Of the segment; its learner may come later, and another after it.
        token: What engines have to know.
        address: Host and port to listen at; port 0: one that is free.
        certificate: Of TLS, as ``(certificate file, key file)``; None: no TLS.
        say: Gets a line for people about each connection.

    Attributes:
        address: Host and port.

    Raises:
        SystemCallFailed: The address cannot be used, or the certificate not be read.
        SpecError: Other users may read the key.
    """

    def __init__(
        self,
        name: str,
        token: bytes,
        address: tuple[str, int],
        certificate: tuple[str, str | None] | None,
        say: Callable[[str], None],
    ) -> None:
        self._name, self._token, self._say = name, token, say
        self._context = None if certificate is None else _context(*certificate)
        self._strangers = threading.BoundedSemaphore(_MAX_STRANGERS)
        self._connections: set[BridgeConnection] = set()
        self._threads: set[threading.Thread] = set()
        self._stops = False
        try:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self._listening = socket.create_server(address, family=family)
        except OSError as error:
            raise SystemCallFailed(
                f"{address[0]}:{address[1]} cannot be listened at ({error.strerror}), expected an "
                "address of this machine and a free port: choose another"
            ) from None
        self._listening.settimeout(_TICK_S)
        self.address: tuple[str, int] = self._listening.getsockname()[:2]

    def serve_forever(self) -> None:
        """Let engines in until `close` is called from another thread, or an exception comes."""
        while not self._stops:
            try:
                self._let_in(*self._listening.accept())
            except TimeoutError:
                continue
            except (OSError, RuntimeError) as error:  # of descriptors or threads
                if not self._stops:
                    self._say(
                        f"no engine can be let in ({error}), expected room for one: trying again; "
                        "raise `ulimit -n` or `ulimit -u` if it stays so"
                    )
                    time.sleep(_PAUSE_S)

    def _let_in(self, connected: socket.socket, peer: tuple[str, int]) -> None:
        if not self._strangers.acquire(blocking=False):
            connected.close()
            self._say(f"{peer[0]}: refused, {_MAX_STRANGERS} others have proved no token yet")
            return
        thread = threading.Thread(target=self._serve, args=(connected, peer[0]), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            connected.close()
            self._strangers.release()
            raise
        self._threads = {other for other in self._threads if other.is_alive()} | {thread}

    def close(self) -> None:
        """Cut every connection and leave their lanes."""
        self._stops = True
        for connection in list(self._connections):
            connection.end(_stopped())
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _serve(self, connected: socket.socket, peer: str) -> None:
        is_stranger = [True]

        def known() -> None:
            if is_stranger:
                is_stranger.pop()
                self._strangers.release()

        try:
            self._serve_one(connected, peer, known)
        finally:
            known()

    def _serve_one(self, connected: socket.socket, peer: str, known: Callable[[], None]) -> None:
        try:
            if self._context is not None:
                connected.settimeout(_STRANGER_S)
                connected = self._context.wrap_socket(connected, server_side=True)
        except OSError as error:
            connected.close()
            self._say(f"{peer}: refused, TLS failed ({error}): let the engine use TLS, too")
            return
        try:
            connection = BridgeConnection(
                connected, self._name, self._token, known, lambda line: self._say(f"{peer}: {line}")
            )
        except OSError as error:
            connected.close()
            self._say(f"{peer}: refused ({error}), expected room for one more connection")
            return
        self._connections.add(connection)
        if self._stops:  # close() may have looked before
            connection.end(_stopped())
        reason = connection.run()
        self._connections.discard(connection)
        self._say(f"{peer}: {reason}")


def _stopped() -> SystemCallFailed:
    return SystemCallFailed("the learner's end of the bridge was stopped")


def _context(certificate: str, key: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        check_private(Path(key or certificate), "key file")
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise SystemCallFailed(
            f"certificate {certificate} with key {key} cannot be used ({error}), expected PEM "
            "files that belong together: see docs/howto/bridge.md"
        ) from None
    return context
