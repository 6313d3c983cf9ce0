"""A learner of one team of `gather` in a process of its own; keeps every batch that it gets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from support.several import arrays_of
from uerl_shm import VecEnv


def actions(team: str, rows: int) -> Any:
    """Yield a team's actions, the same ones each time."""
    rng = np.random.default_rng(list(team.encode()))
    while True:
        yield rng.uniform(-1.0, 1.0, (rows, 3)).astype(np.float32)


def flat(observation: Any, reward: Any, terminated: Any, truncated: Any, info: Any) -> Any:
    """Return the arrays of a batch by path."""
    batch = {"observation": observation, "reward": reward, "info": info}
    return arrays_of({**batch, "terminated": terminated, "truncated": truncated})


def main(name: str, team: str, rows: str, spec: str, steps: str, out: str) -> None:
    """Step, and write every batch to the file `out`; each step is announced on stdout."""
    env = VecEnv(
        num_envs=int(rows), spec=spec, name=name, envs_per_simulator=3, copy=True,
        timeout_s=20.0, startup_timeout_s=20.0)  # fmt: skip
    zeros = np.zeros(env.num_envs)
    observation, info = env.reset(seed=11)
    batches = [flat(observation, zeros, zeros, zeros, info)]
    for step, action in zip(range(int(steps)), actions(team, env.num_envs), strict=False):
        print(step, flush=True)
        batches.append(flat(*env.step(action)))
    env.close()
    paths = sorted(set.intersection(*(set(batch) for batch in batches)))
    with Path(out).open("wb") as file:
        np.savez(file, **{path: np.stack([batch[path] for batch in batches]) for path in paths})


if __name__ == "__main__":
    main(*sys.argv[1:])
