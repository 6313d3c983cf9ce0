"""The file of a region that another program made: opened, mapped and guarded, never changed."""

from __future__ import annotations

import difflib
import errno
import mmap
import os
import stat
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import posix_ipc

from uerl_shm._simulator import ffi, lib
from uerl_shm.errors import (
    LayoutMismatch,
    SegmentCorrupt,
    SegmentNotFound,
    SimulatorLost,
    SpecError,
    SystemCallFailed,
)
from uerl_shm.segment import SHM_DIRECTORY

MAX_NAME_LENGTH = 126  # Unreal keeps "/" + name in 127 characters, and cannot unlink a longer one
MAX_FILE_NAME_BYTES = 255


def checked_name(name: str) -> str:
    """Return a region's name if its maker could have given it.

    Raises:
        SpecError: It is empty or too long, or has characters that no name may have.
    """
    wrong = ""
    if "/" in name:
        wrong = "has a slash"
    elif "," in name:
        wrong = "has a comma, at which Unreal's command line ends a value"
    elif not name or name in (".", "..") or not name.isprintable():
        wrong = "is no name of a file"
    elif len(name) > MAX_NAME_LENGTH or len(os.fsencode(name)) > MAX_FILE_NAME_BYTES:
        wrong = f"has {len(name)} characters"
    if wrong:
        raise SpecError(
            f"region name {name[:150]!r} {wrong}, expected 1 to {MAX_NAME_LENGTH} characters "
            f"without / and comma: give the name of its file in {SHM_DIRECTORY}, or have its maker "
            "choose another"
        )
    return name


class Mapping:
    """The whole file of a region, mapped to be read and written.

    The memory stays mapped for as long as an array over it is referenced. If the file is
    truncated, its lost bytes read as zeros and `check_whole` raises.

    Args:
        name: Name of the region, checked.
        least_bytes: What the file must have.

    Attributes:
        path: The file.
        num_bytes: Its size when it was mapped.
        address: Of its first byte in this process.

    Raises:
        SegmentNotFound: There is no region of that name.
        LayoutMismatch: It is smaller than ``least_bytes``, or no regular file.
        SystemCallFailed: This user may not read and write it; ``errno`` says why.
    """

    def __init__(self, name: str, least_bytes: int) -> None:
        self.path = SHM_DIRECTORY / name
        shared = _open(self.path)
        try:
            file = os.fstat(shared.fd)
            if not stat.S_ISREG(file.st_mode):
                raise LayoutMismatch(
                    f"{self.path} is no regular file, expected a named region: check the name"
                )
            if file.st_size < least_bytes:
                raise LayoutMismatch(
                    f"region {self.path} has {file.st_size} bytes, expected at least {least_bytes} "
                    "(offset and array): compare dtype, shape and offset with its maker, or try "
                    "again if it is being made"
                )
            self.num_bytes = file.st_size
            self._identity = (file.st_dev, file.st_ino)
            self._memory = mmap.mmap(shared.fd, self.num_bytes)
        finally:
            shared.close_fd()
        self.address: int = np.frombuffer(self._memory, np.uint8, 1).ctypes.data
        self._guard = lib.uerl_guard_add(ffi.cast("void *", self.address), self.num_bytes)
        # Called before the memory is unmapped: this object holds it.
        weakref.finalize(self, lib.uerl_guard_remove, self._guard).atexit = False
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (self.num_bytes,),
            "data": (self.address, False),
        }

    def array(self, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> np.ndarray:
        """Return a writable view at ``offset`` that keeps the memory mapped."""
        array: np.ndarray = np.ndarray(shape, dtype, np.asarray(self), offset)
        return array

    def check_whole(self) -> None:
        """Look whether the file still has all its bytes.

        Raises:
            SegmentCorrupt: It was truncated since it was mapped.
        """
        now_bytes = self._memory.size()  # of the file, now
        if now_bytes < self.num_bytes or lib.uerl_guard_broken(self._guard):
            raise SegmentCorrupt(
                f"region {self.path} was truncated while it was in use (it has {now_bytes} bytes "
                f"now), expected {self.num_bytes} all the time: let one program make it, with one "
                "size, and map it again"
            )

    def check_name(self) -> None:
        """Look whether the name still leads to this file.

        Raises:
            SimulatorLost: The name is gone, or another region has it.
        """
        try:
            file = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            raise SimulatorLost(
                f"region {self.path} is gone, expected its maker to keep the name while it runs: "
                "the engine ended or unmapped it; start it and map the region again"
            ) from None
        if (file.st_dev, file.st_ino) != self._identity:
            raise SimulatorLost(
                f"region {self.path} is another file now (inode {file.st_ino}), expected inode "
                f"{self._identity[1]}: the engine was started again; map the region again"
            )


def _open(path: Path) -> Any:
    try:
        # O_RDWR without O_CREAT; size 0 leaves the size alone.
        return posix_ipc.SharedMemory(f"/{path.name}", flags=0, size=0)
    except posix_ipc.ExistentialError:
        raise SegmentNotFound(
            f"region {path} not found, expected one that its maker keeps ({_similar(path.name)}): "
            "start the engine, check the name, and check that both sides share /dev/shm"
        ) from None
    except posix_ipc.PermissionsError:
        refused = SystemCallFailed(_refusal(path))
        refused.errno = errno.EACCES
        raise refused from None
    except (OSError, ValueError, posix_ipc.Error) as error:  # a directory is a ValueError
        failed = SystemCallFailed(
            f"region {path} cannot be opened ({error}), expected a regular file: check the name"
        )
        failed.errno = getattr(error, "errno", errno.EINVAL)
        raise failed from None


def _similar(name: str) -> str:
    names = {found.lower(): found for found in os.listdir(SHM_DIRECTORY)}
    close = [names[key] for key in difflib.get_close_matches(name.lower(), names)]
    return f"similar: {', '.join(close)}" if close else "nothing there has a similar name"


def _refusal(path: Path) -> str:
    owner = "belongs to another user"
    try:
        file = os.stat(path, follow_symlinks=False)
        owner = (
            f"belongs to uid {file.st_uid} gid {file.st_gid} with mode {file.st_mode & 0o7777:04o}"
        )
    except OSError:
        pass  # it has just gone, or the folder is closed to this user
    return (
        f"region {path} {owner}, expected to be readable and writable for uid {os.geteuid()} gid "
        f"{os.getegid()}: run both as one user, or start the engine with umask 000 (Unreal makes a "
        "region with mode 0666 less its umask)"
    )
