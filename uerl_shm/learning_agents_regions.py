"""Learning Agents' regions: named shared memory without a header, one array each.

A region is what the engine's ``FPlatformMemory::MapNamedSharedMemoryRegion`` maps: on Linux the
file ``/dev/shm/{GUID}``. The trainer makes one, the controls; the engine makes the others, which
`Mapping` opens, guards against truncation and never resizes.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid

from uerl_shm.errors import (
    LayoutMismatch,
    SegmentExists,
    SegmentFull,
    SegmentNotFound,
    SystemCallFailed,
)
from uerl_shm.options import Access
from uerl_shm.region_mapping import Mapping
from uerl_shm.segment import SHM_DIRECTORY

GUID = re.compile(r"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}")
#: Stands where an array of no bytes has no region.
NO_GUID = "{00000000-0000-0000-0000-000000000000}"


def new_guid() -> str:
    """Return a fresh name as Unreal spells one: ``{8-4-4-4-12}`` upper-case hexadecimal digits."""
    return "{" + str(uuid.uuid4()).upper() + "}"


def create(guid: str, num_bytes: int, access: Access) -> Mapping:
    """Make a region of zeros that has not been there before, and map it.

    Raises:
        SegmentExists: The name is in use.
        SegmentFull: ``/dev/shm`` has no room for it.
        SystemCallFailed: The kernel refused something else.
    """
    path = SHM_DIRECTORY / guid
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
    except FileExistsError:
        raise SegmentExists(f"region {path} exists, expected a fresh name: try again") from None
    except OSError as error:
        raise _not_made(error) from None
    try:
        # The memory is taken now: later, a full /dev/shm would kill the engine.
        os.posix_fallocate(fd, 0, num_bytes)
        os.fchown(fd, -1, access.gid)
        os.fchmod(fd, access.mode)  # open's mode is cut by the umask
        return Mapping(guid, num_bytes)
    except BaseException as error:
        unlink(guid)
        if isinstance(error, OSError) and error.errno == SegmentFull.errno:
            raise SegmentFull(
                f"{SHM_DIRECTORY} has no room for the controls, expected {num_bytes} bytes: make "
                "it larger (in a Pod: sizeLimit of the volume mounted there)"
            ) from None
        if isinstance(error, OSError):
            raise _not_made(error) from None
        raise
    finally:
        os.close(fd)


def attach(guid: str, what: str, num_bytes: int) -> Mapping:
    """Map a region that the engine made.

    Raises:
        SegmentNotFound: There is none of that name.
        LayoutMismatch: It is smaller than `num_bytes`.
        SystemCallFailed: This user may not read and write it.
    """
    try:
        return Mapping(guid, num_bytes)
    except (SegmentNotFound, LayoutMismatch) as error:
        raise type(error)(f"{what}: {error}") from None


def exists(guid: str) -> bool:
    """Whether there is a region of that name."""
    return os.path.lexists(SHM_DIRECTORY / guid)


def unlink(guid: str) -> bool:
    """Take a region's name away; return whether it is gone, by this or before."""
    with contextlib.suppress(OSError):
        os.unlink(SHM_DIRECTORY / guid)
    return not exists(guid)


def _not_made(error: OSError) -> SystemCallFailed:
    failed = SystemCallFailed(
        f"the controls cannot be made in {SHM_DIRECTORY}, expected write permission there and, for "
        f"shm_group=, a group of this user: {error}"
    )
    failed.errno = error.errno
    return failed
