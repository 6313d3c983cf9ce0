"""The simulator processes of a HostedVectorEnv, and its ends of the channels to them."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gymnasium
from gymnasium import logger
from gymnasium.vector.utils import CloudpickleWrapper, clear_mpi_env_vars

from uerl_shm.errors import SimulatorLost
from uerl_shm.hosted_channel import Channel, ChannelClosed, packed
from uerl_shm.hosted_process import Attach, Failure, Hello, serve
from uerl_shm.launcher_process import ExitStatus

_POLL_S = 0.002
_EXIT_S = 1.0  # between a death that was seen and its exit code
_CLOSE_S = 60.0  # for an env's own close(), which may write a video
_TERMINATE_S = 2.0  # from SIGTERM to SIGKILL

T = TypeVar("T")


class RemoteTraceback(Exception):
    """The traceback that an exception had in its own process; shown as the exception's cause."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Family:
    """Starts one process for each env, talks to them, and ends them.

    Args:
        env_fns: Each makes one env, in its own process.
        context: Of multiprocessing.
        daemon: Whether the processes are daemons, which may have no children.
        max_concurrency: How many envs may step or reset at once; None: all.
        label: For the names of the processes.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], gymnasium.Env[Any, Any]]],
        context: Any,
        daemon: bool,
        max_concurrency: int | None,
        label: str,
    ) -> None:
        self.owner = os.getpid()
        self.processes: list[Any] = []
        self.channels: list[Channel] = []
        self._sockets: list[socket.socket] = []
        permit = None if max_concurrency is None else context.BoundedSemaphore(max_concurrency)
        # A spawned process has no more than it is given; a forked one has everything.
        forked = context.get_start_method() == "fork"
        try:
            with clear_mpi_env_vars():
                for index, env_fn in enumerate(env_fns):
                    ours, theirs = socket.socketpair()
                    self._sockets.append(ours)
                    process = context.Process(
                        target=serve,
                        name=f"Simulator<{label}>-{index}",
                        args=(
                            CloudpickleWrapper(env_fn),
                            theirs,
                            tuple(self._sockets) if forked else (),
                            permit,
                        ),
                        daemon=daemon,
                    )
                    with theirs:
                        process.start()
                    self.processes.append(process)
                    self.channels.append(Channel(ours, process.is_alive))
        except BaseException:
            self.close(0.0)
            raise

    # Birth ---------------------------------------------------------------------------------------

    def hellos(self) -> list[Hello]:
        """Return what each env is; raise what one of them raised when it was made."""
        hellos = []
        for index in range(len(self.channels)):
            message = self.message(index, math.inf, "its env was made")[1]
            if isinstance(message, Failure):
                raise_failures({index: message})
            hellos.append(message)
        return hellos

    def attach(
        self,
        name: str,
        observation_in_segment: bool,
        action_in_segment: bool,
        look: Callable[[], int],
    ) -> None:
        """Have every process attach to the segment.

        Args:
            name: Of the segment.
            observation_in_segment: Whether observations are arrays there.
            action_in_segment: Whether actions are.
            look: Returns how many simulators are attached.
        """
        for lane, channel in enumerate(self.channels):
            channel.send(packed(Attach(name, lane, observation_in_segment, action_in_segment)))
        while look() < len(self.channels):
            for index, channel in enumerate(self.channels):
                taken = channel.take()
                if taken is not None:
                    raise_failures({index: taken[1]})
                if not self.processes[index].is_alive():
                    raise self.lost([index], "it had attached to the segment")
            time.sleep(_POLL_S)

    # Talk ----------------------------------------------------------------------------------------

    def message(self, index: int, deadline: float, before: str) -> tuple[int, Any]:
        """Return the next message of one process and its number.

        Raises:
            TimeoutError: It did not come before ``deadline``. Nothing is lost: ask again.
            SimulatorLost: The process ended.
        """
        try:
            return self.channels[index].wait(deadline)
        except ChannelClosed:
            raise self.lost([index], before) from None

    def wait_beside(self, attempt: Callable[[float], T], deadline: float) -> T:
        """Call ``attempt(timeout_s)``, which waits for results, and keep the channels moving.

        A process that still sends what nobody waits for any more must get rid of it before it can
        answer; so must this one, of what it has not sent yet.
        """
        while True:
            left_s = deadline - time.monotonic()
            try:
                return attempt(max(0.0, min(left_s, 0.02)))
            except TimeoutError:
                if left_s <= 0:
                    raise
            for channel in self.channels:
                channel.pump()

    def lost(self, lanes: Sequence[int], before: str) -> SimulatorLost:
        """Return the error that names the envs whose processes ended, and how they ended."""
        texts = []
        for lane in lanes:
            process = self.processes[lane]
            process.join(_EXIT_S)
            code = process.exitcode
            how = "closed its channel" if code is None else f"ended with {ExitStatus(code)}"
            texts.append(f"simulator of env {lane} {how}")
        return SimulatorLost(
            f"{', '.join(texts)} before {before}, expected it to live: see what it printed, "
            "close() this env, and make a new one"
        )

    # End -----------------------------------------------------------------------------------------

    def close(self, timeout_s: float | None) -> None:
        """End every process: wait for it, then SIGTERM, then SIGKILL. Bounded.

        Args:
            timeout_s: For the envs to close; None: long enough for any that ends by itself.
        """
        if os.getpid() != self.owner:
            return
        for channel in self.channels:
            channel.close()
        for sock in self._sockets:
            sock.close()
        self._join(_CLOSE_S if timeout_s is None else timeout_s)
        for end in ("terminate", "kill"):
            for process in self.processes:
                if process.is_alive():
                    getattr(process, end)()
            self._join(_TERMINATE_S)
        for process in self.processes:
            with contextlib.suppress(ValueError):  # not even SIGKILL could end it
                process.close()
        self.processes, self.channels, self._sockets = [], [], []

    def _join(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))


def raise_failures(failures: dict[int, Failure]) -> None:
    """Log the exceptions of envs, by env, and raise the last one here."""
    for index, failure in failures.items():
        logger.error("%s", f"Received the following error from env {index}")
        logger.error("%s", failure.text)
    logger.error("Raising the last exception back to the main process.")
    last = failures[max(failures)]
    raise last.error from RemoteTraceback(last.text)
