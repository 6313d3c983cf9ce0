"""Facts about the machine: cores, kernel, limits, the user."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import resource
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from uerl_shm import _core
from uerl_shm.cli.facts import Fact
from uerl_shm.cli.output import bytes_text, plural
from uerl_shm.segment import SHM_DIRECTORY, Field, new_name

FDS_PER_SIMULATOR = 4  # of the learner: a log, a pipe, what uerl-launch needs while it starts
FEW_FDS = 1024
OFD_GETLK = 36  # F_OFD_GETLK, which older Pythons do not name
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}
FUTEX_WAKE_BITSET = 10
MADV_POPULATE_WRITE = 23


def cores(root: Path = Path("/sys/fs/cgroup")) -> Iterator[Fact]:
    """Say how many cores this process may use."""
    mask, machine = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    yield Fact("cores", f"{mask} in the affinity mask, {machine} in the machine")
    quota = cpu_quota(root)
    if quota is None:
        yield Fact("cgroup cpu", "no quota")
        return
    value = f"{quota:g} cores"
    if quota >= min(mask, 2):
        yield Fact("cgroup cpu", value)
    else:
        remedy = "raise the cpu limit: a learner and its simulators want two cores at least"
        yield Fact("cgroup cpu", value, None, remedy)


def cpu_quota(root: Path) -> float | None:
    """Return the cores that the cgroup's quota leaves; None if there is none; cgroup v2 or v1."""
    path = root / "cpu.max"
    if path.exists():
        quota, period = path.read_text().split()
    elif (root / "cpu/cpu.cfs_quota_us").exists():
        quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
        period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
    else:
        return None
    return None if quota in ("max", "-1") else int(quota) / int(period)


def kernel() -> Iterator[Fact]:
    """Try what a segment needs of the kernel."""
    yield Fact("kernel", f"{platform.system()} {platform.release()} {platform.machine()}")
    yield from _files()
    yield _futex()
    yield _populate()
    yield _segment()


def _files(folder: Path = SHM_DIRECTORY) -> Iterator[Fact]:
    try:
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        remedy = f"mount tmpfs at {folder}: segments are born without a name, and whole"
        yield Fact("O_TMPFILE", error.strerror or "refused", False, remedy)
        return
    try:
        yield Fact("O_TMPFILE", "works")
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
        fcntl.fcntl(fd, OFD_GETLK, lock)
        yield Fact("OFD locks", "work")
    except OSError as error:
        remedy = "use Linux 3.15 or newer: locks are how both sides know who lives"
        yield Fact("OFD locks", error.strerror or "refused", False, remedy)
    finally:
        os.close(fd)


def _futex() -> Fact:
    number = SYS_FUTEX.get(platform.machine())
    if number is None:
        return Fact("futex bitset", f"not tried on {platform.machine()}")
    word = ctypes.c_uint32(0)
    libc = ctypes.CDLL(None, use_errno=True)
    woken = libc.syscall(number, ctypes.byref(word), FUTEX_WAKE_BITSET, 1, None, None, 0xFFFFFFFF)
    if woken >= 0:
        return Fact("futex bitset", "works")
    remedy = "allow futex in the seccomp profile: without it every wait polls, and is slow"
    return Fact("futex bitset", os.strerror(ctypes.get_errno()), None, remedy)


def _populate() -> Fact:
    with tempfile.TemporaryFile(dir=SHM_DIRECTORY) as file:
        file.truncate(mmap.PAGESIZE)
        with mmap.mmap(file.fileno(), mmap.PAGESIZE) as memory:
            try:
                memory.madvise(MADV_POPULATE_WRITE)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                remedy = "nothing to do, but first steps are slower: Linux 5.14 has it"
                return Fact("MADV_POPULATE_WRITE", "missing", None, remedy)
    return Fact("MADV_POPULATE_WRITE", "works")


def _segment() -> Fact:
    """Make the smallest segment there is, and remove it."""
    roles = {
        "observation": "uint8", "reward": "float32", "terminated": "bool", "truncated": "bool",
        "action": "uint8", "control": "uint8", "seed": "int64",
    }  # fmt: skip
    fields: list[Field] = [
        (0, _core.ROLES[role], role, np.dtype(dtype), ()) for role, dtype in roles.items()
    ]
    learner = _core.Learner(
        name=new_name(), mode=0o600, gid=-1, num_lanes=1, envs_per_lane=1, slots=2,
        autoreset_mode=0, message_bytes=0, groups=[("agent", 1)], fields=fields, text=b"{}",
        action_checks=[(False, [], [])], wide_rewards=True, writable=False, copy=True,
    )  # fmt: skip
    try:
        return Fact("segment", f"made and removed one of {bytes_text(learner.segment_bytes)}")
    finally:
        learner.close()


def proc(folder: Path = Path("/proc")) -> Iterator[Fact]:
    """Say whether /proc is there: a segment gets its name through it."""
    if (folder / "self/fd").is_dir():
        yield Fact("/proc", "mounted")
    else:
        yield Fact("/proc", "not mounted", False, "mount -t proc proc /proc")


def sysctls(folder: Path = Path("/proc/sys/fs")) -> Iterator[Fact]:
    """Say what the kernel forbids in world-writable folders; uerl_shm does none of it."""
    for name in ("protected_regular", "protected_hardlinks"):
        path = folder / name
        value = path.read_text().strip() if path.exists() else "not there"
        yield Fact(f"fs.{name}", value)


def limits() -> Iterator[Fact]:
    """Say how many files and how much locked memory this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = plural(soft // FDS_PER_SIMULATOR, "simulator")
    if soft == resource.RLIM_INFINITY or soft >= FEW_FDS:
        yield Fact("open files", _limit_text(soft, str(soft)))
    else:
        remedy = f"ulimit -n {min(hard, 65536)}: {soft} are enough for about {enough}"
        yield Fact("open files", str(soft), None, remedy)
    locked = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    yield Fact("locked memory", _limit_text(locked, bytes_text(locked)))


def _limit_text(limit: int, text: str) -> str:
    return "not limited" if limit == resource.RLIM_INFINITY else f"at most {text}"


def user() -> Iterator[Fact]:
    """Say who runs this; a learner that is root needs to start Unreal as somebody else."""
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        yield Fact("user", f"uid {uid}, gid {gid}")
        return
    remedy = (
        "nothing to do for other simulators; for Unreal, which refuses to run as root, give "
        'VecEnv run_as_user="...", shm_group="..." and shm_mode=0o660'
    )
    yield Fact("user", "root", None, remedy)
