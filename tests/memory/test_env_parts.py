"""Parts of the rows, stepped in turn, and annotations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from support.bundled import random_actions
from uerl_shm import SpecError, StepTimeout, VecEnv, _core

NUM_ENVS = 6


@pytest.fixture
def make() -> Iterator[Any]:
    made: list[VecEnv] = []

    def make(command: str = "uerl-sim probe", **options: Any) -> VecEnv:
        made.append(VecEnv(command, options.pop("num_envs", NUM_ENVS), **options))
        return made[-1]

    yield make
    for env in made:
        env.close()


def actions_of(env: VecEnv) -> np.ndarray:
    return random_actions(env, np.random.default_rng(0))


@pytest.mark.parametrize("num_parts", [1, 2, 3, 4])
def test_parts_in_turn_bring_what_all_at_once_bring(make, num_parts):
    whole, parted = make(), make()
    whole.reset(seed=7)
    parted.reset(seed=7)
    parts = parted.split(num_parts)
    assert [part.rows.start for part in parts[1:]] == [part.rows.stop for part in parts[:-1]]
    assert parts[-1].rows.stop == NUM_ENVS == sum(part.num_envs for part in parts)
    for _ in range(300):  # some episodes
        actions = actions_of(whole)
        expected = whole.step(actions)
        for part in parts:
            part.send(actions[part.rows])
        for part in reversed(parts):
            batch = part.recv()
            for name, array in expected[0].items():
                np.testing.assert_array_equal(batch[0][name], array[part.rows])
            for index in (1, 2, 3):
                np.testing.assert_array_equal(batch[index], expected[index][part.rows])
    stats = parted.stats()
    assert stats["copied_batches"] == stats["gathered_rows"] == 0


def test_parts_hold_a_batch_each_without_copies(make):
    env = make(slots=4)
    env.reset(seed=0)
    parts, held = env.split(2), [None, None]
    actions = actions_of(env)
    for part in parts:
        part.send(actions[part.rows])
    for _ in range(100):
        for index, part in enumerate(parts):
            held[index] = part.recv()
            part.send(actions[part.rows])
    assert env.stats()["copied_batches"] == 0
    assert all(batch is not None and batch[4]["valid"].all() for batch in held)
    for part in parts:
        part.recv()


def test_a_part_that_is_late_loses_nothing(make):
    env = make("uerl-sim probe --wait-us 200000", num_envs=2)
    env.reset(seed=0)
    first, second = env.split(2)
    first.send(actions_of(env)[first.rows])
    with pytest.raises(StepTimeout):
        first.recv(timeout_s=0.02)
    with pytest.raises(SpecError, match="idle"):
        second.recv()
    assert first.recv()[4]["valid"].all()


def test_parts_are_of_whole_simulators(make):
    env = make(envs_per_simulator=3)
    assert [part.num_envs for part in env.split(2)] == [3, 3]
    for wrong in (0, 3):
        with pytest.raises(SpecError, match=f"{wrong} parts of 2 simulators"):
            env.split(wrong)


def test_no_parts_within_a_rollout(make):
    env = make(slots=18)
    env.reset(seed=0)
    with env.rollout(8), pytest.raises(SpecError, match="within a rollout"):
        env.split(2)[0].send(actions_of(env)[:3])


def annotations_in(env: VecEnv, name: str) -> np.ndarray:
    """What an observer finds beside the last observation."""
    observer = _core.Observer(env.segment_name)
    fields = observer.fields()
    index = next(i for i, field in enumerate(fields) if field["name"] == f"annotation/{name}")
    lanes = [observer.lane(lane)["slot"] for lane in range(observer.header()["num_lanes"])]
    per_lane = fields[index]["num_rows"] // len(lanes)
    rows = [observer.rows(index, slot, i * per_lane, per_lane) for i, slot in enumerate(lanes)]
    return np.concatenate(rows)


def test_annotations_reach_who_watches(make):
    env = make(annotations=["value", "entropy"])
    env.reset(seed=0)
    for step in range(5):
        env.annotate(value=np.arange(NUM_ENVS) + step, entropy=[0.5] * NUM_ENVS)
        np.testing.assert_array_equal(annotations_in(env, "value"), np.arange(NUM_ENVS) + step)
        np.testing.assert_array_equal(annotations_in(env, "entropy"), [0.5] * NUM_ENVS)
        env.step(actions_of(env))


def test_annotations_of_groups_go_by_their_names(make):
    env = make("uerl-sim gather", num_envs=2, annotations=["value"])
    env.reset(seed=0)
    counts = {group.name: 2 * group.agents for group in env._spec.groups}
    assert len(counts) > 1
    env.annotate(value={name: np.full(count, 3.0) for name, count in counts.items()})


def test_wrong_annotations_are_refused(make):
    env = make(annotations=["value"])
    env.reset(seed=0)
    with pytest.raises(SpecError, match=r"'entropy' is unknown, expected one of \['value'\]"):
        env.annotate(entropy=np.zeros(NUM_ENVS))
    with pytest.raises(SpecError, match=f"has 5 values, expected {NUM_ENVS}"):
        env.annotate(value=np.zeros(5))
    for wrong in ("value", ["a/b"], [""], ["value", "value"]):
        with pytest.raises(SpecError):
            make(annotations=wrong)
