"""What does PPO on `apples` gain end to end? The same PPO, policy and worlds behind websockets."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from peers.scene_client import SceneOverWebsockets
from peers.servers import Missing
from transports import BEST_WEBSOCKETS, OURS
from workload import ROOT

import uerl_shm

sys.path.insert(0, str(ROOT / "examples"))
NUM_ENVS, GOAL, MOST_STEPS = 8, 15.0, 60_000


def env_of(transport: str, num_steps: int) -> Any:
    """Return apples, stepped by this transport."""
    if transport == OURS:
        slots = 2 * num_steps + 2
        return uerl_shm.VecEnv("uerl-sim apples", NUM_ENVS, slots=slots, output="torch")
    return SceneOverWebsockets("apples", NUM_ENVS)


@pytest.mark.parametrize("transport", [OURS, BEST_WEBSOCKETS])
def bench_ppo(benchmark, transport, tmp_path):
    """8 worlds, until the mean return of the last 32 episodes reaches 15 apples."""
    import torch
    import train_ppo

    args = train_ppo.parse_args(["--out", str(tmp_path / "run")])
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    try:
        env = env_of(transport, args.num_steps)
    except Missing as error:
        pytest.skip(str(error))
    with closing(env):
        run = train_ppo.Run(args, env)

        def train() -> None:
            run.observation, run.info = env.reset(seed=args.seed)
            while run.env_steps < MOST_STEPS:
                run.iterate()
                recent = [total for _, total in run.history[-32:]]
                if len(recent) == 32 and np.mean(recent) >= GOAL:
                    return

        start = time.perf_counter()
        benchmark.group = "ppo"
        benchmark.pedantic(train, rounds=1)
        seconds = time.perf_counter() - start
        recent = float(np.mean([total for _, total in run.history[-32:]]))
        run.log.close()
    benchmark.extra_info.update(
        question="ppo", transport=transport, num_envs=NUM_ENVS, seconds=seconds, last_return=recent,
        env_steps=run.env_steps, steps_per_s=run.env_steps / seconds, **run.spent,
    )  # fmt: skip
    assert recent >= GOAL, f"mean return {recent:.1f} after {run.env_steps} env steps"
