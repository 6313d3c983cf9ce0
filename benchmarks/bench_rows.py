"""What do several envs in one process bring, and how far does that go?"""

from __future__ import annotations

import pytest
from transports import vec_env
from workload import Workload

FULL = pytest.mark.full
ROWS = [
    pytest.param(64, 1, id="64_envs-64_processes"),
    pytest.param(64, 32, id="64_envs-2_processes"),
    pytest.param(64, 8, id="64_envs-8_processes", marks=FULL),
    pytest.param(256, 128, id="256_envs-2_processes", marks=FULL),
    pytest.param(1024, 512, id="1024_envs-2_processes", marks=FULL),
    pytest.param(1024, 16, id="1024_envs-64_processes", marks=FULL),
]


@pytest.mark.parametrize(("num_envs", "per_process"), ROWS)
def bench_rows(measure, num_envs, per_process):
    """84x84x3 and 64 floats, zero work."""
    workload = Workload(num_envs)
    actions = workload.actions()
    env = vec_env(workload, envs_per_simulator=per_process)
    try:
        env.reset(seed=0)
        measure(
            "rows", lambda: env.step(actions), num_envs=num_envs,
            processes=num_envs // per_process, transport="uerl_shm",
        )  # fmt: skip
    finally:
        env.close()
