"""Envs whose simulators are hurt on purpose, and what can be done to them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uerl_shm
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


@pytest.fixture(scope="session")
def puppet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program of puppet.c: a simulator that does what its action says."""
    program = tmp_path_factory.mktemp("puppet") / "puppet"
    include = Path(uerl_shm.get_include())
    library = include.parent / "lib" / "libuerl_shm.a"
    source = Path(__file__).parent / "puppet.c"
    subprocess.run(
        ["cc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", program, source, f"-I{include}", library,
         "-pthread"], check=True,
    )  # fmt: skip
    return str(program)


GO, CRASH_SLOWLY, LOOP, FORK_AND_DIE, LEAVE, FAIL, BE_SLOW = range(7)  # actions of puppet.c


def do(env: VecEnv, action: int, lane: int = 1) -> Any:
    """Step: one lane's puppet does `action`, the others go on."""
    actions = np.zeros(env.num_envs, np.int64)
    actions[lane] = action
    return env.step(actions)


def others_go_on(env: VecEnv, lane: int = 1, num_steps: int = 20) -> None:
    """Step on; all rows but the lane's are valid and move."""
    others = np.arange(env.num_envs) != lane
    before = env.step(np.zeros(env.num_envs, np.int64))[0].copy()
    for number in range(num_steps):
        state, _, _, _, info = env.step(np.zeros(env.num_envs, np.int64))
        assert info["valid"][others].all()
        assert (state[others, 1] == before[others, 1] + number + 1).all()


def go_until_valid(env: VecEnv, timeout_s: float = 20.0) -> None:
    """Step puppets until every row is valid again."""
    goes = np.zeros(env.num_envs, np.int64)
    assert eventually(lambda: env.step(goes)[4]["valid"].all(), timeout_s)
