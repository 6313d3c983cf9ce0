"""The engine's end of a bridge in Python: sockets and a thread around the calls of bridge.h."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from uerl_shm._simulator import ffi, lib
from uerl_shm.bridge_wire import Wire, address_of, checked_token, read_token
from uerl_shm.errors import LearnerClosed, SegmentExists, SegmentNotFound, SpecError
from uerl_shm.host_attach import TAKEN_LANE_S, check

_CONNECT_S = 5.0  # for a connection and its TLS
_RETRY_S = 0.25  # between two connections
_TICK_S = 0.1
_PIECE_BYTES = 1 << 18


class BridgeMemory:
    """Stands for the memory of a simulator that has no segment; arrays over it keep it."""

    def __init__(self, bridge: Any) -> None:
        self.bridge = bridge

    def __del__(self) -> None:
        simulator = lib.uerl_bridge_simulator(self.bridge)
        if simulator != ffi.NULL:
            lib.uerl_simulator_detach(simulator)
        lib.uerl_bridge_close(self.bridge)

    def array(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Return an array over the memory that begins at `address`."""
        return np.asarray(_Lent(self, address, shape, dtype))


class _Lent:
    """NumPy's array interface (version 3) for a part of the memory; the array's base."""

    def __init__(
        self, memory: BridgeMemory, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.memory = memory
        self.__array_interface__ = {
            "data": (address, False),
            "shape": shape,
            "typestr": dtype.str,
            "version": 3,
        }


class BridgeEngine:
    """A simulator's connection to ``uerl-shm bridge``.

    A thread of its own carries the bytes and says that this process is alive, however long a step
    takes. Closing leaves the learner's lane.

    Args:
        address: ``host:port`` of the learner's end.
        token: What both ends know; None: the file that ``UERL_SHM_BRIDGE_TOKEN_FILE`` names.
        certificate: File with the certificates that TLS trusts; None: no TLS.
        lane: -1: any that is free.

    Attributes:
        handle: For the calls of uerl_shm.h, made through `call` where they send something.
        memory: What the arrays of the handle stand in.

    Raises:
        SegmentNotFound: The learner's end has no learner. SegmentExists: Its lane is taken.
        LearnerClosed: Nobody answers there, or not as a bridge does.
        SpecError: The token is not that of the other end.
        LayoutMismatch: The other end is of another version.
    """

    def __init__(
        self, address: str, token: bytes | None, certificate: str | None, lane: int
    ) -> None:
        token = _token_of_environment() if token is None else checked_token(token)
        made = ffi.new("uerl_bridge **")
        nonce = os.urandom(lib.UERL_BRIDGE_NONCE_BYTES)
        check(lib.uerl_bridge_open(made, token, len(token), nonce, lane))
        self.memory = BridgeMemory(made[0])
        self._wire = Wire(_connect(address, certificate))
        self._piece = bytearray(_PIECE_BYTES)
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="uerl-bridge", daemon=True)
        self._thread.start()
        try:
            self.handle = self._welcomed()
        except BaseException:
            self.close()
            raise

    def call(self, function: Callable[..., int], *args: Any) -> int:
        """Make a call of uerl_shm.h that may send something; return its code.

        What it sends is copied before this returns: the rows are the next command's.
        """
        with self._changed:
            code = function(*args)
            self._drain()
        return code

    def receive(self, received: Any, timeout_ns: int) -> int:
        """As ``uerl_simulator_receive``, which over a bridge does not wait by itself."""
        deadline = time.monotonic() + timeout_ns * 1e-9
        with self._changed:
            while True:
                code: int = lib.uerl_simulator_receive(self.handle, received, 0)
                left = deadline - time.monotonic()
                if code != lib.UERL_E_TIMEOUT or left <= 0:
                    return code
                self._changed.wait(left)

    def close(self) -> None:
        """Cut the connection; the memory stays for as long as arrays over it are referenced."""
        self._wire.close()
        self._thread.join()

    def _welcomed(self) -> Any:
        with self._changed:
            while True:
                simulator = lib.uerl_bridge_simulator(self.memory.bridge)
                if simulator != ffi.NULL:
                    return simulator
                if self._ended:
                    check(lib.uerl_bridge_tick(self.memory.bridge, time.monotonic_ns()))
                self._changed.wait(_TICK_S)

    def _run(self) -> None:
        bridge, piece = self.memory.bridge, bytearray(_PIECE_BYTES)
        view, data = memoryview(piece), ffi.from_buffer(piece)
        try:
            while not self._ended:
                with self._changed:
                    self._drain()
                    if lib.uerl_bridge_tick(bridge, time.monotonic_ns()) != lib.UERL_OK:
                        break
                    self._drain()
                self._wire.wait(_TICK_S)
                while count := self._wire.receive_into(view):
                    with self._changed:
                        code = lib.uerl_bridge_feed(bridge, data, count, time.monotonic_ns())
                        self._changed.notify_all()
                        if code != lib.UERL_OK:
                            return
                        self._drain()
        except LearnerClosed as error:
            text = str(error)
            with self._changed:
                if lib.uerl_bridge_simulator(bridge) == ffi.NULL:
                    text += " before it let this one in: let both use TLS, or neither"
                lib.uerl_bridge_cut(bridge, text.encode())
        finally:
            with self._changed:
                lib.uerl_bridge_cut(bridge, b"the bridge's thread has ended")  # if nothing else has
                self._ended = True
                self._changed.notify_all()
            self._wire.free()

    def _drain(self) -> None:
        """Hand what the bridge has to say to the wire; the rows are copied here."""
        bridge, piece = self.memory.bridge, self._piece
        while count := lib.uerl_bridge_drain(bridge, ffi.from_buffer(piece), len(piece)):
            self._wire.send([piece[:count]])


def bridge_engine(
    address: str, token: bytes | None, certificate: str | None, lane: int, timeout_s: float
) -> BridgeEngine:
    """Connect, and try again for `timeout_s` while there is no learner or no free lane."""
    deadline = time.monotonic() + timeout_s
    certificate = certificate or os.environ.get("UERL_SHM_BRIDGE_CERTIFICATE")
    lane = _lane_of_environment() if lane < 0 else lane
    taken_since: float | None = None
    while True:
        try:
            return BridgeEngine(address, token, certificate, lane)
        except (SegmentNotFound, SegmentExists, LearnerClosed) as error:
            now = time.monotonic()
            if taken_since is None or not isinstance(error, SegmentExists):
                taken_since = now
            if now >= deadline or now - taken_since >= TAKEN_LANE_S:
                raise
        time.sleep(_RETRY_S)


def _token_of_environment() -> bytes:
    path = os.environ.get("UERL_SHM_BRIDGE_TOKEN_FILE")
    if not path:
        raise SpecError(
            "no token for the bridge, expected an argument or UERL_SHM_BRIDGE_TOKEN_FILE in the "
            "environment: give both ends the same file"
        )
    return read_token(Path(path))


def _lane_of_environment() -> int:
    text = os.environ.get("UERL_SHM_LANE") or "-1"
    if not text.lstrip("-").isdecimal():
        raise SpecError(
            f"UERL_SHM_LANE is {text!r}, expected a number from 0: set it to this simulator's lane"
        )
    return int(text)


def _connect(address: str, certificate: str | None) -> socket.socket:
    host, port = address_of(address)
    context = None if certificate is None else _context(certificate)
    try:
        connected = socket.create_connection((host, port), _CONNECT_S)
    except OSError as error:
        raise LearnerClosed(
            f"nobody answers at {address} ({error}), expected `uerl-shm bridge`: start it, and "
            "check address and firewall"
        ) from None
    if context is None:
        return connected
    try:
        return context.wrap_socket(connected, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise SpecError(
            f"TLS with {address} failed ({error}), expected a certificate that {certificate} "
            "vouches for: give this end the learner's certificate, and the other a --key"
        ) from None
    except OSError as error:
        raise LearnerClosed(
            f"TLS with {address} failed ({error}), expected `uerl-shm bridge` with a "
            "--certificate: let both ends use TLS, or neither"
        ) from None
    finally:
        connected.close()  # what has become the connection is another object


def _context(certificate: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=certificate)
    except OSError as error:
        raise SpecError(
            f"certificate {certificate} cannot be used ({error}), expected a PEM file: give this "
            "end a copy of the learner's"
        ) from None
