"""HostedVectorEnv returns, bit for bit, what gymnasium's vector envs return on the same envs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from support.gym_envs import Counter, Listener, Sampler
from support.vector_envs import MODES, OURS, Make, assert_same, assert_same_run, logged

IDS = ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1"]


# Gymnasium's remarks about scalars that are not arrays.
pytestmark = pytest.mark.filterwarnings("ignore:.*Casting input x to numpy array")


def registered(name: str) -> Callable[[], gym.Env]:
    return lambda: gym.make(name)


def both(make: Make, kind: str, env_fns: list[Any], other: str = "sync", **options: Any):
    return make(kind, env_fns, **options), make(other, env_fns, **options)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("name", IDS)
def test_a_run_of_a_registered_env_is_the_same(make, name, kind, mode):
    ours, theirs = both(make, kind, [registered(name)] * 3, autoreset_mode=mode)
    assert ours.observation_space == theirs.observation_space
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.action_space == theirs.action_space
    assert ours.single_action_space == theirs.single_action_space
    assert ours.metadata == theirs.metadata
    assert ours.render_mode == theirs.render_mode
    assert_same_run(ours, theirs, num_steps=60)


FIXED_SPACES = [
    spaces.Discrete(3),
    spaces.Discrete(5, start=-2),
    spaces.Discrete(4, dtype=np.int32, start=1),
    spaces.Box(-1, 1, ()),
    spaces.Box(0, 255, (5, 4, 3), np.uint8),
    spaces.Box(np.array([-10.0, 0]), np.array([10.0, 3]), dtype=np.float64),
    spaces.Box(-np.inf, np.inf, (2, 1), np.float16),
    spaces.Box(np.array([0, 0, 1]), np.array([1, 0, 1]), dtype=np.bool_),
    spaces.Box(-7, 9, (2,), np.int64),
    spaces.MultiDiscrete([2, 7]),
    spaces.MultiDiscrete([[2, 3], [3, 2]], start=[[10, 20], [30, 40]]),
    spaces.MultiDiscrete([2, 3], dtype=np.int8),
    spaces.MultiBinary(8),
    spaces.MultiBinary([2, 3]),
    spaces.Tuple([spaces.Discrete(5), spaces.Box(0, 5, (2,))]),
    spaces.Tuple([spaces.Discrete(5), spaces.Tuple([spaces.Box(0, 1, (3,)), spaces.Discrete(2)])]),
    spaces.Dict(position=spaces.Discrete(6), velocity=spaces.Box(0, 5, (2,))),
    spaces.Dict(
        {
            "a": spaces.Box(0, 1, (3, 3)),
            "b/with a slash": spaces.Dict(x=spaces.Box(-1, 1, (2,)), y=spaces.MultiBinary(2)),
            "c": spaces.Tuple([spaces.Discrete(4), spaces.Box(0, 9, (), np.uint8)]),
        }
    ),
    spaces.Dict(side_channel=spaces.Discrete(2), other=spaces.Discrete(3)),
]
# Gymnasium holds these in shared memory; a segment does not, so they go as messages.
OTHER_SPACES = [
    spaces.Text(6),
    spaces.Dict(said=spaces.Text(4), seen=spaces.Box(0, 1, (2,))),
    spaces.OneOf([spaces.Discrete(3), spaces.Box(0, 1)]),
    spaces.Box(0, 1, (0,)),
]
# Nobody can hold these in memory of a fixed size.
CHANGING_SPACES = [
    spaces.Sequence(spaces.Discrete(4)),
    spaces.Graph(spaces.Box(-1, 1, (2,)), spaces.Discrete(3)),
    spaces.Tuple([spaces.Sequence(spaces.Box(0, 1)), spaces.Discrete(2)]),
]


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("space", FIXED_SPACES + OTHER_SPACES, ids=str)
def test_observations_and_actions_of_every_space_are_the_same(make, kind, space):
    ours, theirs = both(make, kind, [lambda: Sampler(space, space)] * 3, autoreset_mode="SameStep")
    assert ours.reset()[0] in ours.observation_space
    assert_same_run(ours, theirs, num_steps=9, seed=3)


@pytest.mark.parametrize("space", FIXED_SPACES, ids=str)
def test_a_space_of_a_fixed_size_goes_through_the_segment(make, space):
    ours = make("hosted", [lambda: Sampler(space, space)])
    assert ours._segment.observation is not None
    assert ours._segment.action is not None


@pytest.mark.parametrize("space", CHANGING_SPACES, ids=str)
def test_spaces_of_changing_size_go_as_messages_without_shared_memory(make, space):
    ours, theirs = both(
        make,
        "hosted_pickled",
        [lambda: Sampler(space, space)] * 2,
        other="async",
        shared_memory=False,
    )
    assert_same_run(ours, theirs, num_steps=5)


@pytest.mark.parametrize("space", CHANGING_SPACES, ids=str)
def test_spaces_of_changing_size_raise_gymnasiums_error_with_shared_memory(make, space):
    said = []
    for kind in ("async", "hosted"):
        with pytest.raises(TypeError, match="has a dynamic shape") as error:
            make(kind, [lambda: Sampler(space, space)])
        said.append(str(error.value))
    assert said[0] == said[1]


# What is not exactly of the space must reach the env as it is: an env may compute with it.
ODD_ACTIONS = [
    np.linspace(-1, 1, 6).reshape(3, 2),  # float64 for a float32 Box
    np.zeros((3, 2), np.int64),
    np.zeros((3, 2), np.float32)[:, ::-1],
    [np.float32([0.1, 0.2])] * 3,
    [[0.5, 0.25]] * 3,
    np.zeros((3, 5), np.float32),  # a wrong shape is the env's business
    [0, 1, 2],
    np.full((3, 2), np.nan, np.float32),
    np.full((3, 2), 99, np.float32),
]


@pytest.mark.parametrize("actions", ODD_ACTIONS, ids=lambda a: f"{type(a).__name__} {np.shape(a)}")
def test_an_env_is_given_the_action_that_gymnasium_gives_it(make, actions):
    ours, theirs = both(make, "hosted", [Listener] * 3, other="async")
    for envs in (ours, theirs):
        envs.reset()
    assert_same(ours.step(actions)[4], theirs.step(actions)[4])


@pytest.mark.parametrize("actions", [[0, 1, 2], np.array([0, 1, 2], np.int8), (2, 2, 2)], ids=str)
def test_whole_numbers_of_another_dtype_are_the_same_choice(make, actions):
    envs = make("hosted", [Counter] * 3)
    envs.reset()
    assert envs.step(actions)[1].tolist() == list(actions)


def test_an_env_may_keep_the_action_that_it_was_given(make):
    envs = make("hosted", [Listener] * 2)
    envs.reset()
    envs.step(np.float32([[1, 2], [3, 4]]))
    for _ in range(8):
        envs.reset()
        envs.step(np.zeros((2, 2), np.float32))
        if _ == 0:
            envs.set_attr("first", envs.get_attr("kept"))
    assert [kept.tolist() for kept in envs.get_attr("kept")] == [[0, 0], [0, 0]]
    assert all(kept.base is None for kept in envs.get_attr("kept"))


@pytest.mark.parametrize("given", [{}, {"seed": 5}, {"options": {"x": [1, {}]}}, {"options": {}}])
@pytest.mark.parametrize("kind", OURS)
def test_a_reset_is_given_the_same_seed_and_options(make, kind, given):
    ours, theirs = both(make, kind, [Listener] * 2)
    assert_same(ours.reset(**given), theirs.reset(**given))


def test_an_autoreset_is_given_neither_seed_nor_options(make):
    class Once(Listener):
        def step(self, action):
            return (*super().step(action)[:2], True, False, {})

    for mode in ("NextStep", "SameStep"):
        envs = make("hosted", [Once], autoreset_mode=mode)
        envs.reset(seed=1, options={"a": 1})
        infos = [envs.step(np.zeros((1, 2), np.float32))[4] for _ in range(2)]
        assert infos[1]["given"].tolist() == ["{}"]


@pytest.mark.parametrize("kind", OURS)
def test_actions_of_the_wrong_number_are_value_errors(make, kind):
    envs = make(kind, [registered("CartPole-v1")] * 4)
    envs.reset(seed=0)
    actions = np.zeros(4, np.int64)
    for wrong in (actions[:3], np.zeros(5, np.int64), [], [0, 1]):
        with pytest.raises(ValueError, match=f"{len(wrong)} actions, expected 4"):
            envs.step(wrong)
    with pytest.raises(TypeError):
        envs.step(1)
    assert envs.step(actions)[1].tolist() == [1.0] * 4


@pytest.mark.parametrize("kind", OURS)
def test_seeds_reach_the_envs(make, kind):
    envs = make(kind, [registered("CartPole-v1")] * 3)
    envs.reset(seed=42)
    assert envs.np_random_seed == (42, 43, 44)
    envs.reset(seed=None)
    assert envs.np_random_seed == (42, 43, 44)
    envs.reset(seed=[7, None, 9])
    assert envs.np_random_seed == (7, 43, 9)
    envs.reset(seed=np.int64(3))
    assert envs.np_random_seed == (3, 4, 5)
    envs.reset(seed=2**70)
    assert envs.np_random_seed == (2**70, 2**70 + 1, 2**70 + 2)
    expected = [np.random.default_rng(2**70 + i) for i in range(3)]
    assert all(
        type(generator) is np.random.Generator
        and generator.bit_generator.seed_seq.entropy == wanted.bit_generator.seed_seq.entropy
        for generator, wanted in zip(envs.np_random, expected, strict=True)
    )


def test_the_same_seed_repeats_a_run_and_another_one_does_not(make):
    envs = make("hosted", [registered("CartPole-v1")] * 3)
    first, again, other = (envs.reset(seed=seed)[0] for seed in (1, 1, 50))
    assert (first == again).all()
    assert not (first == other).any(axis=1).all()
    assert len({row.tobytes() for row in first}) == 3


@pytest.mark.parametrize("seed", [[1, 2], [1, 2, 3, 4], ()])
def test_seeds_of_the_wrong_number_raise_gymnasiums_error(make, seed):
    ours, theirs = both(make, "hosted", [Counter] * 3)
    said = []
    for envs in (ours, theirs):
        with pytest.raises(ValueError, match="the length must match num_envs=3") as error:
            envs.reset(seed=seed)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_a_seed_that_the_env_refuses_raises_the_envs_error(make):
    envs = make("hosted", [registered("CartPole-v1")] * 2)
    with logged() as said, pytest.raises(gym.error.Error, match="Seed must be greater"):
        envs.reset(seed=-5)
    assert "error from env 0" in said[0]
    assert envs.reset(seed=5)[0].shape == (2, 4)
