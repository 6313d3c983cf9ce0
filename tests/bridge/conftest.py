"""A bridge over loopback, and a learner at its other side."""

from __future__ import annotations

import os
import subprocess
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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = [str(folder / name) for name in ("certificate.pem", "key.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", "/CN=uerl", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", made[0], "-keyout", made[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return made[0], made[1]
