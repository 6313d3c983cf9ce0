"""Who is killed while Ray trains: simulators, actors, nodes, each at a random time."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

Kill = Callable[[], str]  # does it, and returns what it did
POLL_S = 0.05


class Training(threading.Thread):
    """A training in a thread of its own: the main thread kills, for only there Ray starts nodes.

    Args:
        function: Called without arguments.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # raised again by result()
            self._error = error

    def result(self) -> Any:
        """Wait for the end; return what the function returned, or raise what it raised."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._result

    def suffer(
        self, kills: Sequence[Kill], ready: Callable[[int], bool], longest_s: float, seed: int
    ) -> int:
        """Do one after the other, each at a random time; return how many the training saw.

        Args:
            kills: What is done, in this order.
            ready: Told how many there were, says whether the last is over and the next may come.
            longest_s: The longest of the random times after that.
            seed: Of the random times.
        """
        draw = random.Random(seed)
        for number, kill_it in enumerate(kills):
            due = None
            while due is None or time.monotonic() < due:
                if not self.is_alive():
                    return number
                if due is None and ready(number):
                    due = time.monotonic() + draw.uniform(0.0, longest_s)
                time.sleep(POLL_S)
            print(f"fault: {kill_it()}", flush=True)
        return len(kills)


def kill(pid: int, what: str) -> str:
    """Kill a process; return what was done."""
    os.kill(pid, signal.SIGKILL)
    return f"killed {what} (process {pid})"


def simulators_of(pid: int) -> list[int]:
    """Return the processes of the simulators that a learner started."""
    below = psutil.Process(pid).children(recursive=True)
    return [process.pid for process in below if process.name() == "uerl-sim"]
