"""How near to the ideal do engines run that compute, and engines that wait?"""

from __future__ import annotations

import os

import pytest
from transports import BEST_WEBSOCKETS, OURS
from workload import Workload

FULL = pytest.mark.full
ENGINES = [
    pytest.param(Workload(16, step_us=50), id="16_simulators-50us_work"),
    pytest.param(Workload(64, wait_us=10_000), id="64_simulators-10ms_wait"),
    pytest.param(Workload(16, step_us=500), id="16_simulators-500us_work", marks=FULL),
    pytest.param(Workload(64, wait_us=1_000), id="64_simulators-1ms_wait", marks=FULL),
]


@pytest.mark.parametrize("transport", [OURS, BEST_WEBSOCKETS])
@pytest.mark.parametrize("workload", ENGINES)
def bench_engines(measure_step, transport, workload):
    """The ideal: all cores busy with the engines' work; or no engine waits for another."""
    cores = len(os.sched_getaffinity(0))
    busy_s = workload.num_envs / min(cores, workload.num_envs) * workload.step_us * 1e-6
    ideal_s = max(busy_s, workload.wait_us * 1e-6)
    measure_step("engines", transport, workload, ideal_s=ideal_s)
