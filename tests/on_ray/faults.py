"""Who is killed while Ray trains: simulators, actors, nodes, each at a random time."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Sequence

import psutil

Kill = Callable[[], str]  # does it, and returns what it did
POLL_S = 0.05


class Faults:
    """Kills one after the other in a thread, each a random time after the one before.

    Args:
        kills: What is done, in this order.
        ready: Told how many there were, says whether the last is over and the next may come.
        longest_s: The longest of the random times.
        seed: Of the random times.
    """

    def __init__(
        self, kills: Sequence[Kill], ready: Callable[[int], bool], longest_s: float, seed: int
    ) -> None:
        self._kills, self._ready, self._longest_s = kills, ready, longest_s
        self._random = random.Random(seed)
        self._stopped = threading.Event()
        self.done: list[str] = []
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            for kill in self._kills:
                while not self._ready(len(self.done)):
                    if self._stopped.wait(POLL_S):
                        return
                if self._stopped.wait(self._random.uniform(0.0, self._longest_s)):
                    return
                self.done.append(kill())
                print(f"fault: {self.done[-1]}", flush=True)
        except Exception as error:  # told by whoever looks at the figures
            self.error = error

    def close(self) -> None:
        """End the thread, however far it came.

        Raises:
            Exception: What a kill raised.
        """
        self._stopped.set()
        self._thread.join()
        if self.error is not None:
            raise self.error


def kill(pid: int, what: str) -> str:
    """Kill a process; return what was done."""
    os.kill(pid, signal.SIGKILL)
    return f"killed {what} (process {pid})"


def simulators_of(pid: int) -> list[int]:
    """Return the processes of the simulators that a learner started."""
    below = psutil.Process(pid).children(recursive=True)
    return [process.pid for process in below if process.name() == "uerl-sim"]
