"""One simulator's processes: uerl-launch, the simulator, and whatever that starts.

uerl-launch (csrc/launch/uerl_launch.c) stands between this process and the simulator: it kills the
whole family when this process dies, or when it is told to by a byte in the control pipe.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uerl_shm._bin import FOLDER
from uerl_shm.errors import SimulatorLost, UerlError
from uerl_shm.launcher_command import User

#: The executable that stands between; tests put theirs here.
UERL_LAUNCH = str(FOLDER / "uerl-launch")

START_TIMEOUT_S = 60.0  # until the kernel has loaded the executable, which may lie far away
KILL_TIMEOUT_S = 6.0  # uerl-launch gives a family that cannot be killed 5 s


@dataclass(frozen=True)
class ExitStatus:
    """How a simulator ended; its text is ``exit code 3`` or ``signal 9 (SIGKILL)``.

    Attributes:
        returncode: The exit code; of a signal its negative number.
    """

    returncode: int

    def __str__(self) -> str:
        if self.returncode < 0:
            return f"signal {-self.returncode} ({_signal_name(-self.returncode)})"
        by_shell = _signal_name(self.returncode - 128) if self.returncode > 128 else "unknown"
        said = "" if by_shell == "unknown" else f" (a shell's word for {by_shell})"
        return f"exit code {self.returncode}{said}"


class SimulatorProcess:
    """A simulator that runs, or has run, as a child of uerl-launch.

    Attributes:
        pid: Process id of the simulator itself.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str | os.PathLike[str] | None,
        output_fd: int,
        user: User,
    ) -> None:
        """Start it; standard output and error go to ``output_fd``, standard input is empty.

        Raises:
            SimulatorLost: The kernel could not run it.
            UerlError: uerl-launch is missing.
        """
        control_read, self._control = os.pipe()
        status_read, status_write = os.pipe()
        launch = [UERL_LAUNCH, "--control-fd", str(control_read), "--status-fd", str(status_write)]
        for option, number in (("--user", user.uid), ("--group", user.gid)):
            launch += [] if number is None else [option, str(number)]
        try:
            self._popen = subprocess.Popen(
                [*launch, "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=output_fd,
                stderr=output_fd,
                env=dict(environ),
                cwd=cwd,
                pass_fds=(control_read, status_write),
            )
        except OSError as error:
            os.close(self._control)
            os.close(status_read)
            raise _not_started(error, cwd) from None
        finally:
            os.close(control_read)
            os.close(status_write)
        self._parent = os.getpid()
        try:
            self.pid = self._read_pid(status_read, argv)
        except BaseException:
            self.kill()
            self.wait(KILL_TIMEOUT_S)
            raise
        finally:
            os.close(status_read)

    def _read_pid(self, status_fd: int, argv: Sequence[str]) -> int:
        command = shlex.join(argv)
        line = b""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not line.endswith(b"\n"):
            if time.monotonic() > deadline:
                raise SimulatorLost(
                    f"simulator {command} has not begun for {START_TIMEOUT_S:.0f} s, expected it "
                    "to be loaded by then: check the disk that it lies on"
                )
            # A fork of this process may hold the pipe open: its end is not to be relied on.
            ended = self._popen.poll() is not None
            if select.select([status_fd], [], [], 0 if ended else 0.1)[0]:
                part = os.read(status_fd, 4096)
                line += part
                ended = ended or not part
            if ended and not line.endswith(b"\n"):
                raise SimulatorLost(
                    f"uerl-launch ended before it had run {command}, expected it to stay: "
                    "see whether something kills processes here, such as a memory limit"
                )
        kind, _, text = line.decode(errors="replace").strip().partition(" ")
        if kind != "pid":
            raise SimulatorLost(
                f"simulator {command} could not be run, expected it to begin: {text} "
                "(may this user read and execute it, and is it built for this machine?)"
            )
        return int(text)

    def poll(self) -> ExitStatus | None:
        """Return how it ended; None while any of it runs."""
        returncode = self._popen.poll()
        if returncode is None:
            return None
        self._close_control()
        return ExitStatus(returncode)

    def wait(self, timeout_s: float) -> ExitStatus | None:
        """Wait until all of it has ended, at most ``timeout_s``; return as `poll` does."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(max(0.0, timeout_s))
        return self.poll()

    def terminate(self) -> None:
        """Ask all of its process group to end (SIGTERM)."""
        if self._is_ours():
            self._popen.terminate()

    def kill(self) -> None:
        """Have the simulator, and all that it started, killed; does not wait for it."""
        if self._control >= 0 and self._is_ours():
            with contextlib.suppress(BrokenPipeError):
                os.write(self._control, b"k")
        self._close_control()

    def _is_ours(self) -> bool:
        """False in a fork of the learner, whose copy of this object must do nothing."""
        return os.getpid() == self._parent

    def _close_control(self) -> None:
        control, self._control = self._control, -1
        if control >= 0:
            os.close(control)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _not_started(error: OSError, cwd: str | os.PathLike[str] | None) -> UerlError:
    if cwd is not None and not os.path.isdir(cwd):
        return SimulatorLost(f"cwd {os.fspath(cwd)!r} is no folder, expected one to start in")
    if not os.path.exists(UERL_LAUNCH):
        return UerlError(
            f"uerl-launch is missing, expected {UERL_LAUNCH}: run `make build`, or reinstall "
            "uerl_shm"
        )
    return SimulatorLost(f"uerl-launch could not be started: {error}")
