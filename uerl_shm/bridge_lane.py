"""One lane of a segment that a bridge holds in place of its simulator, which is far away."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator

import numpy as np

from uerl_shm._simulator import ffi, lib
from uerl_shm.bridge_frames import COMMAND, FRAME, NOTE, RESULT, WELCOME, Head, frame, tables
from uerl_shm.bridge_wire import Wire
from uerl_shm.errors import LearnerClosed, SegmentCorrupt
from uerl_shm.host_arrays import DTYPES, fields_of
from uerl_shm.host_attach import attach_now, check, detach

_SLICE_NS = 100_000_000  # of waiting, between two looks at whether the connection is still there
_FIRST_OF_LEARNER = lib.UERL_ROLE_ACTION


class BridgeLane:
    """Attaches as any simulator does; passes commands on, and results back.

    To the learner it *is* the lane's simulator: its lock says that the far one is connected. A
    fence ends it, but not this process.

    Args:
        name: Of the segment.
        lane: -1: the first that is free.
        wire: To the engine.
        channel: Of the connection.
        ends: Called from a thread of this lane with what ended it.

    Raises:
        SegmentNotFound: There is no such learner. SegmentExists: The lane is taken.
    """

    def __init__(
        self, name: str, lane: int, wire: Wire, channel: int, ends: Callable[[Exception], None]
    ) -> None:
        self._wire, self._channel, self._name, self._ends = wire, channel, name, ends
        self._handle, self._memory = attach_now(name, lane)
        lib.uerl_simulator_relays(self._handle)
        self.lane: int = lib.uerl_simulator_lane(self._handle)
        self._num_envs: int = lib.uerl_simulator_num_envs(self._handle)
        self._fields = list(fields_of(self._handle))
        self._arrays: dict[tuple[int, bool], list[np.ndarray]] = {}
        self._received = ffi.new("struct uerl_received *")
        self._awaited: list[memoryview] | None = None  # where the rows of a result go
        self._message_bytes: int = lib.uerl_simulator_message_bytes(self._handle)
        self._failure: bytes | None = None  # why the engine cannot go on
        self._answered = threading.Event()
        self._stops = False
        self._thread: threading.Thread | None = None

    def welcome(self, proof: bytes) -> bytes:
        """Return the frame that tells the engine what this lane is."""
        text = ffi.string(lib.uerl_simulator_text(self._handle))
        num_groups, packed = tables(self._fields, self._num_envs)
        mode = lib.uerl_simulator_autoreset_mode(self._handle)
        sizes = (self._num_envs, num_groups, len(self._fields), mode, self._message_bytes)
        head = WELCOME.pack(proof, self.lane, *sizes, len(text), 0, self._name.encode())
        return frame(lib.UERL_BRIDGE_WELCOME, self._channel, head, packed, text)

    def close(self) -> None:
        """Leave the lane. No `read` may be under way."""
        self._stops = True
        self._answered.set()
        if self._thread is not None:
            self._thread.join()
        detach(self._handle, self._memory, os.getpid())

    # What the engine says -------------------------------------------------------------------------

    def read(self, head: Head) -> Iterator[memoryview]:
        """Take a frame of this channel: yields the memory that its content is to be read into.

        Raises:
            SegmentCorrupt: It has another size or place than the protocol allows.
        """
        kinds = {
            lib.UERL_BRIDGE_READY: self._read_ready,
            lib.UERL_BRIDGE_REFUSE: self._read_refuse,
            lib.UERL_BRIDGE_RESULT: self._read_result,
        }
        if head.kind not in kinds:
            raise _unexpected(head, "READY, REFUSE or RESULT")
        return kinds[head.kind](head)

    def _read_ready(self, head: Head) -> Iterator[memoryview]:
        if self._thread is not None:
            raise _unexpected(head, "no READY after the first")
        kind, message = yield from self._read_note(head)
        self._write_message(kind, message)
        self._bind()
        check(lib.uerl_simulator_ready(self._handle))
        self._thread = threading.Thread(
            target=self._serve, name=f"uerl-lane-{self.lane}", daemon=True
        )
        self._thread.start()

    def _read_refuse(self, head: Head) -> Iterator[memoryview]:
        if self._thread is not None:
            raise _unexpected(head, "no REFUSE after READY")
        _, text = yield from self._read_note(head)
        check(lib.uerl_simulator_refuse(self._handle, text))

    def _read_note(self, head: Head) -> Generator[memoryview, None, tuple[int, bytes]]:
        fixed = bytearray(NOTE.size)
        if head.num_bytes < NOTE.size:
            raise _unexpected(head, f"at least {NOTE.size} bytes")
        yield memoryview(fixed)
        kind, num_bytes = NOTE.unpack(fixed)
        if num_bytes != head.num_bytes - NOTE.size:
            raise _unexpected(head, f"{NOTE.size + num_bytes} bytes")
        return kind, (yield from self._read_message(num_bytes))

    def _read_message(self, num_bytes: int) -> Generator[memoryview, None, bytes]:
        if num_bytes > self._message_bytes:
            raise SegmentCorrupt(
                f"the engine's message has {num_bytes} bytes, expected at most "
                f"{self._message_bytes}: the connection is closed"
            )
        message = bytearray(num_bytes)
        yield memoryview(message)
        return bytes(message)

    def _write_message(self, kind: int, message: bytes) -> None:
        if kind != 0:
            write = lib.uerl_simulator_write_message
            check(write(self._handle, kind, message, len(message)))

    def _read_result(self, head: Head) -> Iterator[memoryview]:
        fixed = bytearray(RESULT.size)
        awaited = self._awaited
        if awaited is None or head.num_bytes < RESULT.size:
            raise _unexpected(head, "a result for each command, and nothing else")
        yield memoryview(fixed)
        sequence, status, reserved, kind, num_bytes = RESULT.unpack(fixed)
        rows = awaited if status == lib.UERL_RESULT_OK else []
        expected = RESULT.size + sum(len(part) for part in rows) + num_bytes
        if sequence != self._received.sequence or reserved or head.num_bytes != expected:
            raise _unexpected(head, f"{expected} bytes for command {self._received.sequence}")
        yield from rows
        message = yield from self._read_message(num_bytes)
        self._failure = None if status == lib.UERL_RESULT_OK else message
        if self._failure is None:
            self._write_message(kind, message)
        self._awaited = None
        self._answered.set()

    # What the learner says ------------------------------------------------------------------------

    def _bind(self) -> None:
        for field in self._fields:
            if field.role == lib.UERL_ROLE_OBSERVATION:
                dtype, shape = DTYPES.index(field.dtype) + 1, list(field.shape)
                names = (field.group.encode(), field.name.encode())
                bind = lib.uerl_simulator_bind
                check(bind(self._handle, *names, field.role, dtype, len(shape), shape))

    def _serve(self) -> None:
        """Pass on command after command, until the connection or the learner ends."""
        try:
            while not self._stops:
                code = lib.uerl_simulator_receive(self._handle, self._received, _SLICE_NS)
                if code == lib.UERL_E_TIMEOUT:
                    continue
                check(code)
                self._pass_on()
                if self._wait_for_result():
                    check(self._commit())
        except Exception as error:  # whatever it is, the connection ends with it
            self._ends(error)

    def _pass_on(self) -> None:
        received = self._received
        kind, num_bytes = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        data = lib.uerl_simulator_message(self._handle, kind, num_bytes)
        message = b"" if data == ffi.NULL else bytes(ffi.buffer(data, num_bytes[0]))
        rows = self._views(received.action_slot, True)
        self._answered.clear()
        self._awaited = self._asked_rows(received.slot)
        size = COMMAND.size + sum(array.nbytes for array in rows) + len(message)
        head = FRAME.pack(size, lib.UERL_BRIDGE_COMMAND, 0, self._channel)
        fixed = COMMAND.pack(received.sequence, kind[0], len(message))
        self._wire.send([head + fixed, *(array.data for array in rows), message])

    def _wait_for_result(self) -> bool:
        while not (self._stops or self._answered.wait(_SLICE_NS * 1e-9)):
            if lib.uerl_simulator_is_fenced(self._handle):
                raise LearnerClosed(
                    f"lane {self.lane} was fenced by its learner: this engine was silent for too "
                    "long; it may connect again"
                )
        return self._awaited is None  # else close() has ended the wait

    def _commit(self) -> int:
        if self._failure is None:
            return lib.uerl_simulator_send(self._handle)  # type: ignore[no-any-return]
        return lib.uerl_simulator_fail(self._handle, self._failure)  # type: ignore[no-any-return]

    def _views(self, slot: int, of_learner: bool) -> list[np.ndarray]:
        """Bytes ``(rows, row_bytes)`` of each array that one side writes, in the fields' order."""
        made = self._arrays.get((slot, of_learner))
        if made is None:
            made = []
            for field in self._fields:
                if (field.role >= _FIRST_OF_LEARNER) == of_learner:
                    row = lib.uerl_simulator_row(self._handle, field.number, 0)
                    address = int(ffi.cast("uintptr_t", row))
                    shape = (field.num_rows, *field.shape)
                    array = self._memory.array(address, shape, field.dtype)
                    made.append(array.reshape(field.num_rows, -1).view(np.uint8))
            self._arrays[slot, of_learner] = made
        return made

    def _asked_rows(self, slot: int) -> list[memoryview]:
        """Where the rows of a result go: all but those of envs that the command skips."""
        control = lib.uerl_simulator_control
        asked = [control(self._handle, env) != 0 for env in range(self._num_envs)]
        edges = np.flatnonzero(np.diff(np.array([False, *asked, False], np.int8)))
        runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
        parts = []
        for array in self._views(slot, False):
            rows = len(array) // self._num_envs
            parts += [array[a * rows : b * rows].data.cast("B") for a, b in runs]
        return parts


def _unexpected(head: Head, expected: str) -> SegmentCorrupt:
    return SegmentCorrupt(
        f"the engine sent a frame of kind {head.kind} with {head.num_bytes} bytes, expected "
        f"{expected}: the connection is closed"
    )
