"""When and how fast the bundled simulators leave."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.bundled import UERL_SIM, describe
from uerl_shm import StepTimeout, VecEnv
from uerl_shm import segment as segments


def seconds_to_leave(process: subprocess.Popen[bytes], number: int) -> float:
    start = time.monotonic()
    process.send_signal(number)
    assert process.wait(10) == 0
    return time.monotonic() - start


@contextmanager
def self_attaching(
    tmp_path: Path, words: str, **rest: Any
) -> Iterator[tuple[VecEnv, subprocess.Popen[bytes]]]:
    """A learner, and one simulator that was not started by it."""
    name = segments.new_name()
    process = subprocess.Popen([UERL_SIM, *words.split(), "--name", name])
    try:
        env = VecEnv(spec=describe(tmp_path, words), name=name, startup_timeout_s=20.0, **rest)
        try:
            yield env, process
        finally:
            env.close()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_simulator_that_waits_for_its_learner_leaves_at_a_signal(number: int) -> None:
    process = subprocess.Popen([UERL_SIM, "basic", "--name", segments.new_name()])
    time.sleep(0.3)
    assert process.poll() is None
    assert seconds_to_leave(process, number) < 1.0


def test_a_simulator_without_a_command_leaves_at_a_signal(tmp_path: Path) -> None:
    with self_attaching(tmp_path, "basic") as (env, process):
        env.reset()
        assert seconds_to_leave(process, signal.SIGTERM) < 1.0


def test_a_simulator_within_a_step_leaves_at_a_signal(tmp_path: Path) -> None:
    with self_attaching(tmp_path, "basic --step-us 60000000") as (env, process):
        env.reset()
        env.send(np.zeros(1, np.int64))
        time.sleep(0.2)
        assert seconds_to_leave(process, signal.SIGTERM) < 1.0


def test_a_simulator_that_sleeps_in_a_command_leaves_at_a_signal(tmp_path: Path) -> None:
    with self_attaching(tmp_path, "basic --wait-us 60000000", timeout_s=0.2) as (env, process):
        with pytest.raises(StepTimeout):
            env.reset()
        assert seconds_to_leave(process, signal.SIGTERM) < 1.0


def test_a_simulator_leaves_when_its_learner_closes(tmp_path: Path) -> None:
    with self_attaching(tmp_path, "basic") as (env, process):
        env.reset()
        env.close()
        assert process.wait(10) == 0
