"""Which observation spaces may stand beside each other; texts and results are gymnasium's."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_differing_spaces

from support.gym_envs import Counter, Sampler
from support.vector_envs import OURS

BOXES = [spaces.Box(0, high, (5,)) for high in (1, 2, 3)]
BATCHED = spaces.Box(0, np.repeat(np.arange(1, 4), 5).reshape(3, 5), (3, 5))
MIXED = [spaces.Box(0, 1, (3,)), spaces.Discrete(5), spaces.Dict(a=spaces.Discrete(2))]
LARGE = (spaces.Box(0, 4, (3, 5)), spaces.Box(0, 4, (5,)))


def envs_of(observation_spaces):
    return [partial(Sampler, space) for space in observation_spaces]


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("mode", ["different", (BATCHED, BOXES[0])], ids=["different", "custom"])
def test_spaces_with_other_bounds_may_differ_where_that_is_said(make, kind, mode):
    envs = make(kind, envs_of(BOXES), observation_mode=mode)
    assert envs.observation_space == batch_differing_spaces(BOXES)
    assert envs.single_observation_space == BOXES[0]
    assert envs.reset(seed=0)[0] in envs.observation_space
    assert envs.step(np.zeros((3, 3), np.float32))[0].max() > 1.0


@pytest.mark.parametrize("kind", OURS)
def test_spaces_with_other_bounds_are_refused_by_default(make, kind):
    expected = "not equivalent. If this is intentional, use `observation_mode='different'` instead."
    with pytest.raises(RuntimeError, match=expected):
        make(kind, envs_of(BOXES))


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("mode", ["same", "different", LARGE], ids=["same", "different", "custom"])
@pytest.mark.parametrize(
    "observation_spaces",
    [MIXED, [spaces.Box(0, 1, (n,)) for n in (1, 2, 3)]],
    ids=["mixed", "sizes"],
)
def test_spaces_of_other_shapes_are_refused_in_every_mode(make, kind, mode, observation_spaces):
    errors = []
    for each in (kind, "sync"):
        with pytest.raises((RuntimeError, TypeError, ValueError)) as error:
            make(each, envs_of(observation_spaces), observation_mode=mode)
        errors.append(error.type)
    assert errors[0] is errors[1]


def test_an_unknown_mode_raises_gymnasiums_error(make):
    said = []
    for kind in ("sync", "hosted"):
        with pytest.raises(ValueError, match="Invalid `observation_mode`") as error:
            make(kind, [Counter], observation_mode="invalid")
        said.append(str(error.value))
    assert said[0] == said[1]


def test_a_tuple_of_what_are_no_spaces_is_a_type_error(make):
    with pytest.raises(TypeError, match="Expected both elements of observation_mode to be Spaces"):
        make("hosted", [Counter], observation_mode=(1, 2))


def test_other_action_spaces_are_refused(make):
    env_fns = [partial(Sampler, action_space=spaces.Discrete(n)) for n in (2, 3)]
    with pytest.raises(RuntimeError, match="Some environments have an action space different from"):
        make("hosted", env_fns)
