"""Fixtures of the command line's tests: the commands, in this process and as programs; learners."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import uerl_shm
from command_line import kill, start_learner
from support import marker_simulator
from uerl_shm.cli.app import app


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a command in this process: `run("ls", "--json")`; has exit_code, stdout and stderr."""
    runner = CliRunner()
    return lambda *arguments, **keywords: runner.invoke(app, list(map(str, arguments)), **keywords)


@pytest.fixture
def name() -> str:
    """A segment name that nobody has."""
    return f"uerl-test-{secrets.token_hex(4)}"


@pytest.fixture
def env(name) -> Iterator[uerl_shm.VecEnv]:
    """Two simulators of two apples worlds each, reset."""
    with closing(
        uerl_shm.VecEnv(
            "uerl-sim apples --depth --segmentation", num_envs=4, envs_per_simulator=2, name=name
        )
    ) as made:
        made.reset(seed=0)
        yield made


@pytest.fixture
def dead(name) -> Iterator[str]:
    """Name of a segment whose learner was killed."""
    kill(start_learner(simulator="uerl-sim basic", num_envs=2, name=name))
    yield name
    Path("/dev/shm", name).unlink(missing_ok=True)


@pytest.fixture(scope="session")
def bad_simulator(tmp_path_factory) -> str:
    """Path of the world that breaks the rule that its argument names."""
    path = tmp_path_factory.mktemp("bad") / "bad-simulator"
    package = Path(uerl_shm.__file__).parent
    compiler = shlex.split(os.environ.get("CC", "cc"))
    source = Path(__file__).with_name("bad_simulator.c")
    built = ["-I", package / "include", source, package / "lib" / "libuerl_shm.a"]
    flags = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread"]
    subprocess.run([*compiler, *flags, *built, "-o", path], check=True)
    return str(path)


@pytest.fixture(scope="module")
def simulators() -> Iterator[uerl_shm.VecEnv]:
    """Four simulators whose frames are marked."""
    name = f"uerl-test-{os.getpid()}-web"
    with closing(
        uerl_shm.VecEnv(
            [sys.executable, marker_simulator.__file__], 4, name=name, annotations=["value"]
        )
    ) as env:
        yield env


@pytest.fixture
def stepped(simulators) -> uerl_shm.VecEnv:
    """The same, reset and stepped three times, with annotations."""
    simulators.reset(seed=0)
    for _ in range(3):
        simulators.step(np.zeros((4, 2), np.float32))
    simulators.annotate(value=[0.5, -1.5, 2.25, np.nan])
    return simulators
