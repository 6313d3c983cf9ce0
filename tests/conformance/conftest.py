"""The implementations that one suite is run against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.probes import COMMANDS, SMALL, spec_of
from uerl_shm import VecEnv

# Over a bridge the suite takes a minute.
MARKS = {"bridge": pytest.mark.slow}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in COMMANDS])
def command(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> list[str]:
    """The command line of an implementation of `probe`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return COMMANDS[request.param]


@pytest.fixture
def make(command: list[str]) -> Iterator[Callable[..., VecEnv]]:
    """A function that makes envs of it: ``make(words, num_envs, **options)``."""
    made = []

    def make(words: list[str] = SMALL, num_envs: int = 3, **options: Any) -> VecEnv:
        spec = spec_of(tuple(command), tuple(words))
        made.append(VecEnv([*command, *words], num_envs, spec=spec, **options))
        return made[-1]

    yield make
    for env in made:
        env.close()
