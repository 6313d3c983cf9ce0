"""What tests of adapters share: scenes, envs that are closed, simulators that are lost."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from faults.conftest import hurt
from support.bundled import UERL_SIM
from uerl_shm import VecEnv

#: One agent; episodes that end by their own rules, and such that are cut off.
BASIC = f"{UERL_SIM} basic --episode-steps 9"
APPLES = f"{UERL_SIM} apples --frame 16x12 --episode-steps 5"
DICTS = f"{UERL_SIM} apples --frame 16x12 --episode-steps 5 --depth"
#: Its infos ``step`` and ``episode`` count what a simulator did since it started.
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
