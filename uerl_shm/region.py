"""Arrays over named shared memory that another program made, such as an engine without our plugin.

`Region` is one array; `uerl_shm.region_ring.RingReader` reads frames from a ring of buffers.
"""

from __future__ import annotations

import math
import operator
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from uerl_shm.errors import SegmentError, SpecError
from uerl_shm.region_mapping import Mapping, checked_name

__all__ = ["Region"]


class Region:
    """An array in a named region that another program made and owns.

    The region is opened to be read and written, and is otherwise left alone: it is not created,
    resized, truncated or unlinked, neither here nor when it is closed. Its size is what the file
    has, which may be more than was asked of its maker (Unreal rounds up to its page size).

    Nothing orders what is read through ``array`` against what the maker writes meanwhile: read a
    word that never changes, or read frames through `uerl_shm.region_ring.RingReader`.

    If another program truncates the region while it is mapped, the lost bytes of ``array`` become
    zeros instead of ending this process, and `check` raises. That holds for the first 256 mappings
    of a process. A region that is cut and grown again between two looks cannot be told from one
    whose maker wrote zeros.

    Args:
        name: Name that its maker passed to ``FPlatformMemory::MapNamedSharedMemoryRegion`` or,
            after a slash, to ``shm_open``: the file's name in ``/dev/shm``.
        dtype: Element type, of a fixed size; a structured dtype may describe a header.
        shape: Length of each axis, each at least 1; ``()`` is one element.
        offset: Of the array's first byte in the region, in bytes.

    Raises:
        SpecError: An argument is wrong; the message names it.
        SegmentNotFound: There is no region of that name; the message names similar ones.
        LayoutMismatch: The region ends before the array does; the message has both sizes.
        SystemCallFailed: This user may not read and write it; ``errno`` says why.
    """

    def __init__(
        self, name: str, dtype: DTypeLike, shape: tuple[int, ...], offset: int = 0
    ) -> None:
        self.name = checked_name(name)
        element, axes = checked_array(dtype, shape)
        offset = checked_offset("offset", offset)
        self._mapping: Mapping | None = Mapping(name, offset + element.itemsize * math.prod(axes))
        self._array = self._mapping.array(element, axes, offset)
        self._offset = offset

    @property
    def array(self) -> np.ndarray:
        """The array itself: a writable view of ``shape`` and ``dtype``.

        It and every view of it stay valid after `close`: the memory is unmapped with the last one.
        """
        self._open_mapping()
        return self._array

    @property
    def num_bytes(self) -> int:
        """Size of the region when it was mapped, in bytes."""
        return self._open_mapping().num_bytes

    @property
    def address(self) -> int:
        """Of the array's first byte in this process."""
        return self._open_mapping().address + self._offset

    def check(self) -> None:
        """Look whether the region is still the one that was mapped, and whole.

        Raises:
            SegmentCorrupt: It was truncated.
            SimulatorLost: Its name is gone, or leads to another region: its maker ended, or was
                started again. Make a new `Region`.
        """
        self.check_whole()
        self._open_mapping().check_name()

    def check_whole(self) -> None:
        """Look whether the region still has all its bytes; quicker than `check`.

        Raises:
            SegmentCorrupt: It was truncated.
        """
        self._open_mapping().check_whole()

    def close(self) -> None:
        """Let go of the region; it stays as its maker left it. May be called again."""
        self._mapping = None
        self._array = np.empty(0, np.uint8)

    def __enter__(self) -> Region:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_mapping(self) -> Mapping:
        if self._mapping is None:
            raise SegmentError(
                f"region {self.name!r} is closed, expected an open one: make a new Region"
            )
        return self._mapping


def checked_array(
    dtype: DTypeLike, shape: tuple[int, ...]
) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return dtype and shape of an array that can stand in shared memory.

    Raises:
        SpecError: The dtype has no fixed size or holds pointers, or an axis is shorter than 1.
    """
    try:
        element = np.dtype(dtype)
    except TypeError as error:
        raise SpecError(f"dtype {dtype!r} is unknown, expected one of NumPy's: {error}") from None
    if element.hasobject or element.itemsize == 0 or element.subdtype is not None:
        raise SpecError(
            f"dtype {element} of a region is not allowed, expected elements of a fixed size "
            "without pointers: use a number, a bool or a structured dtype"
        )
    try:
        axes = tuple(operator.index(length) for length in shape)
    except TypeError:
        axes = (0,)
    if any(length < 1 for length in axes):
        raise SpecError(
            f"shape {shape!r} of a region is not allowed, expected a tuple of lengths of at least "
            "1: give the length of each axis"
        )
    return element, axes


def checked_offset(argument: str, value: int) -> int:
    """Return a number of bytes that is not negative.

    Raises:
        SpecError: It is negative or no integer.
    """
    try:
        offset = operator.index(value)
    except TypeError:
        offset = -1
    if offset < 0:
        raise SpecError(
            f"{argument} {value!r} is not allowed, expected bytes from the region's start: count "
            "from 0"
        )
    return offset
