"""Infos, merged by gymnasium's rules, whatever they hold."""

from __future__ import annotations

import threading
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pytest

from support.gym_envs import Counter, Reporter
from support.vector_envs import MODES, OURS, assert_same, assert_same_run, logged


def numbers(count: int) -> dict[str, Any]:
    return {"int": count, "float": 0.5 * count, "bool": count > 1, "float32": np.float32(count)}


def arrays(count: int) -> dict[str, Any]:
    return {"vector": np.full(3, count, np.int16), "scalar": np.array(count)}


def nested(count: int) -> dict[str, Any]:
    return {"outer": {"inner": {"count": count}, "text": str(count)}}


def objects(count: int) -> dict[str, Any]:
    return {"text": "x" * count, "list": [count], "none": None, "decimal": Decimal(count)}


def at_times(count: int) -> dict[str, Any]:
    return {"second": count} if count == 2 else {}


def at_resets(count: int) -> dict[str, Any]:
    return {"began": True} if count == 0 else {}


REPORTS = [numbers, arrays, nested, objects, at_times, at_resets]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("report", REPORTS)
def test_infos_are_merged_as_gymnasium_merges_them(make, report, kind, mode):
    env_fns = [partial(Reporter, report, last) for last in (2, 3, 9)]
    ours = make(kind, env_fns, autoreset_mode=mode)
    theirs = make("async", env_fns, autoreset_mode=mode)
    assert_same_run(ours, theirs, num_steps=8)


def test_an_info_that_only_some_envs_have_is_masked(make):
    reports = [lambda n: {}, lambda n: {"x": n}, lambda n: {"x": n} if n > 1 else {}]
    envs = make("hosted", [partial(Reporter, report, 9) for report in reports])
    assert envs.reset()[1]["_x"].tolist() == [False, True, False]
    envs.step(np.zeros((3, 1), np.float32))
    info = envs.step(np.zeros((3, 1), np.float32))[4]
    assert info["x"].tolist() == [0, 2, 2]
    assert info["_x"].tolist() == [False, True, True]


def test_large_infos_arrive_whole_and_in_order(make):
    def report(count):
        return {"data": np.full(300_000, count), "count": count}

    envs = make("hosted", [partial(Reporter, report, 9)] * 3)
    envs.reset()
    for count in range(1, 4):
        info = envs.step(np.zeros((3, 1), np.float32))[4]
        assert info["count"].tolist() == [count] * 3
        assert (info["data"] == count).all()


def test_an_info_that_cannot_be_pickled_raises_and_the_envs_go_on(make):
    def report(count):
        return {"lock": threading.Lock()} if count == 1 else {"count": count}

    envs = make("hosted", [partial(Reporter, report, 9), partial(Reporter, at_times, 9)])
    envs.reset()
    with logged() as said, pytest.raises(TypeError, match="cannot pickle"):
        envs.step(np.zeros((2, 1), np.float32))
    assert "error from env 0" in said[0]
    observation, _, _, _, info = envs.step(np.zeros((2, 1), np.float32))
    assert observation[:, 0].tolist() == [2, 2]
    assert info["count"].tolist() == [2, 0]


def test_a_step_without_info_sends_no_message(make):
    envs = make("hosted", [Counter] * 2)
    envs.reset()
    for _ in range(5):
        envs.step([0, 0])
    assert [channel.num_taken for channel in envs._family.channels] == [1, 1]  # the first greeting


def test_what_an_env_changes_later_does_not_change_an_info(make):
    shared = np.zeros(2)

    def report(count):
        shared[:] = count
        return {"shared": shared}

    envs = make("hosted", [partial(Reporter, report, 9)])
    kept = envs.reset()[1]
    for _ in range(3):
        envs.step(np.zeros((1, 1), np.float32))
    assert_same(kept, {"shared": np.zeros((1, 2)), "_shared": np.array([True])})
