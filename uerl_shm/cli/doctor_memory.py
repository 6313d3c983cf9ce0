"""Facts about shared memory: the mount, its size, limits of cgroups, what dead learners left."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from uerl_shm.cli.facts import Fact
from uerl_shm.cli.output import bytes_text, plural
from uerl_shm.segment import SHM_DIRECTORY

SMALL_BYTES = 256 << 20  # containers get 64 MiB unless somebody asks for more
UNLIMITED_BYTES = 1 << 60  # cgroup v1 writes a number of this order for "none"
MORE_ROOM = (
    "raise sizeLimit of the emptyDir at /dev/shm (Pod), --shm-size (container), "
    "or remount it larger (mount -o remount,size=...)"
)


def dev_shm(folder: Path = SHM_DIRECTORY, mounts: Path = Path("/proc/mounts")) -> Iterator[Fact]:
    """Say what /dev/shm is, how large, and who may write there."""
    if not folder.is_dir():
        yield Fact(str(folder), "does not exist", False, f"mount tmpfs at {folder}")
        return
    kind = filesystem_of(folder, mounts)
    if kind == "tmpfs":
        yield Fact(str(folder), "tmpfs")
    else:
        remedy = f"mount tmpfs at {folder} (Pod: emptyDir with medium: Memory)"
        yield Fact(str(folder), f"{kind or 'no mount of its own'}, expected tmpfs", False, remedy)
    yield _size(folder)
    yield from _mode(folder)


def filesystem_of(folder: Path, mounts: Path) -> str:
    """Return the type of what is mounted at a folder; empty if nothing is, or nobody can tell."""
    kind = ""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return kind
    for line in lines:
        _, target, found, *_ = line.split()
        if target == str(folder):
            kind = found  # the last mount is the one on top
    return kind


def _size(folder: Path) -> Fact:
    mount = os.statvfs(folder)
    total, free = mount.f_blocks * mount.f_frsize, mount.f_bavail * mount.f_frsize
    if mount.f_blocks == 0:
        return Fact("shm size", "not limited by the mount")
    value = f"{bytes_text(free)} free of {bytes_text(total)}"
    if free >= SMALL_BYTES:
        return Fact("shm size", value)
    # Small is enough for small frames; nothing left is enough for nobody.
    good = None if free >= 1 << 20 else False
    remedy = f"{MORE_ROOM}; `uerl-shm clean` frees what dead learners left"
    return Fact("shm size", value, good, remedy)


def _mode(folder: Path) -> Iterator[Fact]:
    status = folder.stat()
    mode = stat.S_IMODE(status.st_mode)
    value = f"{mode:04o}, uid {status.st_uid}"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"chmod 1777 {folder} as root: this user cannot make segments there"
        yield Fact("shm mode", value, False, remedy)
    elif mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        remedy = f"chmod +t {folder} as root: other users can remove your segments"
        yield Fact("shm mode", f"{value}, not sticky", None, remedy)
    else:
        yield Fact("shm mode", value)


def cgroup_memory(
    root: Path = Path("/sys/fs/cgroup"), folder: Path = SHM_DIRECTORY
) -> Iterator[Fact]:
    """Say how much memory the cgroup leaves: segments count, and beyond it processes are killed."""
    limit, used = memory_limit(root)
    if limit is None:
        yield Fact("cgroup memory", "no limit")
        return
    value = f"limit {bytes_text(limit)}, {bytes_text(used)} in use"
    mount = os.statvfs(folder)
    free = mount.f_bavail * mount.f_frsize
    if limit - used >= free:
        yield Fact("cgroup memory", value)
        return
    remedy = (
        f"raise the memory limit, or keep segments below {bytes_text(max(limit - used, 0))}: "
        f"{folder} would give more, but then the kernel kills processes"
    )
    yield Fact("cgroup memory", value, None, remedy)


def memory_limit(root: Path) -> tuple[int | None, int]:
    """Return the limit (None if there is none) and what is in use, in bytes; cgroup v2 or v1."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        if (root / limit).exists():
            text = (root / limit).read_text().strip()
            if text == "max" or int(text) >= UNLIMITED_BYTES:
                return None, 0
            return int(text), int((root / used).read_text())
    return None, 0


def dead_segments() -> Iterator[Fact]:
    """Say what dead learners left behind."""
    from uerl_shm.cli.clean import candidates

    found = candidates()
    if not found:
        yield Fact("dead segments", "none")
        return
    total = bytes_text(sum(segment.num_bytes for segment in found))
    value = f"{plural(len(found), 'segment')}, {total}"
    yield Fact("dead segments", value, None, "uerl-shm clean")
