"""What a test left behind: segments of ours in /dev/shm, and child processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from pathlib import Path

SHM = Path("/dev/shm")
MAGIC = b"UERLSHM1"
OFD_GETLK = 36  # F_OFD_GETLK, which older Pythons do not name
# Python's own helpers outlive a test on purpose.
HELPERS = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")


def segments() -> dict[str, int]:
    """Name to inode of every segment in /dev/shm that this user may read."""
    found = {}
    for entry in os.scandir(SHM):
        try:
            if entry.is_file(follow_symlinks=False):
                with open(entry.path, "rb") as file:
                    if entry.name.startswith("uerl-") or file.read(len(MAGIC)) == MAGIC:
                        found[entry.name] = entry.inode()
        except OSError:
            continue  # another process took it away, or does not let us look
    return found


def children() -> set[int]:
    """Processes that this process started and has not waited for, zombies included."""
    pids: set[int] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # that thread has just ended; its children are others'
            pids.update(map(int, path.read_text().split()))
    return {pid for pid in pids if not any(name in command_line(pid) for name in HELPERS)}


def command_line(pid: int) -> bytes:
    """Arguments of a process, or what is left of a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") or b"(a zombie)"
    except OSError:
        return b""


def is_owned_elsewhere(name: str, inode: int) -> bool:
    """Whether a living learner that is not this process has the segment: then it is not ours."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    if any(line.split()[4] == str(inode) for line in maps):
        return False
    try:
        with open(SHM / name, "rb") as file:
            lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
            kind = struct.unpack("hhqqi4x", fcntl.fcntl(file, OFD_GETLK, lock))[0]
    except FileNotFoundError:
        return True
    return bool(kind != fcntl.F_UNLCK)


def left_behind(old_segments: dict[str, int], old_children: set[int]) -> list[str]:
    """What is there now, is ours, and was not there before."""
    new = segments().items() - old_segments.items()
    found = [f"segment /dev/shm/{name}" for name, ino in new if not is_owned_elsewhere(name, ino)]
    for pid in children() - old_children:
        found.append(f"process {pid}: {command_line(pid).decode(errors='replace')}")
    return found
