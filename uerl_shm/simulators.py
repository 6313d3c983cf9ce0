"""The simulators of one learner: starting them, waiting until each holds its lane, ending them."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from uerl_shm.errors import LayoutMismatch, SimulatorLost, StepTimeout, UerlError
from uerl_shm.keeper import Keeper

_POLL_S = 0.003
_BINDING = 1  # UERL_LANE_BINDING
_REFUSED = 3  # UERL_LANE_REFUSED
_GRACE_S = 5.0


class Progress:
    """The line "attached 3/16": rewritten on a terminal, else only when it takes long."""

    _QUIET_S = 2.0

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._began = time.monotonic()
        self._shown = -1

    def update(self, count: int) -> None:
        """Show that `count` simulators are attached."""
        if count == self._shown:
            return
        if self._live:
            self._stream.write(f"\rattached {count}/{self._total}")
            if count == self._total:
                self._stream.write("\n")
            self._stream.flush()
        elif time.monotonic() - self._began > self._QUIET_S:
            print(f"attached {count}/{self._total}", file=self._stream, flush=True)
        else:
            return
        self._shown = count

    def close(self) -> None:
        """End a line that was left unfinished."""
        if self._live and 0 <= self._shown < self._total:
            self._stream.write("\n")


class Simulators:
    """Brings a simulator to every lane: starts them, or waits for those that come by themselves.

    Args:
        core: The learner (`uerl_shm._core.Learner`).
        name: Segment name, for error texts.
        num_lanes: How many simulators.
        keeper: What attends to those that are lost later; its launcher is what starts them, or
            None: they attach by themselves.
    """

    def __init__(self, core: Any, name: str, num_lanes: int, keeper: Keeper) -> None:
        self._core = core
        self._name = name
        self._num_lanes = num_lanes
        self.launcher = keeper.launcher
        self._keeper = keeper
        keeper.attend(core)

    def start(self, timeout_s: float, max_parallel_starts: int | None) -> None:
        """Start every simulator and wait until all are attached.

        Args:
            timeout_s: Longest wait for all of them, in seconds.
            max_parallel_starts: How many may be starting at once; None: all.

        Raises:
            SimulatorLost: One exited before it attached; its last lines are shown.
            LayoutMismatch: One refused: its arrays are not those of the spec.
            StepTimeout: Some did not attach in time; they are named.
        """
        progress = Progress(self._num_lanes)
        deadline = time.monotonic() + timeout_s
        started: set[int] = set()
        try:
            while True:
                count = self._core.look_for_simulators()
                progress.update(count)
                if count == self._num_lanes:
                    return
                attached = self._core.attached()
                self._start_some(attached, started, max_parallel_starts)
                self._check(attached, started)
                if time.monotonic() > deadline:
                    raise StepTimeout(self._missing(attached, timeout_s))
                time.sleep(_POLL_S)
        finally:
            progress.close()

    def _start_some(self, attached: list[bool], started: set[int], most: int | None) -> None:
        if self.launcher is None:
            return
        room = self._num_lanes if most is None else most
        room -= sum(not attached[lane] for lane in started)
        for lane in range(self._num_lanes):
            if room <= 0:
                return
            if lane not in started:
                self.launcher.start(lane)
                started.add(lane)
                room -= 1

    def _check(self, attached: list[bool], started: set[int]) -> None:
        for lane in range(self._num_lanes):
            if attached[lane]:
                continue
            if self._core.lane_state(lane) == _REFUSED:
                error = LayoutMismatch(self.explain(lane, self._core.message_of(lane)))
                for other in started:  # an engine lives on after it has refused
                    self.launcher.terminate(other)  # type: ignore[union-attr]
                raise error
            if self.launcher is None or lane not in started:
                continue
            status = self.launcher.poll(lane)
            if status is not None:
                raise SimulatorLost(
                    self.explain(lane, f"simulator of lane {lane} ended before it attached")
                )

    def _missing(self, attached: list[bool], timeout_s: float) -> str:
        lanes = [lane for lane in range(self._num_lanes) if not attached[lane]]
        text = (
            f"{self._num_lanes - len(lanes)} of {self._num_lanes} simulators attached to segment "
            f"{self._name} in {timeout_s:g} s, missing: lane {_listed(lanes)}: "
        )
        text += self._squatted(lanes)
        if self.launcher is None:
            return text + (
                f"start them with UERL_SHM_NAME={self._name} where they share /dev/shm with this "
                "process, or raise startup_timeout_s="
            )
        return (
            text + "raise startup_timeout_s=, or read their logs\n" + self.launcher.report(lanes[0])
        )

    def _squatted(self, lanes: list[int]) -> str:
        """Say which lanes are locked, though nobody there says that it is a simulator."""
        held = [
            lane
            for lane in lanes
            if self._core.lane_locked(lane) and self._core.lane_state(lane) != _BINDING
        ]
        if not held:
            return ""
        return (
            f"lane {_listed(held)} is held by somebody who never registered: end the process that "
            f"locks /dev/shm/{self._name} (`fuser` names it), or choose another name; "
        )

    def explain(self, lane: int, text: str) -> str:
        """Return `text` with what is known of the lane's simulator: command, status, last lines."""
        if self.launcher is None:
            return text
        return f"{text}\n{self.launcher.report(lane)}"

    def explained(self, error: UerlError) -> UerlError:
        """Return the same error with what is known of the first lane that it is about."""
        lanes = getattr(error, "lanes", [])
        if not lanes or self.launcher is None:
            return error
        if isinstance(error, SimulatorLost):
            self._wait_for_exit(lanes[0])
        better = type(error)(self.explain(lanes[0], str(error)))
        better.lanes = lanes  # type: ignore[attr-defined]
        return better

    def _wait_for_exit(self, lane: int) -> None:
        """Give a process whose lock is free the moment that its exit status takes."""
        assert self.launcher is not None
        deadline = time.monotonic() + 1.0
        while self.launcher.poll(lane) is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def close(self) -> None:
        """End the simulators that were started; the segment is closed, so most just leave."""
        self._core = None  # the memory goes with the last array over it, not with the env
        try:
            self._keeper.close()
        finally:  # whatever interrupts us: no simulator is left behind
            if self.launcher is not None:
                self.launcher.close(_GRACE_S)


def _listed(lanes: list[int]) -> str:
    return ", ".join(map(str, lanes[:8])) + (", ..." if len(lanes) > 8 else "")
