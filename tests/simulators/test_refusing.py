"""Learners whose spec is not the simulator's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.bundled import MakeEnv, describe
from uerl_shm import LayoutMismatch


def other_agents(spec: dict[str, Any]) -> str:
    spec["groups"][0]["agents"] = 3
    return "group red has 3 agents in the learner's spec, scene gather has 2"


def no_mask(spec: dict[str, Any]) -> str:
    spec["groups"][1]["mask"] = False
    return "group blue has no mask in the learner's spec"


def other_name(spec: dict[str, Any]) -> str:
    spec["groups"][1]["name"] = "green"
    return "group blue of scene gather is not in the learner's spec"


def unknown_array(spec: dict[str, Any]) -> str:
    spec["groups"][0]["info"]["speed"] = {"shape": [], "dtype": "float32"}
    return "array info/speed of group red is in the learner's spec, scene gather has no such array"


def unknown_parameter(spec: dict[str, Any]) -> str:
    spec["parameters"]["gravity"] = 9.81
    return "array parameter/gravity of group red is in the learner's spec"


def missing_observation(spec: dict[str, Any]) -> str:
    del spec["groups"][0]["observation"]["inventory"]
    return "array observation/inventory of group red is not in the learner's spec"


def other_dtype(spec: dict[str, Any]) -> str:
    spec["groups"][0]["observation"]["rays"] = {"shape": [12, 4], "dtype": "float64"}
    return "observation/rays"


@pytest.mark.parametrize(
    "change",
    [
        other_agents,
        no_mask,
        other_name,
        unknown_array,
        unknown_parameter,
        missing_observation,
        other_dtype,
    ],
)
def test_a_learner_with_another_spec_is_refused_and_both_sides_are_named(
    make_env: MakeEnv, tmp_path: Path, change: Callable[[dict[str, Any]], str]
) -> None:
    spec = describe(tmp_path, "gather")
    text = change(spec)
    with pytest.raises(LayoutMismatch) as refusal:
        make_env("gather", num_envs=1, spec=spec)
    assert text in str(refusal.value)


def test_info_that_the_learner_does_not_want_is_left_out(make_env: MakeEnv, tmp_path: Path) -> None:
    spec = describe(tmp_path, "gather")
    for group in spec["groups"]:
        del group["info"]["tags"]
    env = make_env("gather", num_envs=2, spec=spec, autoreset_mode="SameStep")
    env.reset(seed=1)
    actions = {name: np.zeros((4, 3), np.float32) for name in ("red", "blue")}
    for _ in range(120):
        info = env.step(actions)[4]
    assert "food" in info["red"] and "tags" not in info["red"]
