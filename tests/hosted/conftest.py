"""Hosted envs, and gymnasium's own beside them; all are closed in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.vector import SyncVectorEnv, VectorEnv

from support.vector_envs import MAKERS, Make


@pytest.fixture
def make() -> Iterator[Make]:
    """A function that makes vector envs: ``make(kind, env_fns, **options)``."""
    made: list[VectorEnv] = []

    def make(kind: str, env_fns: Sequence[Callable[[], gym.Env]], **options: Any) -> VectorEnv:
        made.append(MAKERS[kind](env_fns, **options))
        return made[-1]

    yield make
    for envs in made:
        envs.close(**({} if isinstance(envs, SyncVectorEnv) else {"terminate": True}))
