"""Starts one simulator for each lane, keeps its log, and ends it with the learner."""

from __future__ import annotations

import os
import shlex
import time
import weakref
from collections.abc import Mapping
from pathlib import Path

from uerl_shm.describe import describe
from uerl_shm.errors import UerlError
from uerl_shm.launcher_command import (
    ENV_LANE,
    ENV_NAME,
    Simulator,
    environment,
    resolve_command,
    resolve_user,
)
from uerl_shm.launcher_logs import Logs, last_lines
from uerl_shm.launcher_process import KILL_TIMEOUT_S, ExitStatus, SimulatorProcess
from uerl_shm.launcher_unreal import check_unreal_user

__all__ = ["ExitStatus", "Launcher", "Simulator", "describe", "resolve_command"]

TERMINATE_S = 2.0  # from SIGTERM to SIGKILL


class Launcher:
    """One simulator for each lane of a segment: start, watch, restart, end.

    Each runs in a process group of its own, with ``UERL_SHM_NAME`` and ``UERL_SHM_LANE`` in its
    environment, standard input empty, standard output and error in one log for each lane. They and
    whatever they start die with this process, however it ends.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        name: str,
        num_lanes: int,
        environ: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        run_as_user: str | int | None = None,
        run_as_group: str | int | None = None,
    ) -> None:
        """Check everything that can be checked before a simulator starts.

        Args:
            simulator: As of `resolve_command`.
            name: Name of the segment.
            num_lanes: Number of simulators.
            environ: Added to the environment of this process.
            cwd: Folder in which simulators start; default: this process's.
            log_dir: Folder of the logs ``lane-0.log`` and so on. Default: one of this user and
                ``name`` in the folder for temporary files, where the log of a simulator that
                always ended with exit code 0 is removed at the end.
            run_as_user: Name or number of the user that simulators run as; needs root.
            run_as_group: Name or number of their group; default: the user's.

        Raises:
            SpecError: The command, the environment, the user or the group is wrong; or it is a
                program of Unreal Engine, which refuses to run as root.
            SimulatorNotFound: The executable does not exist.
            UerlError: The log folder belongs to somebody else.
        """
        self._user = resolve_user(run_as_user, run_as_group)
        self._environ = environment(environ, self._user)
        self._cwd = cwd
        self._name = name
        self._commands = [
            resolve_command(simulator, lane, name, environ=environ, cwd=cwd)
            for lane in range(num_lanes)
        ]
        for command in self._commands:
            check_unreal_user(command, self._user)
        self._family = _Family(Logs(log_dir, name))
        self._finalizer = weakref.finalize(self, self._family.end, 0.0)

    def command(self, lane: int) -> list[str]:
        """Return the argv of a lane's simulator."""
        return list(self._commands[lane])

    def start(self, lane: int) -> None:
        """Start the simulator of a lane, anew if one has ended there.

        Raises:
            UerlError: One runs there.
            SimulatorLost: It could not be run.
        """
        old = self._family.processes.get(lane)
        if old is not None and old.poll() is None:
            raise UerlError(
                f"lane {lane} has a simulator (process {old.pid}), expected none: kill it first"
            )
        if not self._finalizer.alive:
            raise UerlError("launcher is closed, expected an open one: make another")
        command = self._commands[lane]
        # The log of an earlier learner goes; what this one's simulators said stays.
        log_fd = self._family.logs.open(lane, append=old is not None)
        try:
            if old is not None:
                self._family.restarted.add(lane)
                os.write(log_fd, f"--- started again: {shlex.join(command)}\n".encode())
            self._family.processes[lane] = SimulatorProcess(
                command,
                environ={**self._environ, ENV_NAME: self._name, ENV_LANE: str(lane)},
                cwd=self._cwd,
                output_fd=log_fd,
                user=self._user,
            )
        finally:
            os.close(log_fd)

    def restart(self, lane: int) -> None:
        """Kill the simulator of a lane, if one runs, and start it again."""
        self.kill(lane)
        self.start(lane)

    def poll(self, lane: int) -> ExitStatus | None:
        """Return how a lane's simulator ended; None while it runs, or before it was started."""
        process = self._family.processes.get(lane)
        return None if process is None else process.poll()

    def pid(self, lane: int) -> int | None:
        """Return the process id of a lane's simulator itself; None before it was started."""
        process = self._family.processes.get(lane)
        return None if process is None else process.pid

    def terminate(self, lane: int) -> None:
        """Ask a lane's simulator, and its process group, to end (SIGTERM)."""
        if lane in self._family.processes:
            self._family.processes[lane].terminate()

    def kill(self, lane: int) -> None:
        """Kill a lane's simulator and whatever it started, and wait until they are gone."""
        if lane in self._family.processes:
            self._family.processes[lane].kill()
            self._family.processes[lane].wait(KILL_TIMEOUT_S)

    def close(self, grace_s: float = 5.0) -> None:
        """End all simulators: wait ``grace_s`` for them, then SIGTERM, then after 2 s SIGKILL.

        Bounded, and nothing when called again. An interrupt kills them at once.
        """
        if self._finalizer.alive:
            self._family.end(grace_s)
            self._finalizer.detach()

    def log_path(self, lane: int) -> Path:
        """Return the file that a lane's simulators write to."""
        return self._family.logs.path(lane)

    def log_tail(self, lane: int, lines: int = 20) -> str:
        """Return the last lines of a lane's log, without a final newline; "" if there is none."""
        return last_lines(self.log_path(lane), lines)

    def report(self, lane: int, lines: int = 20) -> str:
        """Return what an error should say of a lane: its end, its command, its log, last lines."""
        ended = self.poll(lane)
        state = f"ended with {ended}" if ended else f"runs as process {self.pid(lane)}"
        said = self.log_tail(lane, lines)
        return (
            f"simulator of lane {lane} {state}; command: {shlex.join(self._commands[lane])}; "
            f"log: {self.log_path(lane)}; "
            + (f"its last lines:\n{said}" if said else "it is empty")
        )


class _Family:
    """All processes of a launcher and their logs: what must be ended when the launcher is gone."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs
        self.processes: dict[int, SimulatorProcess] = {}
        self.restarted: set[int] = set()  # lanes; their logs are worth reading

    def end(self, grace_s: float) -> None:
        try:
            if not self._wait(grace_s):
                for process in self.processes.values():
                    process.terminate()
                self._wait(TERMINATE_S)
        finally:
            for process in self.processes.values():
                process.kill()
            self._wait(KILL_TIMEOUT_S)
        for lane, process in self.processes.items():
            clean = process.poll() == ExitStatus(0) and lane not in self.restarted
            self.logs.forget(lane, clean=clean)

    def _wait(self, timeout_s: float) -> bool:
        """Return whether all have ended, after at most ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        ends = [process.wait(deadline - time.monotonic()) for process in self.processes.values()]
        return None not in ends
