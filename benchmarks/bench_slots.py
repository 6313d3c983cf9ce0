"""What do more slots cost, and what do partial batches bring?"""

from __future__ import annotations

from contextlib import closing

import pytest
from transports import vec_env
from workload import Workload

pytestmark = pytest.mark.full
T = 128  # steps of a rollout


@pytest.mark.parametrize("slots", [2, 4, 2 * T + 2], ids="{}_slots".format)
def bench_slots(measure, slots):
    """16 simulators, 84x84x3."""
    workload = Workload(16)
    actions = workload.actions()
    with closing(vec_env(workload, slots=slots)) as env:
        env.reset(seed=0)

        def step() -> None:
            env.step(actions)  # whose batch is dropped at once: two slots are enough

        measure("slots", step, num_envs=16, slots=slots, transport="uerl_shm")


@pytest.mark.parametrize("least", [4, 8, 16], ids="at_least_{}_of_16".format)
def bench_partial(measure, least):
    """16 simulators: those that are done go on at once; num_envs is how many are waited for."""
    workload = Workload(16)
    actions = workload.actions()
    with closing(vec_env(workload)) as env:
        env.reset(seed=0)
        env.send(actions)

        def turn() -> None:
            batch = env.recv(min_envs=least)
            env.send(actions[: len(batch.env_ids)], batch.env_ids)

        measure("partial", turn, num_envs=least, transport="uerl_shm")
        env.recv()
