"""What is done about simulators that are lost or late: told, killed, started again."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from uerl_shm.errors import SimulatorLost, UerlError
from uerl_shm.launcher import Launcher
from uerl_shm.options import checked_count, checked_seconds

__all__ = ["Keeper", "Patience"]

_LOG = logging.getLogger("uerl_shm")
_TICK_S = 0.02
_PAUSE_S = 1.0  # longer between two ticks: this process was stopped
_WINDOW_S = 600.0  # of max_restarts
_BACKOFF_S = 1.0  # before the second restart; then twice as long each time
_LONGEST_BACKOFF_S = 30.0
_EXIT_S = 1.0  # a process whose lock is free may not have been waited for yet
_LATE, _BACK = 1, 4  # of the learner's enum Change
_UNDER_WAY = ("late", "lost", "waiting", "starting")


@dataclass(frozen=True)
class Patience:
    """How long a simulator is waited for, and how often it is started again.

    Attributes:
        restarts: Whether a simulator that was lost is started again.
        max_restarts: Restarts of one lane within 10 minutes; then it stays masked.
        kill_after_s: How long a late simulator may stay late.
        startup_timeout_s: How long a simulator may take to attach.
    """

    restarts: bool
    max_restarts: int
    kill_after_s: float
    startup_timeout_s: float

    def __post_init__(self) -> None:
        checked_count("max_restarts", self.max_restarts)
        checked_seconds("kill_after_s", self.kill_after_s)


@dataclass
class _Case:
    """A lane that had no simulator once.

    Its state: "served", "late", "lost" (the exit status is awaited), "waiting" for its restart,
    "starting", or "given up".
    """

    state: str
    due: float
    text: str = ""
    restarts: deque[float] = field(default_factory=deque)


class Keeper:
    """Attends to masked lanes in a thread of its own, which runs while there are any.

    Args:
        launcher: What started the simulators; None: they attach by themselves.
        patience: How long and how often.
    """

    def __init__(self, launcher: Launcher | None, patience: Patience) -> None:
        self.launcher = launcher
        self._patience = patience
        self._core: Any = None
        self._cases: dict[int, _Case] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def attend(self, core: Any) -> None:
        """Name the learner whose lanes these are."""
        self._core = core

    def on_event(self, lane: int, change: int, text: str) -> None:
        """Take in what the learner noticed; called in the learner's thread.

        Raises:
            SimulatorLost: Too few rows are served (``lane`` is -1), and nobody will come back.
        """
        if lane < 0:
            self._wait_for_rows(text)
        elif change == _BACK:
            self._take_back(lane)
        else:
            self._take_loss(lane, change, text)

    def _take_back(self, lane: int) -> None:
        with self._lock:
            case = self._cases.get(lane)
            if case is not None:
                case.state = "served"
        _LOG.warning("simulator of lane %d is back; its envs are reset with their next step", lane)

    def _take_loss(self, lane: int, change: int, text: str) -> None:
        now = time.monotonic()
        with self._lock:
            case = self._cases.setdefault(lane, _Case("served", now))
            if case.state in ("waiting", "starting"):
                return  # it was killed by us
            case.text = text
            if change == _LATE:
                case.state, case.due = "late", now + self._patience.kill_after_s
                plan = f"its rows are masked; it has {self._patience.kill_after_s:g} s to answer"
                _LOG.warning("%s\nlane %d: %s", text, lane, plan)
            else:
                case.state, case.due = "lost", now + _EXIT_S
            self._run()

    def _plan_restart(self, case: _Case, now: float) -> str:
        """Decide when a lane's simulator is started again; say so."""
        if self.launcher is None or not self._patience.restarts:
            case.state = "given up"
            return "its rows are masked until a simulator attaches to the lane"
        while case.restarts and case.restarts[0] < now - _WINDOW_S:
            case.restarts.popleft()
        if len(case.restarts) >= self._patience.max_restarts:
            case.state = "given up"
            return (
                f"its rows stay masked: it was started {len(case.restarts)} times in 10 minutes, "
                "expected it to run: read its log, then make a new env (or raise max_restarts=)"
            )
        backoff = 0.0
        if case.restarts:
            backoff = min(_BACKOFF_S * 2.0 ** (len(case.restarts) - 1), _LONGEST_BACKOFF_S)
        case.restarts.append(now)
        case.state, case.due = "waiting", now + backoff
        return (
            f"its rows are masked; it is started again in {backoff:g} s (restart "
            f"{len(case.restarts)} of at most {self._patience.max_restarts} in 10 minutes)"
        )

    # The thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._loop, name="uerl_shm keeper", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        before = time.monotonic()
        while not self._closed.wait(_TICK_S):
            with self._lock:
                open_cases = [
                    (lane, case) for lane, case in self._cases.items() if case.state in _UNDER_WAY
                ]
                if not open_cases:
                    self._thread = None
                    return
                now = time.monotonic()
                if now - before > _PAUSE_S:  # we stood still: nobody else had a chance either
                    for _, case in open_cases:
                        case.due += now - before
                before = now
                todo = [self._attend_to(lane, case, now) for lane, case in open_cases]
            for work in filter(None, todo):
                work()  # without the lock: the learner's step may ask for it meanwhile

    def _attend_to(self, lane: int, case: _Case, now: float) -> Callable[[], None] | None:
        """Decide what happens to a lane; return what takes its time."""
        launcher = self.launcher
        if case.state == "lost":
            if launcher is not None:
                if launcher.poll(lane) is None and now < case.due:
                    return None  # its lock is free, its exit status on the way
                case.text += f"\n{launcher.report(lane)}"
            self._tell(lane, case, case.text, now)
        elif case.state == "late" and now > case.due:
            if not self._core.fence(lane):  # it answered; the learner has yet to look
                case.due = now + self._patience.kill_after_s
                return None
            self._tell(lane, case, "fenced", now)
            return None if launcher is None else partial(launcher.kill, lane)
        elif launcher is None:
            return None
        elif case.state == "waiting" and now >= case.due:
            # Before the start: the learner may take the simulator back at once.
            case.state, case.due = "starting", now + self._patience.startup_timeout_s
            return partial(self._restart, launcher, lane, case)
        elif case.state == "starting" and (launcher.poll(lane) is not None or now > case.due):
            if launcher.poll(lane) is None and self._core.has_successor(lane):
                return None  # it is there; the learner has yet to look
            self._tell(lane, case, launcher.report(lane), now)
            return partial(launcher.kill, lane)
        return None

    def _restart(self, launcher: Launcher, lane: int, case: _Case) -> None:
        try:
            launcher.restart(lane)
        except (UerlError, OSError) as error:  # such as a full disk, or no file descriptors
            with self._lock:
                self._tell(lane, case, str(error), time.monotonic())

    def _tell(self, lane: int, case: _Case, text: str, now: float) -> None:
        """Say what happened, and what is done about it."""
        plan = self._plan_restart(case, now)
        say = _LOG.error if case.state == "given up" else _LOG.warning
        say("%s\nlane %d: %s", text, lane, plan)

    # Too few rows -------------------------------------------------------------------------------

    def _wait_for_rows(self, text: str) -> None:
        """Return when a simulator is back; raise when none will be."""
        deadline = time.monotonic() + self._patience.startup_timeout_s
        before = self._core.rows_served()
        while self._core.rows_served() == before:
            with self._lock:
                hope = any(c.state in _UNDER_WAY for c in self._cases.values())
            if not hope or time.monotonic() > deadline:
                raise SimulatorLost("\n".join([text, *self._reasons()]))
            time.sleep(_TICK_S)
            self._core.look_for_returns()

    def _reasons(self) -> list[str]:
        cases = sorted(self._cases.items())
        return [case.text for _, case in cases if case.state != "served"][:8]

    def close(self) -> None:
        """Start and kill nothing any more."""
        self._closed.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._core = None
