"""One simulation, several learners: each has some of the groups in a segment of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processes import eventually
from support.bundled import UERL_SIM, MakeEnv, describe
from support.several import GROUPS, WAIT_S, Shared, part, rest, same, side_by_side, start
from support.team_learner import actions, flat
from uerl_shm import LayoutMismatch, SimulatorLost, VecEnv
from uerl_shm import segment as segments

TESTS = Path(__file__).resolve().parents[1]
WORDS = "gather --agents 4 --episode-steps 25"
MUCH_FOOD = {"options": {"parameters": {"num_food": 100}}}  # so that each step has a reward


@contextmanager
def learner(
    tmp_path: Path, spec: dict[str, Any], name: str, team: str, num_worlds: int, steps: int
) -> Iterator[subprocess.Popen[str]]:
    """A learner of one team in a process of its own."""
    path = tmp_path / f"{team}.json"
    path.write_text(json.dumps(part(spec, team, parameters=team == GROUPS[0])))
    words = [name, team, num_worlds * 4, path, steps, tmp_path / f"{team}.npz"]
    process = subprocess.Popen(
        [sys.executable, "-m", "support.team_learner", *map(str, words)],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def simulators() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes to be ended."""
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for process in made:
        process.kill()
        process.wait()


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


@pytest.mark.parametrize("dead", GROUPS)
def test_a_learner_that_is_killed_costs_the_other_its_rows_and_no_time(
    tmp_path: Path, simulators: list[subprocess.Popen[bytes]], dead: str
) -> None:
    (other,) = set(GROUPS) - {dead}
    spec = describe(tmp_path, WORDS)
    names = {team: segments.new_name() for team in GROUPS}
    simulators.append(start(WORDS, names.values()))
    with learner(tmp_path, spec, names[dead], dead, 3, 10_000) as process:
        env = VecEnv(
            num_envs=12, spec=part(spec, other, parameters=other == GROUPS[0]), name=names[other],
            envs_per_simulator=3, timeout_s=WAIT_S, startup_timeout_s=WAIT_S)  # fmt: skip
        try:
            env.reset(seed=0)
            assert env.step(rest(env))[4]["valid"].all()
            process.send_signal(signal.SIGKILL)  # it waits for its next step, or is within it
            with pytest.raises(SimulatorLost):  # at once, or after one step in which it is masked
                for _ in range(5):
                    valid = env.step(rest(env))[4]["valid"].any()
            assert not valid
            assert simulators[0].wait(WAIT_S) == 0
        finally:
            env.close()
            (Path("/dev/shm") / names[dead]).unlink()


def test_the_learner_that_is_left_raises_where_it_was_told_to(tmp_path: Path) -> None:
    with Shared(tmp_path, "gather", on_death="raise") as shared:
        shared.reset()
        shared.env["red"].close()
        with pytest.raises(SimulatorLost):
            for _ in range(3):
                shared.env["blue"].step(rest(shared.env["blue"]))
        assert shared.simulators[0].wait(WAIT_S) == 0


def test_the_next_learner_of_a_team_goes_on_with_the_same_simulator(tmp_path: Path) -> None:
    with Shared(tmp_path, "gather --next-learner-s 20") as shared:
        shared.reset()
        shared.env["red"].close()
        blue = shared.env["blue"]
        assert eventually(lambda: not blue.step(rest(blue))[4]["valid"].any())
        shared.make("red")

        def both() -> bool:
            batch = shared.step()
            return bool(batch["blue"].info["valid"].all() and batch["red"].info["valid"].all())

        side_by_side({"red": lambda: shared.env["red"].reset(), "blue": blue.reset})
        assert eventually(both)
        assert shared.simulators[0].poll() is None


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


def test_a_simulator_that_waits_for_its_learners_leaves_at_a_signal() -> None:
    process = start("gather", [segments.new_name(), segments.new_name()])
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.terminate()
    assert process.wait(10) == 0


def test_the_launcher_of_one_learner_starts_simulators_of_both(
    tmp_path: Path, make_env: MakeEnv
) -> None:
    spec, other = describe(tmp_path, "gather"), segments.new_name()
    command, rest_of = "gather --name {name}," + other, {"name": other, "startup_timeout_s": WAIT_S}
    envs = side_by_side(
        {
            "red": lambda: make_env(command, 4, spec=part(spec, "red")),
            "blue": lambda: VecEnv(num_envs=4, spec=part(spec, "blue"), **rest_of),
        }
    )
    try:
        side_by_side({team: env.reset for team, env in envs.items()})
        for env in envs.values():
            env.send(rest(env))
        assert all(env.recv().info["valid"].all() for env in envs.values())
    finally:
        envs["blue"].close()
