"""One connection of a bridge: TCP, perhaps under TLS, that never blocks; and how ends find it."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from uerl_shm._simulator import lib
from uerl_shm.errors import LearnerClosed, SpecError, SystemCallFailed

ALIVE_S = lib.UERL_BRIDGE_ALIVE_MS / 1000  # between two signs of life
SILENT_S = lib.UERL_BRIDGE_SILENT_MS / 1000  # after which a connection is taken for cut
_SMALL_BYTES = 1 << 16  # parts up to this are joined, larger ones are never copied
_LINGER_S = 0.3  # for what was sent last to arrive
_MAX_PARTS = 64  # of one system call


def address_of(text: str) -> tuple[str, int]:
    """Return host and port of ``host:port`` or ``[v6]:port``.

    Raises:
        SpecError: It is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise SpecError(
            f"bridge address is {text!r}, expected host:port such as 10.0.0.2:7450: "
            "give the address that `uerl-shm bridge` prints"
        )
    return host.strip("[]"), int(port)


def read_token(path: Path) -> bytes:
    """Return the token that a file holds, without the white space around it.

    Raises:
        SpecError: It is too short or too long, or other users may read it.
        SystemCallFailed: The file cannot be read.
    """
    try:
        check_private(path, "token file")
        token = path.read_bytes().strip()
    except OSError as error:
        raise SystemCallFailed(
            f"token file {path} cannot be read ({error.strerror}), expected one line: make it with "
            f"`openssl rand -hex 32 > {path}; chmod 600 {path}`"
        ) from None
    return checked_token(token, f"token of {path}")


def check_private(path: Path, what: str) -> None:
    """Refuse a secret that other users of this machine may read.

    Raises:
        SpecError: They may. OSError: The file is not there.
    """
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise SpecError(
            f"{what} {path} has mode {mode:04o}, expected 0600, or others can read it: run "
            f"`chmod 600 {path}`, and make a new one if this machine has other users"
        )


def checked_token(token: bytes, what: str = "token") -> bytes:
    """Return the token, if it has an allowed length; SpecError otherwise."""
    least, most = lib.UERL_BRIDGE_LEAST_TOKEN_BYTES, lib.UERL_BRIDGE_MAX_TOKEN_BYTES
    if not least <= len(token) <= most:
        raise SpecError(
            f"the bridge's {what} has {len(token)} bytes, expected {least} to {most}: make one "
            "with `openssl rand -hex 32`, the same for both ends"
        )
    return token


class Wire:
    """Sends from any thread and receives in one, over a connected socket that it owns.

    Raises:
        LearnerClosed: By any call, once the other end or this one has closed it; the text says how.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        if connected.family in (socket.AF_INET, socket.AF_INET6):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._is_tls = isinstance(connected, ssl.SSLSocket)
        self._lock = threading.Lock()  # OpenSSL: one call at a time for each connection
        self._outgoing: deque[memoryview] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._read_ahead = memoryview(b"")
        self._scratch = bytearray(_SMALL_BYTES)
        self._closed = self._freed = False
        self.heard_s = self._said_s = time.monotonic()

    def send(self, parts: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send bytes, in this order; what the kernel does not take now goes out later.

        The parts must not change until then: the other end answers only after it has them all.
        """
        with self._lock:
            self._check_open()
            self._outgoing.extend(memoryview(part).cast("B") for part in parts if len(part))
            self._said_s = time.monotonic()
            self._flush()
            is_left = bool(self._outgoing)
        if is_left:
            self.wake()

    def keep_alive(self, sign: bytes) -> None:
        """Send `sign` if it is time; raise if the other end was silent for too long."""
        now = time.monotonic()
        if now - self.heard_s > SILENT_S:
            raise LearnerClosed(
                f"the bridge was silent for {SILENT_S} s, expected a sign of life each {ALIVE_S} "
                "s: the connection is cut, connect again"
            )
        if now - self._said_s >= ALIVE_S and not self._outgoing:
            self.send([sign])

    def wait(self, timeout_s: float) -> None:
        """Wait until something can be received, or sent if something is to be."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        writes = select.POLLOUT if self._outgoing else 0
        poll.register(self._socket, select.POLLIN | writes)
        for fd, _ in poll.poll(timeout_s * 1000):
            if fd == self._wake:
                os.eventfd_read(self._wake)
        with self._lock:
            self._check_open()
            self._flush()

    def receive_into(self, target: memoryview) -> int:
        """Fill the front of `target` with what has come; return how many bytes, 0: nothing yet."""
        if not self._read_ahead and len(target) >= _SMALL_BYTES:
            return self._receive(target)
        if not self._read_ahead:
            self._read_ahead = memoryview(self._scratch)[: self._receive(self._scratch)]
        count = min(len(target), len(self._read_ahead))
        target[:count] = self._read_ahead[:count]
        self._read_ahead = self._read_ahead[count:]
        return count

    def wake(self) -> None:
        """Let `wait` return."""
        with self._lock:
            if not self._freed:
                os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """End the connection; whoever waits for it sees so."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the other end was faster
        self.wake()

    def free(self) -> None:
        """Close the socket and the rest; nobody may be waiting any more."""
        self.close()
        if time.monotonic() - self.heard_s < SILENT_S:
            self._let_arrive()
        with self._lock:
            self._freed = True
            self._socket.close()
            os.close(self._wake)

    def _let_arrive(self) -> None:
        """Wait for the other end's end: closed with bytes unread, TCP takes back what it sent."""
        deadline = time.monotonic() + _LINGER_S
        try:
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not self._socket.recv(_SMALL_BYTES):
                    return
        except OSError:
            pass  # it is gone, or has said nothing

    def _check_open(self) -> None:
        if self._closed:
            raise LearnerClosed("the bridge was closed at this end")

    def _receive(self, target: memoryview | bytearray) -> int:
        with self._lock:
            self._check_open()
            try:
                count = self._socket.recv_into(target)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return 0
            except OSError as error:
                raise LearnerClosed(f"the bridge's connection broke: {error}") from None
        if count == 0:
            raise LearnerClosed("the other end closed the bridge's connection")
        self.heard_s = time.monotonic()
        return count

    def _flush(self) -> None:
        try:
            while self._outgoing:
                self._sent(self._send_some())
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            raise LearnerClosed(f"the bridge's connection broke: {error}") from None

    def _send_some(self) -> int:
        first = self._outgoing[0]
        if not self._is_tls:
            parts = [self._outgoing[i] for i in range(min(len(self._outgoing), _MAX_PARTS))]
            return self._socket.sendmsg(parts)
        if len(first) <= _SMALL_BYTES and len(self._outgoing) > 1:
            first = self._join()
        return self._socket.send(first)

    def _join(self) -> memoryview:
        """Make one part of the small ones in front: each send is a TLS record of its own."""
        joined = bytearray()
        while self._outgoing and len(joined) + len(self._outgoing[0]) <= 2 * _SMALL_BYTES:
            joined += self._outgoing.popleft()
        self._outgoing.appendleft(memoryview(joined))
        return self._outgoing[0]

    def _sent(self, count: int) -> None:
        while count > 0:
            first = self._outgoing[0]
            if count < len(first):
                self._outgoing[0] = first[count:]
                return
            count -= len(first)
            self._outgoing.popleft()
