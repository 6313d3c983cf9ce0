"""Fixtures of the tests of simulators in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.learners import Learner
from uerl_shm import VecEnv


@pytest.fixture
def learn(request) -> Iterator[Callable[..., Learner]]:
    """A function that starts a learner on a segment of this test's own."""
    started: list[Learner] = []

    def learn(script: Callable[[VecEnv], Any] = lambda env: env.reset(), **options: Any) -> Learner:
        name = f"host-{os.getpid()}-{len(started)}"
        started.append(Learner(script, name, **options))
        started[-1].start()
        return started[-1]

    yield learn
    for learner in started:
        learner.join(60)
        assert not learner.is_alive()
        learner.result = None  # it may hold views of the segment
