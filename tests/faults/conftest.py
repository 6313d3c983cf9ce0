"""Envs whose simulators are hurt on purpose, and what can be done to them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processes import eventually
from support.bundled import UERL_SIM, random_actions
from uerl_shm import VecEnv

PROBE = f"{UERL_SIM} probe --observation state:float32:8 --episode-steps 0"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., VecEnv]]:
    """A function that makes envs of small probes; all are closed in the end."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made: list[VecEnv] = []

    def make(num_envs: int = 4, simulator: Any = PROBE, **options: Any) -> VecEnv:
        options.setdefault("log_dir", tmp_path / "logs" if simulator is not None else None)
        made.append(VecEnv(simulator, num_envs, **options))
        return made[-1]

    yield make
    for env in made:
        env.close()


def pid_of(env: VecEnv, lane: int) -> int:
    """Process id of the simulator that the env started for a lane."""
    pid = env._simulators.launcher.pid(lane)
    assert pid is not None
    return pid


def hurt(env: VecEnv, lane: int, number: signal.Signals) -> None:
    """Send a signal to a lane's simulator."""
    os.kill(pid_of(env, lane), number)


def step(env: VecEnv, rng: np.random.Generator | None = None) -> Any:
    """Step with random actions."""
    return env.step(random_actions(env, rng or np.random.default_rng(0)))


def valid_of(info: dict[str, Any]) -> list[bool]:
    """Which rows are valid."""
    return info["valid"].tolist()


def step_until_valid(env: VecEnv, timeout_s: float = 20.0) -> Any:
    """Step until every row is valid again; return that batch."""
    last: list[Any] = []

    def all_valid() -> bool:
        last[:] = step(env)
        return bool(last[4]["valid"].all())

    assert eventually(all_valid, timeout_s)
    return tuple(last)
