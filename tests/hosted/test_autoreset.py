"""The three autoreset modes, step by step, beside gymnasium's own vector envs."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from support.gym_envs import Counter
from support.vector_envs import MAKERS, MODES, assert_same

ALL = list(MAKERS)
ACTIONS = [1, 2, 3]


def counters(make, kind, mode):
    envs = make(kind, [Counter] * 3, autoreset_mode=mode)
    envs.set_attr("last", [2, 3, 3])
    return envs


def expect(step, observations, rewards, terminations):
    assert step[0].tolist() == observations
    assert step[1].tolist() == rewards
    assert step[1].dtype == np.float64
    assert step[2].tolist() == terminations
    assert step[3].tolist() == [False] * 3
    assert step[2].dtype == step[3].dtype == np.bool_


@pytest.mark.parametrize("kind", ALL)
def test_next_step_shows_the_last_observation_and_resets_with_the_next_step(make, kind):
    envs = counters(make, kind, AutoresetMode.NEXT_STEP)
    observation, info = envs.reset()
    assert observation.tolist() == [0, 0, 0]
    assert info == {}
    expect(envs.step(ACTIONS), [1, 1, 1], [1, 2, 3], [False, False, False])
    expect(envs.step(ACTIONS), [2, 2, 2], [1, 2, 3], [True, False, False])
    expect(envs.step(ACTIONS), [0, 3, 3], [0, 2, 3], [False, True, True])
    step = envs.step(ACTIONS)
    expect(step, [1, 0, 0], [1, 0, 0], [False, False, False])
    assert step[4] == {}


@pytest.mark.parametrize("kind", ALL)
def test_same_step_resets_at_once_and_keeps_the_last_observation_in_info(make, kind):
    envs = counters(make, kind, "SameStep")
    envs.reset()
    expect(envs.step(ACTIONS), [1, 1, 1], [1, 2, 3], [False, False, False])
    for observations, rewards, terminated, final in (
        ([0, 2, 2], [1, 2, 3], [True, False, False], [2, None, None]),
        ([1, 0, 0], [1, 2, 3], [False, True, True], [None, 3, 3]),
        ([0, 1, 1], [1, 2, 3], [True, False, False], [2, None, None]),
    ):
        step = envs.step(ACTIONS)
        expect(step, observations, rewards, terminated)
        info = step[4]
        assert info["final_obs"].dtype == object
        assert info["final_obs"].tolist() == final
        assert info["_final_obs"].tolist() == terminated
        assert info["_final_info"].tolist() == terminated
        assert info["final_info"] == {}


@pytest.mark.parametrize("kind", ALL)
def test_disabled_leaves_resets_to_the_caller(make, kind):
    envs = counters(make, kind, AutoresetMode.DISABLED)
    envs.reset()
    envs.step(ACTIONS)
    step = envs.step(ACTIONS)
    expect(step, [2, 2, 2], [1, 2, 3], [True, False, False])
    observation, info = envs.reset(options={"reset_mask": step[2]})
    assert observation.tolist() == [0, 2, 2]
    assert info == {}
    step = envs.step(ACTIONS)
    expect(step, [1, 3, 3], [1, 2, 3], [False, True, True])
    observation, _ = envs.reset(options={"reset_mask": step[2], "start": 5})
    assert observation.tolist() == [1, 5, 5]
    expect(envs.step(ACTIONS), [2, 6, 6], [1, 2, 3], [True, True, True])


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_metadata_and_may_be_given_as_text_or_enum(make, mode):
    for given in (mode, AutoresetMode(mode)):
        envs = make("hosted", [Counter], autoreset_mode=given)
        assert envs.metadata["autoreset_mode"] is AutoresetMode(mode)
        assert envs.autoreset_mode is AutoresetMode(mode)
        assert envs.metadata["render_fps"] == 7
    assert "autoreset_mode" not in Counter.metadata


def test_two_envs_have_two_modes(make):
    one = make("hosted", [Counter], autoreset_mode="NextStep")
    two = make("hosted", [Counter], autoreset_mode="SameStep")
    assert one.metadata["autoreset_mode"] is not two.metadata["autoreset_mode"]


@pytest.mark.parametrize("kind", ["hosted", "hosted_pickled"])
@pytest.mark.parametrize("mode", MODES)
def test_a_partial_reset_in_any_mode_is_gymnasiums(make, kind, mode):
    mask = np.array([True, False, True])
    results = []
    for each in (kind, "async"):
        envs = make(each, [lambda: gym.make("CartPole-v1")] * 3, autoreset_mode=mode)
        envs.reset(seed=1)
        before = [envs.step(np.array([0, 1, 0])) for _ in range(4)]
        reset = envs.reset(seed=[8, 9, 10], options={"reset_mask": mask.copy()})
        num_after = 4 if mode == "Disabled" else 30  # a pole that is pushed one way soon falls
        after = [envs.step(np.array([1, 1, 1])) for _ in range(num_after)]
        results.append((before, reset, after))
    assert_same(*results)


BAD_MASKS = [
    ([True, True, False], TypeError),
    (np.array([True]), ValueError),
    (np.array([True, True, False, False]), ValueError),
    (np.array([[True, True, True]]), ValueError),
    (np.array([1, 1, 0]), TypeError),
    (np.array([1.0, 1.0, 0.0]), TypeError),
    (np.array([False, False, False]), ValueError),
]


@pytest.mark.parametrize(("mask", "error"), BAD_MASKS, ids=str)
def test_a_wrong_reset_mask_raises_gymnasiums_error(make, mask, error):
    said = []
    for kind in ("sync", "hosted"):
        envs = make(kind, [Counter] * 3, autoreset_mode="Disabled")
        envs.reset()
        with pytest.raises(error) as raised:
            envs.reset(options={"reset_mask": mask})
        said.append(str(raised.value))
        assert envs.reset()[0].tolist() == [0, 0, 0]
    assert said[0] == said[1]


def test_options_stay_as_they_were_given(make):
    envs = make("hosted", [Counter] * 2, autoreset_mode="Disabled")
    options = {"reset_mask": np.array([True, False]), "start": 3}
    envs.reset(options=options)
    assert list(options) == ["reset_mask", "start"]


def test_a_step_before_the_first_reset_is_the_envs_business(make):
    envs = make("hosted", [Counter] * 2)
    assert envs.step([1, 1])[0].tolist() == [1, 1]


def test_a_step_after_the_end_is_the_envs_business_in_mode_disabled(make):
    ours, theirs = (
        make(kind, [lambda: Counter(1)], autoreset_mode="Disabled") for kind in ("hosted", "async")
    )
    for envs in (ours, theirs):
        envs.reset()
        envs.step([1])
    assert_same(ours.step([1]), theirs.step([1]))
