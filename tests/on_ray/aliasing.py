"""Whether what RLlib's episodes keep still is what their envs observed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from ray.rllib.algorithms.ppo import PPOConfig

from support import probe_pattern
from uerl_shm.integrations.rllib import RLlibVecEnv

#: Every observation can be computed from its lane and the count of steps that stands beside it.
PROBE = "uerl-sim probe --observation state:float32:8"


class ReusedBuffer(RLlibVecEnv):
    """The bug: every observation is the same array, which the next step overwrites."""

    def reset(self, **options: Any) -> Any:
        observation, info = super().reset(**options)
        self.buffer = observation
        return observation, info

    def step(self, actions: Any) -> Any:
        observation, *rest = super().step(actions)
        self.buffer[:] = observation
        return self.buffer, *rest


def config_of(env: type[RLlibVecEnv], num_envs: int, **options: Any) -> PPOConfig:
    """A configuration whose env runners step probes."""
    return (
        PPOConfig()
        .environment(env, env_config={"simulator": PROBE, **options})
        .env_runners(gym_env_vectorize_mode="vector_entry_point", num_envs_per_env_runner=num_envs)
    )


def counted(episodes: Iterable[Any]) -> tuple[int, int]:
    """Return how many observations the episodes hold, and how many of them are not their own."""
    held = wrong = 0
    for episode in episodes:
        found = np.stack(episode.get_observations())
        infos = episode.get_infos()
        lane, step = (np.array([int(info[key]) for info in infos]) for key in ("lane", "step"))
        name = "agent/observation/state"
        expected = probe_pattern.expected(name, lane, 0, step, (8,), "float32")
        held += len(found)
        wrong += int((found != expected).any(axis=1).sum())
    return held, wrong
