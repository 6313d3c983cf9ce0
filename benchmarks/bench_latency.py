"""How long is one step of one simulator, with every transport?"""

from __future__ import annotations

import os
from contextlib import closing

import pytest
from peers.clients import PEERS
from transports import OURS, SLEEPS
from workload import Workload

ALL = [OURS, SLEEPS, *PEERS]


@pytest.mark.parametrize("transport", ALL)
def bench_latency(measure_step, transport):
    """84x84x3 and 64 floats; both processes have a core."""
    measure_step("latency", transport, Workload(1))


def bench_idle_core_wakes(measure):
    """Two processes wake each other in turn by semaphores: what no peer that sleeps is below."""
    posix_ipc = pytest.importorskip("posix_ipc")
    name = f"/uerl-bench-{os.getpid()}"
    with (
        closing(posix_ipc.Semaphore(f"{name}-there", posix_ipc.O_CREX)) as there,
        closing(posix_ipc.Semaphore(f"{name}-back", posix_ipc.O_CREX)) as back,
    ):
        there.unlink()
        back.unlink()
        other = os.fork()
        if other == 0:
            while True:  # until it is killed
                there.acquire()
                back.release()

        def there_and_back() -> None:
            there.release()
            back.acquire()

        try:
            measure("idle_core_wakes", there_and_back, transport="two_semaphores")
        finally:
            os.kill(other, 9)
            os.waitpid(other, 0)
