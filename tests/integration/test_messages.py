"""Bytes of one's own, both ways: with a step, with a result, in order, and bounded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from uerl_shm import SpecError, VecEnv

NUM_ENVS = 2
# Answers every message with itself, backwards, and its lane.
SIMULATOR = """
from uerl_shm import ArraySpec, EnvSpec, Simulator
from uerl_shm.host import RESET

SPEC = EnvSpec.single(
    ArraySpec.box(-1, 1, (1,)), ArraySpec.discrete(2), message_bytes=MESSAGE_BYTES
)
with Simulator(spec=SPEC) as simulator:
    for command in simulator:
        message = command.message
        if isinstance(message, bytes):
            simulator.write_message(message[::-1] + str(simulator.lane).encode())
        command.observation["observation"][:] = 0
        command.outcome(0, 0.0, False, False)
"""


@pytest.fixture
def env(tmp_path: Path, request) -> Iterator[VecEnv]:
    program = tmp_path / "echo.py"
    message_bytes = getattr(request, "param", 64)
    program.write_text(SIMULATOR.replace("MESSAGE_BYTES", str(message_bytes)))
    env = VecEnv([sys.executable, str(program)], NUM_ENVS)
    yield env
    env.close()


def step(env: VecEnv) -> None:
    env.step(np.zeros(NUM_ENVS, np.int64))


def test_a_message_goes_with_the_next_step_and_its_answer_comes_with_the_result(env):
    env.reset(seed=0, options={"place": "here"})
    assert env.messages() == []
    env.post(b"abc", 1)
    step(env)
    assert env.messages() == [(1, b"cba1")]
    step(env)
    assert env.messages() == []


def test_messages_keep_their_order_and_wait_for_their_turn(env):
    env.reset(seed=0)
    for number in range(20):
        env.post(f"{number:02}", 0)
        env.post(f"{number:02}", 1)
    env.reset(options={"other": 1})  # a reset's options go first
    for _ in range(20):
        step(env)
    found = env.messages()
    for lane in range(NUM_ENVS):
        told = [data for simulator, data in found if simulator == lane]
        assert told == [f"{number:02}"[::-1].encode() + b"%d" % lane for number in range(20)]


def test_messages_that_nobody_fetches_are_dropped_and_counted(env):
    env.reset(seed=0)
    for number in range(2500):
        env.post(f"{number:04}", 0)
        env.post(f"{number:04}", 1)
        step(env)
    assert env.stats()["dropped_messages"] == 2 * 2500 - 4096
    assert env.messages()[-1] == (1, b"99421")


@pytest.mark.parametrize("env", [1 << 20], indirect=True)
def test_large_messages_do_not_make_the_learner_grow(env):
    env.reset(seed=0)
    for _ in range(20):
        env.post(bytes((1 << 20) - 1), 0)
        step(env)
    found = env.messages()
    assert sum(len(data) for _, data in found) == 16 << 20
    assert env.stats()["dropped_messages"] == 4
    assert env.messages() == []


def test_wrong_messages_are_refused(env):
    env.reset(seed=0)
    env.post(bytes(64), 0)
    with pytest.raises(SpecError, match="message of 65 bytes, expected at most 64"):
        env.post(bytes(65), 0)
    with pytest.raises(SpecError, match="message 5, expected bytes or text"):
        env.post(5, 0)
    for simulator in (-1, 2, 1 << 40):
        with pytest.raises(SpecError, match=f"simulator {simulator}"):
            env.post(b"", simulator)
    step(env)
