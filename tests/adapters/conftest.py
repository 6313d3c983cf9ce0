"""What tests of adapters share: simulators that are lost and come back, episodes to compare with."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from faults.conftest import hurt
from support.bundled import UERL_SIM
from uerl_shm import VecEnv

#: One agent; episodes that end by their own rules, and such that are cut off.
BASIC = f"{UERL_SIM} basic --episode-steps 9"
APPLES = f"{UERL_SIM} apples --frame 16x12 --episode-steps 5"
DICTS = f"{UERL_SIM} apples --frame 16x12 --episode-steps 5 --depth"
#: Its info ``step`` counts the steps of an episode.
PROBE = f"{UERL_SIM} probe --observation state:float32:8 --episode-steps 0"


@pytest.fixture
def make() -> Iterator[Callable[..., VecEnv]]:
    """A function that makes envs; all are closed in the end."""
    made: list[VecEnv] = []

    def make(simulator: Any, num_envs: int = 3, **options: Any) -> VecEnv:
        made.append(VecEnv(str(simulator), num_envs, **options))
        return made[-1]

    yield make
    for env in made:
        env.close()


def kill(env: VecEnv, lane: int) -> None:
    """Kill the simulator of a lane; the env starts another, unless it is told not to."""
    hurt(env, lane, signal.SIGKILL)


def samples(env: Any, num_steps: int, seed: int = 5) -> list[Any]:
    """Actions of the batched space, the same for every env of that space."""
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(num_steps)]


def plain(value: Any) -> Any:
    """Arrays of their own, in dicts as they were."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return np.array(value)
