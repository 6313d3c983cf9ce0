"""Help for tests that start processes: scripts, and who is alive."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from uerl_shm.launcher import ExitStatus, Launcher

# Says who it is, and then waits, with a child and a grandchild, one of which leaves the session.
FAMILY = """\
sleep 1000 & echo $! >> {pids}
setsid sh -c 'echo $$ >> {pids}; sleep 1000 & echo $! >> {pids}; wait' &
echo $$ >> {pids}
wait"""
FAMILY_SIZE = 4


def script(path: Path, text: str) -> str:
    """Write an executable shell script; return its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def is_alive(pid: int) -> bool:
    """Whether a process runs: zombies do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(condition: Callable[[], object], timeout_s: float = 10.0) -> bool:
    """Wait until a condition holds; return whether it did in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def pids_in(path: Path, count: int) -> list[int]:
    """Wait until a script has written so many process ids into a file; return them."""
    assert eventually(lambda: path.exists() and path.read_text().count("\n") >= count), path
    return [int(line) for line in path.read_text().split()]


def family(folder: Path) -> tuple[str, Path]:
    """Write a script that starts a family; return its path, and the file of its process ids."""
    pids = folder / "pids"
    return script(folder / "family.sh", FAMILY.format(pids=pids)), pids


def ended(launcher: Launcher, lane: int = 0) -> ExitStatus:
    """Wait until the simulator of a lane has ended; return how."""
    assert eventually(lambda: launcher.poll(lane) is not None)
    return launcher.poll(lane)


def log(launcher: Launcher, lane: int = 0) -> str:
    """What the simulator of a lane has written."""
    return launcher.log_path(lane).read_text()
