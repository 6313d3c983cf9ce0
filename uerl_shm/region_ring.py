"""Frames from a region of the form "a counter and N buffers": delivered whole or not at all."""

from __future__ import annotations

import math
import time
from types import TracebackType

import numpy as np
from numpy.typing import DTypeLike

from uerl_shm._simulator import ffi, lib
from uerl_shm.errors import SimulatorLost, SpecError, StepTimeout
from uerl_shm.region import Region, checked_array, checked_offset

__all__ = ["RingReader"]

COUNTERS = ("uint32", "uint64")
POLL_S = 1e-4  # a frame of an engine takes milliseconds
LOOK_S = 0.1  # between two looks whether the region is still there


class RingReader:
    """Reads the frames that a maker puts into the buffers of its own region, in turn.

    The maker's rules: frame ``k`` (from 0) is written into buffer ``k % num_buffers``; then the
    counter is stored as ``k + 1``, with release. Before it writes a buffer again it issues a
    release fence (on x86-64 the order of its stores is enough).

    A frame is copied, and then the counter is loaded again: a copy whose buffer the maker may have
    begun to write meanwhile (the counter reached ``k + num_buffers``) is dropped, counted and tried
    again. This is a sequence lock over ``num_buffers`` buffers; loads are ordered by the acquire
    load and the fence of ``csrc/core/region.c``, not by Python. A maker that raises the counter
    before the bytes are written cannot be found out.

    Frames that were published before the reader was made are not delivered: a region that an engine
    used again may hold those of a run that crashed. The counter must move.

    Args:
        name: Name of the region, as for `uerl_shm.Region`.
        dtype: Element type of a frame.
        shape: Shape of a frame, without a batch axis.
        num_buffers: Buffers of the ring, at least 2; with 3 or more a slow copy seldom tears.
        first_offset: Of the first buffer in the region, in bytes.
        stride_bytes: From one buffer to the next.
        counter_offset: Of the counter in the region, in bytes, a multiple of its size.
        counter_dtype: ``"uint64"`` or ``"uint32"`` (also for an ``int32`` that counts from 0).
        in_order: Deliver every frame that is still there, oldest first, rather than the newest.
            The maker does not wait: who reads too slowly misses frames either way, and `num_missed`
            says how many.

    Attributes:
        region: The bytes, as a `uerl_shm.Region`.
        index: Number of the frame that `read` returned last, or -1.
        num_torn: Copies that were dropped since they may have been overwritten.
        num_missed: Frames that were published since the reader was made, are older than ``index``
            and were not delivered.

    Raises:
        SpecError: An argument is wrong, or the counter lies inside a buffer.
        SegmentNotFound, LayoutMismatch, SystemCallFailed: As for `uerl_shm.Region`.
    """

    def __init__(
        self,
        name: str,
        dtype: DTypeLike,
        shape: tuple[int, ...],
        *,
        num_buffers: int,
        first_offset: int,
        stride_bytes: int,
        counter_offset: int = 0,
        counter_dtype: DTypeLike = "uint64",
        in_order: bool = False,
    ) -> None:
        self._dtype, self._shape = checked_array(dtype, shape)
        self._frame_bytes = self._dtype.itemsize * math.prod(self._shape)
        self._num_buffers = num_buffers
        self._first_offset = checked_offset("first_offset", first_offset)
        self._stride_bytes = checked_offset("stride_bytes", stride_bytes)
        self._counter_offset = checked_offset("counter_offset", counter_offset)
        self._counter_bytes = _counter_bytes(counter_dtype)
        self._in_order = in_order
        self._check_arrangement()
        end = self._first_offset + (num_buffers - 1) * self._stride_bytes + self._frame_bytes
        end = max(end, self._counter_offset + self._counter_bytes)
        self.region = Region(name, np.uint8, (end,))
        self.index = -1
        self.num_torn = 0
        self.num_missed = 0
        self._seen = 0
        self._next = self._count()

    def read(self, timeout_s: float) -> np.ndarray:
        """Wait for a frame that was not delivered yet, and copy it.

        Args:
            timeout_s: Longest wait, in seconds; 0 looks once.

        Returns:
            The frame, of ``shape`` and ``dtype``: the caller's own memory. Its number is ``index``.

        Raises:
            StepTimeout: The counter did not move, or every copy was torn. Nothing is lost: read
                again.
            SimulatorLost: The region's name is gone or leads to another region, or the counter went
                back: the engine ended or was started again. Make a new reader.
            SegmentCorrupt: The region was truncated.
        """
        if not timeout_s >= 0 or math.isinf(timeout_s):
            raise SpecError(
                f"timeout_s {timeout_s!r} is not allowed, expected a number of seconds from 0"
            )
        deadline = time.monotonic() + timeout_s
        look_at = time.monotonic() + LOOK_S
        torn_before = self.num_torn
        while True:
            index = self._wanted(self._count())
            frame = None if index is None else self._copy(index)
            if frame is not None:
                return frame
            now = time.monotonic()
            if now >= look_at or now >= deadline:
                self.region.check()
                look_at = now + LOOK_S
            if now >= deadline:
                raise self._timeout(timeout_s, self.num_torn - torn_before)
            if index is None:
                time.sleep(min(POLL_S, deadline - now))

    def close(self) -> None:
        """Let go of the region; it stays as its maker left it. May be called again."""
        self.region.close()

    def __enter__(self) -> RingReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_arrangement(self) -> None:
        if not isinstance(self._num_buffers, int) or self._num_buffers < 2:
            raise SpecError(
                f"num_buffers {self._num_buffers!r} is not allowed, expected at least 2: a maker "
                "with one buffer may be writing it at any time"
            )
        if self._stride_bytes < self._frame_bytes:
            raise SpecError(
                f"stride_bytes {self._stride_bytes} is too small, expected at least the "
                f"{self._frame_bytes} bytes of a frame: compare dtype and shape with the maker"
            )
        if self._counter_offset % self._counter_bytes != 0:
            raise SpecError(
                f"counter_offset {self._counter_offset} is not allowed, expected a multiple of "
                f"{self._counter_bytes}: a counter that is not aligned can be read half"
            )
        buffers_end = self._first_offset + self._num_buffers * self._stride_bytes
        counter_end = self._counter_offset + self._counter_bytes
        if self._counter_offset < buffers_end and counter_end > self._first_offset:
            raise SpecError(
                f"counter_offset {self._counter_offset} lies inside the buffers, expected bytes "
                f"outside of {self._first_offset} to {buffers_end}: compare with the maker"
            )

    def _count(self) -> int:
        """How many frames were published."""
        word = ffi.cast("void *", self.region.address + self._counter_offset)
        count = int(lib.uerl_region_load(word, self._counter_bytes))
        if count < self._seen:
            self.region.check()  # a truncated region reads as zeros
            raise SimulatorLost(
                f"the counter of region {self.region.name!r} went from {self._seen} to {count}, "
                "expected it to rise: the engine was started again; make a new reader"
            )
        self._seen = count
        return count

    def _wanted(self, count: int) -> int | None:
        """Number of the frame to read; None: there is no new one."""
        if count <= self._next:
            return None
        oldest_safe = max(self._next, count - self._num_buffers + 1)
        return oldest_safe if self._in_order else count - 1

    def _copy(self, index: int) -> np.ndarray | None:
        """The frame; None if it may have been overwritten while it was copied."""
        offset = self._first_offset + index % self._num_buffers * self._stride_bytes
        frame = np.empty(self._frame_bytes, np.uint8)
        source = ffi.cast("void *", self.region.address + offset)
        lib.uerl_region_copy(ffi.from_buffer(frame), source, self._frame_bytes)
        if self._count() >= index + self._num_buffers:
            self.num_torn += 1
            return None
        self.region.check_whole()  # bytes of a file that was cut are zeros
        self.num_missed += index - self._next
        self._next = index + 1
        self.index = index
        return frame.view(self._dtype).reshape(self._shape)

    def _timeout(self, timeout_s: float, num_torn: int) -> StepTimeout:
        if num_torn:
            return StepTimeout(
                f"each of {num_torn} copies from region {self.region.name!r} was torn within "
                f"{timeout_s:g} s, expected a whole one: give the ring more buffers"
            )
        return StepTimeout(
            f"the counter of region {self.region.name!r} stands at {self._seen} for "
            f"{timeout_s:g} s, expected it to rise: look whether the engine is loading, paused or "
            "hung, and read again"
        )


def _counter_bytes(counter_dtype: DTypeLike) -> int:
    try:
        dtype = np.dtype(counter_dtype)
    except TypeError:
        dtype = np.dtype("V1")
    if dtype.name not in COUNTERS or not dtype.isnative:
        raise SpecError(
            f"counter_dtype {counter_dtype!r} is not allowed, expected {' or '.join(COUNTERS)}: "
            "other words cannot be loaded in one piece, or in order"
        )
    return dtype.itemsize
