"""The worlds of the bundled simulators behind a learner."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest

from support.bundled import MODES, MakeEnv, random_actions

RIGHT = 2


def same(one: Any, other: Any) -> bool:
    """Whether two arrays, or two dicts of arrays, are equal."""
    if isinstance(one, dict):
        return all(same(one[key], other[key]) for key in one)
    return np.array_equal(one, other)


@pytest.mark.parametrize("mode", MODES)
def test_basic_returns_0_93_by_moving_right_in_every_mode(make_env: MakeEnv, mode: str) -> None:
    env = make_env("basic", autoreset_mode=mode)
    env.reset()
    total = np.zeros(4)
    for _ in range(7):
        observation, reward, terminated, truncated, info = env.step(np.full(4, RIGHT))
        total += reward
    assert total == pytest.approx(0.93, abs=1e-6)
    assert terminated.all() and not truncated.any()
    if mode == "SameStep":
        assert np.stack(list(info["final_obs"])).argmax(1).tolist() == [17] * 4
        assert observation.argmax(1).tolist() == [10] * 4
    else:
        assert observation.argmax(1).tolist() == [17] * 4


@pytest.mark.parametrize("scene", ["tennis", "apples"])
def test_episodes_depend_on_seed_and_actions_not_on_the_lane(make_env: MakeEnv, scene: str) -> None:
    spread = make_env(f"{scene} --episode-steps 20", num_envs=8, autoreset_mode="SameStep")
    worlds = spread.num_worlds
    packed = make_env(
        f"{scene} --episode-steps 20",
        num_envs=8,
        autoreset_mode="SameStep",
        envs_per_simulator=worlds,
    )
    rng = np.random.default_rng(0)
    assert same(spread.reset(seed=3)[0], packed.reset(seed=3)[0])
    for _ in range(90):
        actions = random_actions(spread, rng)
        one, other = spread.step(actions), packed.step(actions)
        assert all(same(a, b) for a, b in zip(one[:4], other[:4], strict=True))


def test_envs_without_a_seed_differ_and_the_run_can_be_repeated(make_env: MakeEnv) -> None:
    one = make_env("tennis", num_envs=8, envs_per_simulator=2)
    other = make_env("tennis", num_envs=8, envs_per_simulator=2)
    first = np.array(one.reset()[0])
    assert len(np.unique(first[::2], axis=0)) == 4
    assert (other.reset()[0] == first).all()


def test_the_two_rows_of_a_tennis_world_have_opposite_rewards(make_env: MakeEnv) -> None:
    env = make_env("tennis", num_envs=8, envs_per_simulator=2)
    assert env.num_worlds == 4
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    rewards = np.array([env.step(random_actions(env, rng))[1] for _ in range(300)])
    assert (rewards[:, 0::2] == -rewards[:, 1::2]).all()
    assert np.abs(rewards).sum() > 10


@pytest.mark.parametrize("mode", MODES)
def test_gather_marks_an_agent_that_died_absent_until_it_spawns(
    make_env: MakeEnv, mode: str
) -> None:
    env = make_env("gather --agents 2", num_envs=1, autoreset_mode=mode)
    env.reset(seed=1, options={"parameters": {"num_food": 0}})
    actions = {name: np.zeros((2, 3), np.float32) for name in ("red", "blue")}
    lives = []  # of red's first agent: d(ied), a(bsent), p(resent)
    for _ in range(120):
        observation, reward, terminated, truncated, info = env.step(actions)
        absent = ~info["red"]["mask"]
        lives.append("d" if terminated["red"][0] else "a" if absent[0] else "p")
        assert not (terminated["red"] | truncated["red"])[absent].any()
        assert (reward["red"][absent] == 0).all()
        assert (observation["red"]["rays"][absent] == 0).all()
    assert re.fullmatch("p{49,101}da{10}p{10,}(da*p*)?", "".join(lives)), lives


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_a_gather_world_ends_when_all_its_agents_have(make_env: MakeEnv, mode: str) -> None:
    env = make_env("gather --episode-steps 30", num_envs=2, autoreset_mode=mode)
    env.reset(seed=1, options={"parameters": {"num_food": 0}})
    actions = {name: np.zeros((4, 3), np.float32) for name in ("red", "blue")}
    ends = []
    for t in range(1, 100):
        truncated = env.step(actions)[3]
        assert (truncated["red"] == truncated["red"][0]).all()
        assert (truncated["blue"] == truncated["red"][0]).all()
        if truncated["red"][0]:
            ends.append(t)
    assert ends == ([30, 60, 90] if mode == "SameStep" else [30, 61, 92])


def test_gather_reads_its_parameter_at_the_reset(make_env: MakeEnv) -> None:
    env = make_env("gather", num_envs=2)
    none = env.reset(seed=1, options={"parameters": {"num_food": 0}})[0]
    assert (none["red"]["rays"][..., 0] == 0).all()
    plenty = env.reset(seed=1, options={"parameters": {"num_food": [0, 100]}})[0]
    assert (plenty["red"]["rays"][:2, :, 0] == 0).all()
    assert (plenty["red"]["rays"][2:, :, 0] > 0).any()


@pytest.mark.parametrize(("option", "factor"), [("--step-us", 2), ("--wait-us", 1)])
def test_a_step_takes_the_time_that_was_asked_for(
    make_env: MakeEnv, option: str, factor: int
) -> None:
    env = make_env(f"basic {option} 20000", num_envs=2, envs_per_simulator=2)
    env.reset()
    start = time.monotonic()
    for _ in range(3):
        env.step(np.zeros(2, np.int64))
    assert time.monotonic() - start >= 3 * factor * 0.020
