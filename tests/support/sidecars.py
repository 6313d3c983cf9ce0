"""Simulators beside learners, kept running as a kubelet keeps sidecars."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections.abc import Mapping

PERIOD_S = 0.1  # between two looks at who has ended


class Sidecars:
    """Starts simulators for segments that learners will make, and again whenever one ends.

    Args:
        command: Of one simulator, an `uerl-sim`.
        counts: How many for each segment, by its name.
    """

    def __init__(self, command: str, counts: Mapping[str, int]) -> None:
        self._argv = [*shlex.split(command), "--next-learner-s", "600", "--attach-timeout-s", "600"]
        self._lock = threading.Lock()
        self.restarts = 0
        self._running = [(name, self._start(name)) for name, n in counts.items() for _ in range(n)]
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "UERL_SHM_NAME": name}
        return subprocess.Popen(self._argv, env=environ, stderr=subprocess.DEVNULL)

    def _keep(self) -> None:
        while not self._closed.wait(PERIOD_S):
            with self._lock:
                for place, (name, process) in enumerate(self._running):
                    if process.poll() is not None:
                        self._running[place] = name, self._start(name)
                        self.restarts += 1

    def pids(self, name: str | None = None) -> list[int]:
        """Return the processes of one segment, or of all."""
        with self._lock:
            return [process.pid for of, process in self._running if name in (None, of)]

    def close(self) -> None:
        """End them all."""
        self._closed.set()
        self._thread.join()
        for _, process in self._running:
            process.kill()
            process.wait()
