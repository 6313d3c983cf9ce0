"""DmEnv: dm_env's own checker, discounts, specs."""

from __future__ import annotations

import unittest
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

dm_env = pytest.importorskip("dm_env", reason="dm_env is not installed")
pytest.importorskip("tree", reason="dm-tree, which dm_env's checker needs, is not installed")
pytest.importorskip("absl", reason="absl-py, which dm_env's checker needs, is not installed")
from dm_env import specs, test_utils

from adapters.conftest import APPLES, BASIC, DICTS, kill
from support.gym_envs import Sampler
from uerl_shm import Env, SpecError
from uerl_shm.integrations.dm_env import DmEnv


class Checked(test_utils.EnvironmentTestMixin):
    """What dm_env asks of every environment; its 20 steps go over an episode's end."""

    simulator = ""

    def make_object_under_test(self) -> DmEnv:
        return DmEnv(Env(self.simulator))

    def test_an_end_was_among_the_steps(self) -> None:
        self.reset_environment()
        steps = [self.step_environment() for _ in range(20)]
        assert any(step.last() for step in steps)


class TestNumbers(Checked, unittest.TestCase):
    simulator = BASIC


class TestPictures(Checked, unittest.TestCase):
    simulator = APPLES


class TestDicts(Checked, unittest.TestCase):
    simulator = DICTS


@pytest.fixture
def adapt():
    """A function that makes a DmEnv; all are closed in the end."""
    made = []

    def adapt(env: gym.Env) -> DmEnv:
        made.append(DmEnv(env))
        return made[-1]

    yield adapt
    for env in made:
        env.close()


def test_terminated_has_discount_0_and_truncated_1(adapt):
    env = adapt(Env(f"{BASIC} --episode-steps 4"))
    env.reset()
    told = [env.step(0 if number % 2 else 2) for number in range(4)]
    assert [step.discount for step in told] == [1.0] * 4
    assert told[-1].last()
    env = adapt(Env(BASIC))
    env.reset()
    told = [env.step(2) for _ in range(7)]
    assert told[-1].last() and told[-1].discount == 0.0 and told[-1].reward > 0.9


def test_it_is_the_env_under_it(adapt):
    ours, theirs = adapt(Env(APPLES)), Env(APPLES)
    ours.seed(6)
    assert np.array_equal(ours.reset().observation, theirs.reset(seed=6)[0])
    for number in range(14):
        action = np.full(2, number / 14, np.float32)
        step = ours.step(action)
        if step.first():
            assert np.array_equal(step.observation, theirs.reset()[0])
            continue
        observation, reward, terminated, truncated, _ = theirs.step(action)
        assert np.array_equal(step.observation, observation)
        assert (step.reward, step.last()) == (reward, terminated or truncated)
    theirs.close()


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (spaces.Box(-1, 2, (3,)), specs.BoundedArray((3,), "float32", -1, 2, "action")),
        (spaces.Box(-np.inf, np.inf, (2,)), specs.Array((2,), "float32", "action")),
        (spaces.Discrete(4, start=3), specs.DiscreteArray(4, "int64", "action")),
        (spaces.MultiDiscrete([2, 5]), specs.BoundedArray((2,), "int64", 0, [1, 4], "action")),
        (spaces.MultiBinary(3), specs.BoundedArray((3,), "int8", 0, 1, "action")),
    ],
    ids=str,
)
def test_specs_say_what_spaces_say(adapt, space, expected):
    env = adapt(Sampler(action_space=space))
    assert env.action_spec() == expected
    env.reset()
    env.step(expected.generate_value())  # Sampler refuses what is not in its space


def test_discrete_observations_count_from_0(adapt):
    env = adapt(Sampler(observation_space=spaces.Discrete(2, start=8)))
    seen = {int(env.reset().observation) for _ in range(40)}
    assert seen == {0, 1}


def test_a_lost_simulator_ends_the_episode_with_discount_1(adapt):
    inner = Env(APPLES)
    env = adapt(inner)
    env.reset()
    before = env.step(np.zeros(2, np.float32))
    assert env.valid
    kill(inner._envs, 0)
    step: Any = env.step(np.zeros(2, np.float32))
    assert step.last() and step.discount == 1.0 and step.reward == 0.0
    assert not env.valid
    assert np.array_equal(step.observation, before.observation)
    assert env.step(np.zeros(2, np.float32)).first() and env.valid
    assert env.step(np.zeros(2, np.float32)).mid()


def test_spaces_without_arrays_are_refused():
    with pytest.raises(SpecError, match="has no dm_env spec, expected Box"):
        DmEnv(Sampler(observation_space=spaces.Text(5)))
