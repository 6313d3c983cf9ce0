"""One simulation, several learners: each has some of the groups in a segment of its own."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.bundled import UERL_SIM, MakeEnv, describe
from support.several import (
    GROUPS,
    WAIT_S,
    WORDS,
    Shared,
    learner,
    part,
    rest,
    same,
    side_by_side,
    start,
)
from support.team_learner import actions, flat
from uerl_shm import LayoutMismatch, VecEnv
from uerl_shm import segment as segments

MUCH_FOOD = {"options": {"parameters": {"num_food": 100}}}  # so that each step has a reward


def test_two_learner_processes_see_what_one_learner_of_all_groups_sees(
    tmp_path: Path, make_env: MakeEnv, simulators: list[subprocess.Popen[bytes]]
) -> None:
    spec, steps = describe(tmp_path, WORDS), 70
    names = {team: segments.new_name() for team in GROUPS}
    simulators += [start(WORDS, names.values(), lane) for lane in range(2)]
    processes = []
    with ExitStack() as stack:
        for team in GROUPS:
            one = learner(tmp_path, spec, names[team], team, 6, steps)
            processes.append(stack.enter_context(one))
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
    env = make_env(WORDS, 6, envs_per_simulator=3, copy=True)
    zeros = {team: np.zeros(24) for team in GROUPS}
    observation, info = env.reset(seed=11)
    batches = [(observation, zeros, zeros, zeros, info)]
    for red, blue, _ in zip(actions("red", 24), actions("blue", 24), range(steps), strict=False):
        batches.append(env.step({"red": red, "blue": blue}))
    for team in GROUPS:
        found = np.load(tmp_path / f"{team}.npz")
        expected = [flat(*(part_of[team] for part_of in batch)) for batch in batches]
        assert {"/reward", "/truncated", "/info/food", "/info/mask"} <= set(found)
        assert found["/truncated"].any(1).sum() == 2 and found["/terminated"].any()
        for path in found:
            assert found[path].tobytes() == np.stack([b[path] for b in expected]).tobytes(), path


def test_an_episode_that_ends_for_one_team_ends_for_both(tmp_path: Path, make_env: MakeEnv) -> None:
    words = "gather --agents 1"  # who rests, starves
    env = make_env(words, 1)
    with Shared(tmp_path, words) as shared:
        env.reset(seed=4)
        shared.reset(red={"seed": 4}, blue={"seed": 4})
        for _ in range(110):
            expected = env.step({team: np.zeros((1, 3), np.float32) for team in GROUPS})
            batch = shared.step()
            ended = [bool(batch[team].terminated[0]) for team in GROUPS]
            if any(ended):
                break
        assert sorted(ended) == [False, True]
        assert [bool(batch[team].truncated[0]) for team in GROUPS] == [not end for end in ended]
        assert same({team: batch[team].observation for team in GROUPS}, expected[0])

        observation, _ = env.reset(options={"reset_mask": np.ones(1, bool)})
        batch = shared.step()
        for team in GROUPS:
            assert same(batch[team].observation, observation[team])
            assert not batch[team].reward.any()
            assert not (batch[team].terminated | batch[team].truncated).any()


def test_a_reset_of_one_learner_cuts_off_the_others_whose_reset_then_joins(
    tmp_path: Path, make_env: MakeEnv
) -> None:
    env = make_env("gather", 2, envs_per_simulator=2, parameters={"num_food": 100})
    with Shared(tmp_path, "gather", num_worlds=2) as shared:
        shared.reset(red={"seed": 1, **MUCH_FOOD}, blue={"seed": 1})
        before = shared.step()["blue"].observation
        shared.env["blue"].send(np.ones((4, 3), np.float32))
        seen, _ = shared.env["red"].reset(seed=7)
        blue = shared.env["blue"].recv()
        assert same(blue.observation, before)
        assert blue.truncated.all() and not blue.terminated.any() and not blue.reward.any()
        observation, _ = env.reset(seed=7)
        assert same(seen, observation["red"])

        ones = np.ones((4, 3), np.float32)
        batch = shared.step(red=ones, blue=ones)  # blue's reset: its actions are not used
        observation, reward, *_ = env.step({"red": ones, "blue": np.zeros((4, 3), np.float32)})
        assert same({team: batch[team].observation for team in GROUPS}, observation)
        assert (batch["red"].reward == reward["red"]).all()
        assert reward["blue"].any() and not batch["blue"].reward.any()
        assert not batch["blue"].truncated.any()

        batch = shared.step(red=ones, blue=-ones)  # together again
        expected = env.step({"red": ones, "blue": -ones})
        assert same({team: batch[team].observation for team in GROUPS}, expected[0])
        assert same({team: batch[team].reward for team in GROUPS}, expected[1])


def test_the_first_learners_seed_counts_and_a_reset_with_a_seed_never_joins(
    tmp_path: Path, make_env: MakeEnv
) -> None:
    env = make_env("gather", 1)
    with Shared(tmp_path, "gather") as shared:
        seen = shared.reset(red={"seed": 5}, blue={"seed": 6})
        assert same(seen, env.reset(seed=5)[0])
        seen = shared.reset(blue={"seed": 6})
        assert same(seen, env.reset(seed=6)[0])

        shared.env["blue"].send(rest(shared.env["blue"]))
        shared.env["red"].reset(seed=7)
        shared.env["blue"].recv()  # cut off
        shared.env["red"].send(rest(shared.env["red"]))
        seen, _ = shared.env["blue"].reset(seed=8)
        assert same(seen, env.reset(seed=8)[0]["blue"])
        assert shared.env["red"].recv().truncated.all()


def test_the_parameters_of_the_learner_that_has_them_go_for_resets_of_the_others(
    tmp_path: Path, make_env: MakeEnv
) -> None:
    env = make_env("gather", 1, parameters={"num_food": 30})
    with Shared(tmp_path, "gather") as shared:
        seen = shared.reset(red={"seed": 5, "options": {"parameters": {"num_food": 30}}})
        assert same(seen, env.reset(seed=5)[0])
        shared.env["red"].send(rest(shared.env["red"]))
        seen, _ = shared.env["blue"].reset(seed=6)
        shared.env["red"].recv()
        assert same(seen, env.reset(seed=6)[0]["blue"])


def test_a_world_that_one_learner_leaves_out_stands_still(tmp_path: Path) -> None:
    with Shared(tmp_path, "gather", num_worlds=2) as shared:
        shared.reset(red={"seed": 1, **MUCH_FOOD}, blue={"seed": 1})
        before = shared.step()
        assert before["blue"].reward.all()
        shared.env["blue"].send(np.ones((4, 3), np.float32))
        first = np.repeat([True, False], 2)
        seen, _ = shared.env["red"].reset(seed=9, options={"reset_mask": first})
        blue = shared.env["blue"].recv()
        assert (blue.truncated == first).all() and not blue.reward.any()
        assert same(blue.observation, before["blue"].observation)
        inventory = before["red"].observation["inventory"]
        assert (seen["inventory"][2:] == inventory[2:]).all()
        assert (seen["inventory"][:2, 2] == 1.0).all()  # the time that is left
        after = shared.step()["red"].observation["inventory"]
        assert (after[:, 2] < seen["inventory"][:, 2]).all()  # both go on


def test_a_learner_that_left_a_world_out_is_told_later_that_it_was_reset(tmp_path: Path) -> None:
    with Shared(tmp_path, "gather", num_worlds=2) as shared:
        shared.reset(red={"seed": 1}, blue={"seed": 1})
        first = np.repeat([True, False], 2)
        resets = {
            "red": lambda: shared.env["red"].reset(options={"reset_mask": first}),
            "blue": lambda: shared.env["blue"].reset(seed=2),
        }
        side_by_side(resets)
        batch = shared.step()
        assert (batch["red"].truncated == ~first).all() and not batch["blue"].truncated.any()
        batch = shared.step()
        assert not (batch["red"].truncated | batch["blue"].truncated).any()
        assert (batch["red"].reward[2:] == 0).all()


REFUSED = {
    "a group is missing": (
        [["red"], []],
        "group blue of scene gather is in no learner's spec, expected in one: add it to one of "
        "them",
    ),
    "a group is there twice": (
        [["red"], ["red", "blue"]],
        "group red of scene gather is in the specs of segments NAME and NAME, expected in one: "
        "leave it out of one of them",
    ),
    "a parameter is there twice": (
        [["red", "num_food"], ["blue", "num_food"]],
        "parameter num_food of scene gather is in the specs of segments NAME and NAME, expected "
        "in one: leave it out of one of them",
    ),
    "a learner has no group of the scene": (
        [["red", "blue"], ["green"]],
        "segment NAME has no group of scene gather, expected one at least: give the learner a "
        "part of this simulator's spec (uerl-shm describe)",
    ),
    "the learners have different numbers of envs": (
        [["red"], ["blue", 2]],
        "segment NAME has 2 envs in each lane, expected 1 as in segment NAME: give all learners "
        "the same envs_per_simulator",
    ),
    "a learner is in another autoreset mode": (
        [["red"], ["blue", "SameStep"]],
        "segment NAME has another autoreset mode, expected NextStep: several learners of one "
        "simulator all begin an episode with the step after its end",
    ),
}


def learner_of(spec: dict[str, Any], words: list[Any], name: str) -> VecEnv:
    """A learner whose spec and options differ by what `words` say."""
    part_of = part(spec, *map(str, words), parameters="num_food" in words)
    if not part_of["groups"]:  # not of this scene
        part_of["groups"] = [{**spec["groups"][0], "name": "green"}]
    worlds = 2 if 2 in words else 1
    return VecEnv(
        num_envs=worlds * (2 if len(part_of["groups"]) == 1 else 1), spec=part_of, name=name,
        envs_per_simulator=worlds, startup_timeout_s=WAIT_S,
        autoreset_mode="SameStep" if "SameStep" in words else "NextStep")  # fmt: skip


@pytest.mark.parametrize("how", REFUSED)
def test_every_learner_is_refused_with_the_same_line_if(how: str, tmp_path: Path) -> None:
    of_learners, expected = REFUSED[how]
    spec, names = describe(tmp_path, "gather"), [segments.new_name() for _ in of_learners]
    process = subprocess.Popen(
        [UERL_SIM, "gather", "--name", ",".join(names)], stderr=subprocess.PIPE, text=True
    )

    def told(words: list[Any], name: str) -> str:
        with pytest.raises(LayoutMismatch) as refusal:
            learner_of(spec, words, name)
        return str(refusal.value)

    try:
        texts = side_by_side(
            {
                name: lambda words=words, name=name: told(words, name)
                for words, name in zip(of_learners, names, strict=True)
            }
        )
        line = process.communicate(timeout=WAIT_S)[1]
        assert process.returncode == 1
    finally:
        process.kill()
        process.communicate()
    for text in [*texts.values(), line]:
        for name in names:
            text = text.replace(name, "NAME")
        assert expected in text


def test_a_lane_that_one_segment_does_not_have_is_said_in_one_line(tmp_path: Path) -> None:
    with Shared(tmp_path, "gather") as shared:
        names = [shared.names["red"], shared.names["blue"]]
        words = [UERL_SIM, "gather", "--lane", "7", "--name", ",".join(names)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S)
        assert done.returncode == 1
        assert done.stderr == (
            f"uerl-sim: lane is 7, segment {names[0]} has lanes 0 to 0: set UERL_SHM_LANE to one "
            "of them\n"
        )


@pytest.mark.parametrize("names", ["a,a", "a,", ",a"])
def test_names_that_are_empty_or_twice_there_are_refused(names: str) -> None:
    done = subprocess.run(
        [UERL_SIM, "gather", "--name", names], capture_output=True, text=True, timeout=WAIT_S
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"uerl-sim: segment names are '{names}', expected different ones between commas: "
        "write for example a,b\n"
    )
