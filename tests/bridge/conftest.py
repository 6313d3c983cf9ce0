"""A bridge over loopback, and a learner at its other side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from support.bridged import Bridge
from support.learners import Learner
from uerl_shm import VecEnv


@pytest.fixture
def bridge(request) -> Iterator[Bridge]:
    """A bridge to a learner that a test may start."""
    made = Bridge(f"bridge-{os.getpid()}-{abs(hash(request.node.name)) % 10**8}")
    yield made
    made.server.close()


@pytest.fixture
def learn(bridge) -> Iterator[Callable[..., Learner]]:
    """A function that starts the learner of that bridge."""
    started: list[Learner] = []

    def learn(script: Callable[[VecEnv], object], **options: object) -> Learner:
        started.append(Learner(script, bridge.name, **options))
        started[-1].start()
        return started[-1]

    yield learn
    for learner in started:
        learner.join(60)
        assert not learner.is_alive()
        learner.result = None
