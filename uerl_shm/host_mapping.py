"""A simulator's mapping of a segment: arrays over it may outlive the simulator without harm."""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from uerl_shm.errors import LayoutMismatch, SegmentNotFound, SystemCallFailed
from uerl_shm.segment import SHM_DIRECTORY

_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10  # MAP_FIXED: in place of what stands there

# Address to memory: what a forked child must not take for its own.
_mapped: weakref.WeakValueDictionary[int, mmap.mmap] = weakref.WeakValueDictionary()


class Mapping:
    """The whole of one segment's file, mapped to be read and written.

    The memory stays mapped for as long as an array over it is referenced. After `disown` such
    arrays are zeros of this process's own: what is written to them reaches nobody.

    Args:
        name: Name of the segment; it must have been checked.
        least_bytes: Size of the smallest segment.

    Raises:
        SegmentNotFound: There is no segment of that name.
        LayoutMismatch: There is a file of that name that cannot be one.
        SystemCallFailed: This user may not open it.
    """

    def __init__(self, name: str, least_bytes: int) -> None:
        path = SHM_DIRECTORY / name
        fd = _open(path)
        try:
            self.num_bytes = os.fstat(fd).st_size
            if self.num_bytes < least_bytes:
                raise LayoutMismatch(
                    f"{path} has {self.num_bytes} bytes, expected at least {least_bytes}: this is "
                    "no segment of uerl_shm; choose another name"
                )
            self._memory = mmap.mmap(fd, self.num_bytes)
        finally:
            os.close(fd)
        # A forked child must not write here; and a core dump of frames would take seconds.
        self._memory.madvise(mmap.MADV_DONTFORK)
        self._memory.madvise(mmap.MADV_DONTDUMP)
        self.address = np.frombuffer(self._memory, np.uint8, 1).ctypes.data
        self._first_array = self.num_bytes
        _mapped[self.address] = self._memory

    def array(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Return an array over the memory that begins at `address`."""
        offset = address - self.address
        self._first_array = min(self._first_array, offset)
        array: np.ndarray = np.ndarray(shape, dtype, self._memory, offset)
        return array

    def disown(self) -> None:
        """Put private memory in place of the pages under every array that was handed out."""
        first = self._first_array - self._first_array % mmap.PAGESIZE
        if first >= self.num_bytes:
            return
        _put_private(self.address + first, self.num_bytes - first)
        self._first_array = self.num_bytes


def _put_private(address: int, num_bytes: int) -> None:
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    if _mmap()(address, num_bytes, protection, _PRIVATE, -1, 0) != address:
        reason = os.strerror(ctypes.get_errno())
        raise SystemCallFailed(f"the arrays of a closed simulator cannot be kept: {reason}")


def _after_fork() -> None:
    """Let arrays be zeros in a forked child, which has not got the segment."""
    for address, memory in _mapped.items():
        _put_private(address, len(memory))


os.register_at_fork(after_in_child=_after_fork)


def _open(path: os.PathLike[str]) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SegmentNotFound(
            f"segment {path} not found, expected a learner that made it: start the learner, check "
            "the name, and check that both sides share /dev/shm"
        ) from None
    except OSError as error:
        refused = SystemCallFailed(
            f"segment {path} cannot be opened by uid {os.geteuid()}, gid {os.getegid()}: "
            f"{error.strerror}: run both sides as one user, or give the learner shm_group= and "
            "shm_mode=0o660, or run_as_user="
        )
        refused.errno = error.errno
        raise refused from None


def _mmap() -> Callable[..., int]:
    function = ctypes.CDLL(None, use_errno=True).mmap
    function.restype = ctypes.c_size_t
    function.argtypes = [
        *(ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
        ctypes.c_long,
    ]
    return function  # type: ignore[no-any-return]
