"""Where the batches of HostedVectorEnv live, and for how long they stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from support.gym_envs import Counter, Sampler
from support.vector_envs import OURS

SPACE = spaces.Dict(a=spaces.Box(-1, 1, (3,)), b=spaces.Tuple([spaces.Discrete(7)] * 2))


def leaves(observation):
    return [observation["a"], *observation["b"]]


def inside_segment(envs, array):
    core = envs._segment.core
    address = array.__array_interface__["data"][0]
    return core.address <= address < core.address + core.segment_bytes


def actions(envs):
    return np.zeros((envs.num_envs, 3), np.float32)


@pytest.mark.parametrize("kind", OURS)
def test_copies_are_the_callers_own(make, kind):
    envs = make(kind, [lambda: Sampler(SPACE)] * 2)
    observation, _ = envs.reset(seed=0)
    kept = [leaf.copy() for leaf in leaves(observation)]
    for leaf in leaves(observation):
        assert leaf.flags.owndata
        assert not inside_segment(envs, leaf)
        leaf[0] = 0
    step = envs.step(actions(envs))
    assert all(a is not b for a, b in zip(leaves(step[0]), leaves(observation), strict=True))
    assert (kept[0][1] == observation["a"][1]).all()


def test_views_lie_in_the_segment_and_never_change_while_they_are_held(make):
    envs = make("hosted", [lambda: Sampler(SPACE, last=10**6)] * 3, copy=False)
    observation, _ = envs.reset(seed=0)
    slices = [leaf[1:] for leaf in leaves(observation)]
    before = [piece.copy() for piece in slices]
    for leaf in leaves(observation):
        assert inside_segment(envs, leaf)
    del observation, leaf
    for _ in range(200):
        step = envs.step(actions(envs))
        assert all(inside_segment(envs, leaf) for leaf in leaves(step[0]))
    assert all((a == b).all() for a, b in zip(slices, before, strict=True))
    assert envs.stats()["copied_batches"] == 0


def test_views_may_be_written_to_as_gymnasiums_may(make):
    envs = make("hosted", [Counter] * 2, copy=False)
    observation, _ = envs.reset()
    observation[0] = 5
    assert envs.step([0, 0])[0].tolist() == [1, 1]


def test_rewards_are_float64_and_flags_bool_and_both_are_the_callers_own(make):
    envs = make("hosted", [Counter] * 2, copy=False)
    envs.reset()
    _, rewards, terminated, truncated, _ = envs.step([1, 2])
    envs.step([3, 4])
    assert rewards.tolist() == [1.0, 2.0]
    assert rewards.dtype == np.float64
    assert terminated.dtype == truncated.dtype == np.bool_
    assert not any(inside_segment(envs, array) for array in (rewards, terminated, truncated))


def test_a_view_stays_readable_after_close(make):
    envs = make("hosted", [Counter] * 2, copy=False)
    envs.reset()
    observation = envs.step([1, 2])[0]
    envs.close()
    assert observation.tolist() == [1, 1]


def test_the_segment_has_a_name_that_an_observer_can_read(make):
    from uerl_shm import _core

    envs = make("hosted", [lambda: Sampler(SPACE)] * 2)
    envs.reset()
    observer = _core.Observer(envs.segment_name)
    assert observer.header()["num_lanes"] == 2
    names = {field["name"] for field in observer.fields()}
    assert {"observation/a", "observation/b.0", "observation/b.1", "action/action"} <= names
