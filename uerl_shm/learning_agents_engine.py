"""The engine behind the regions: waiting for it, and noticing that it has ended.

Learning Agents has no lock and no wake: the engine looks at its words every millisecond. This side
yields for a moment, then sleeps a fiftieth of what it has waited, 50 us to 5 ms: so it is at most
2 % late, and costs next to nothing while an engine plays for minutes. All waits are bounded.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from uerl_shm.errors import SimulatorLost, SpecError, StepTimeout, SystemCallFailed
from uerl_shm.launcher_process import ExitStatus
from uerl_shm.segment import SHM_DIRECTORY

YIELD_S = 200e-6
SHORTEST_SLEEP_S = 50e-6
LONGEST_SLEEP_S = 5e-3
SLEPT_PART = 1 / 50
LOOK_S = 0.1  # between two looks at the engine's processes

EngineProcess = int | subprocess.Popen[bytes] | subprocess.Popen[str]


class Engine:
    """The engine's processes, as far as this process can see them.

    Once the engine has attached, those that map the controls are watched, which /proc shows of the
    same user in the same PID namespace; a wrapper script that started them no longer counts. If
    none can be seen, the process that the user gave is watched; without that, only timeouts tell.
    """

    def __init__(self) -> None:
        self._given: subprocess.Popen[bytes] | subprocess.Popen[str] | None = None
        self._pids: dict[int, int] = {}  # by pidfd
        self._last_pids: list[int] = []
        self._poll = select.poll()

    def watch(self, engine: EngineProcess) -> None:
        """Watch the process that the user started.

        Raises:
            SpecError: It is no process id and no Popen, or the process has been gone for long.
        """
        if isinstance(engine, subprocess.Popen):
            self._given = engine
            self._watch_only([engine.pid], ended=engine.poll() is not None)
        elif isinstance(engine, int) and not isinstance(engine, bool) and engine > 0:
            self._watch_only([engine])
            if not self._pids:
                self.close()
                raise SpecError(f"engine {engine} is no process, expected one that runs")
        else:
            raise SpecError(f"engine {engine!r}, expected a process id or a subprocess.Popen")

    def see(self, controls: str) -> None:
        """Watch the processes that map the controls of that name, if any can be seen."""
        pids = pids_mapping(controls)
        if pids:
            self._watch_only(pids)

    @property
    def is_watched(self) -> bool:
        """Whether its end can be noticed."""
        return bool(self._last_pids)

    def has_ended(self) -> bool:
        """Whether every watched process has ended; False if none is watched."""
        for fd, _ in self._poll.poll(0):
            self._forget(fd)
        return self.is_watched and not self._pids

    def wait(self, condition: Callable[[], bool], timeout_s: float, missing: str) -> None:
        """Wait until a condition holds.

        Args:
            condition: Looks at the controls.
            timeout_s: Longest wait in seconds; 0 looks once.
            missing: What has not come, for the errors.

        Raises:
            StepTimeout: It did not hold in time. Nothing is lost: wait again.
            SimulatorLost: The engine ended before it held.
        """
        began = now = looked = time.monotonic()
        while True:
            ended = False
            if now >= looked:
                ended = self.has_ended()
                looked = now + LOOK_S
            if condition():  # what a dead engine left complete is still good
                return
            if ended:
                raise SimulatorLost(
                    f"{self._epitaph()} before it had {missing}, expected it to run: look at its "
                    "log"
                )
            waited = now - began
            if waited >= timeout_s:
                raise StepTimeout(
                    f"the engine has not {missing} for {round(timeout_s, 2):g} s, expected it in "
                    "that time: wait again, or look at the engine's log"
                )
            _pause(waited, timeout_s - waited)
            now = time.monotonic()

    def close(self) -> None:
        """Watch no more."""
        for fd in list(self._pids):
            self._forget(fd)
        self._last_pids = []

    def _watch_only(self, pids: list[int], *, ended: bool = False) -> None:
        self.close()
        self._last_pids = pids
        for pid in [] if ended else pids:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            except OSError as error:
                refused = SystemCallFailed(
                    f"process {pid} cannot be watched, expected pidfd_open to work: {error}"
                )
                refused.errno = error.errno
                raise refused from None
            self._pids[fd] = pid
            self._poll.register(fd, select.POLLIN)

    def _forget(self, fd: int) -> None:
        del self._pids[fd]
        self._poll.unregister(fd)
        os.close(fd)

    def _epitaph(self) -> str:
        number = ", ".join(map(str, self._last_pids))
        returncode = None if self._given is None else self._given.poll()
        how = "" if returncode is None else f" with {ExitStatus(returncode)}"
        return f"the engine (process {number}) ended{how}"


def pids_mapping(guid: str) -> list[int]:
    """Return the other processes that map a region, as far as /proc shows them."""
    own = _ranges("self", guid)
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            ranges = _ranges(entry.name, guid)
            if ranges and ranges != own:  # a fork of this process has it at the same address
                found.append(int(entry.name))
    return found


def _ranges(pid: str, guid: str) -> list[str]:
    try:
        inode = str(os.stat(SHM_DIRECTORY / guid).st_ino)
        lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    except OSError:
        return []  # gone, or another user's
    words = (line.split(None, 5) for line in lines if guid in line)
    return [word[0] for word in words if word[4] == inode]


def _pause(waited_s: float, left_s: float) -> None:
    if waited_s < YIELD_S:
        os.sched_yield()
    else:
        sleep_s = min(max(waited_s * SLEPT_PART, SHORTEST_SLEEP_S), LONGEST_SLEEP_S, left_s)
        time.sleep(sleep_s)
