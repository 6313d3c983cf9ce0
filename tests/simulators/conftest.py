"""Envs of the bundled simulators, which are all closed in the end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.bundled import UERL_SIM, MakeEnv
from uerl_shm import VecEnv


@pytest.fixture
def make_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeEnv]:
    """A function that makes envs from a scene's command line."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = []

    def make(words: str, num_envs: int = 4, **rest: Any) -> VecEnv:
        command = [str(UERL_SIM), *words.split()]
        made.append(VecEnv(command, num_envs, log_dir=tmp_path / "logs", **rest))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.fixture
def simulators() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes to be ended."""
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for process in made:
        process.kill()
        process.wait()
