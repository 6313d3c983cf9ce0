"""Whole messages over a socketpair between a HostedVectorEnv and one simulator that it started.

What does not fit into arrays goes this way: infos, exceptions, the arguments and results of calls.
Messages are pickles, and both ends are processes of one program: nobody else holds the sockets.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

import cloudpickle

_LENGTH = struct.Struct("<Q")
_SLICE_S = 0.1  # between two looks whether the other end lives
_READ_BYTES = 1 << 18


class ChannelClosed(ConnectionError):
    """The process at the other end is gone."""


def packed(message: Any) -> bytes:
    """Return what `unpacked` turns into an equal message."""
    try:
        return bytes(ForkingPickler.dumps(message))
    except Exception:
        # Functions and classes without a name that the other end could import.
        return cloudpickle.dumps(message)  # type: ignore[no-any-return]


unpacked = pickle.loads


class Channel:
    """One end of the socketpair. Nothing blocks but `wait` and `flush`, and these are bounded.

    Args:
        sock: This end.
        alive: Whether the process at the other end lives. The end of a stream says so too late:
            forked processes may hold copies of the other socket.

    Attributes:
        num_sent: Messages sent so far.
        num_taken: Messages taken so far, each by its number from 1.
    """

    def __init__(self, sock: socket.socket, alive: Callable[[], bool]) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._alive = alive
        self._unsent: deque[memoryview] = deque()
        self._received = bytearray()
        self._messages: deque[bytes] = deque()
        self._ended = False
        self.num_sent = 0
        self.num_taken = 0

    @property
    def unsent(self) -> bool:
        """Whether bytes wait until the other end reads."""
        return bool(self._unsent)

    def send(self, payload: bytes) -> None:
        """Send what `packed` returned: at once as far as possible, the rest with `pump`."""
        self.num_sent += 1
        self._unsent.append(memoryview(_LENGTH.pack(len(payload)) + payload))
        self._write()

    def pump(self) -> None:
        """Move what can be moved without waiting, both ways."""
        self._write()
        self._read()

    def take(self) -> tuple[int, Any] | None:
        """Return the oldest message and its number, or None when there is none."""
        if not self._messages:
            self.pump()
        if not self._messages:
            return None
        self.num_taken += 1
        return self.num_taken, unpacked(self._messages.popleft())

    def wait(self, deadline: float = math.inf) -> tuple[int, Any]:
        """Return the oldest message and its number.

        Args:
            deadline: Of ``time.monotonic()``.

        Raises:
            TimeoutError: None came whole. Nothing is lost: wait again.
            ChannelClosed: The other process ended, and none can come.
        """
        taken = self.take()
        while taken is None:
            self._sleep(deadline)
            alive = self._alive()  # before the look: what it sent before it died is there then
            taken = self.take()
            if taken is None and (self._ended or not alive):
                raise ChannelClosed("the other process ended, expected a message from it")
        return taken

    def flush(self, deadline: float = math.inf) -> None:
        """Wait until everything is sent; raises as `wait` does."""
        self._write()
        while self._unsent:
            if self._ended or not self._alive():
                raise ChannelClosed("the other process ended, expected it to read")
            self._sleep(deadline)
            self._write()

    def close(self) -> None:
        """Close this end; the other one sees it."""
        self._ended = True
        self._socket.close()

    def _sleep(self, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the other process has not answered in time")
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        poll.poll(1000 * min(_SLICE_S, left_s))

    def _write(self) -> None:
        try:
            while self._unsent:
                part = self._unsent[0]
                num_bytes = self._socket.send(part, socket.MSG_NOSIGNAL)
                if num_bytes < len(part):
                    self._unsent[0] = part[num_bytes:]
                else:
                    self._unsent.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._ended = True
            self._unsent.clear()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while not self._ended:
                try:
                    part = self._socket.recv(_READ_BYTES)
                except ConnectionError:
                    part = b""
                self._ended = not part
                self._received += part
                if len(part) < _READ_BYTES:
                    break
        self._divide()

    def _divide(self) -> None:
        at = 0
        while len(self._received) - at >= _LENGTH.size:
            (num_bytes,) = _LENGTH.unpack_from(self._received, at)
            end = at + _LENGTH.size + num_bytes
            if len(self._received) < end:
                break
            self._messages.append(bytes(self._received[at + _LENGTH.size : end]))
            at = end
        if at:
            del self._received[:at]
