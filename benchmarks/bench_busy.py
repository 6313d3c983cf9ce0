"""What is left while somebody else's endless loops occupy the cores?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from transports import BEST_WEBSOCKETS, OURS, SLEEPS
from workload import Workload


@pytest.fixture(params=[2, pytest.param(1, marks=pytest.mark.full)], ids="{}_loops".format)
def loops(request: pytest.FixtureRequest) -> Iterator[int]:
    """Endless loops, each in a process of its own."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command) for _ in range(request.param)]
    yield request.param
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.parametrize("transport", [OURS, SLEEPS, BEST_WEBSOCKETS])
def bench_busy(measure_step, transport, loops):
    """16 simulators, 84x84x3, zero work."""
    measure_step("busy", transport, Workload(16), loops=loops)
