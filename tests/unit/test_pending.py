"""Pending rows stay as they are until somebody receives or resets them, whatever else is called."""

from __future__ import annotations

import time
import warnings
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from uerl_shm import SpecError, StepTimeout, VecEnv

COMMAND = "uerl-sim probe --observation camera:uint8:6x6x3 --episode-steps 0"
LANES = 4


def probe(command: str = COMMAND, **arguments: Any) -> Any:
    """A closing VecEnv of four small `probe` simulators."""
    return closing(VecEnv(command, **{"num_envs": LANES, **arguments}))


def actions(num_rows: int = LANES) -> np.ndarray:
    return np.zeros((num_rows, 4), np.float32)


def slow_lane(slow: int, wait_us: int = 100_000) -> Any:
    """Only one lane is slow."""
    return lambda lane: f"{COMMAND} --wait-us {wait_us if lane == slow else 0}"


def test_rendering_leaves_results_to_be_received():
    with probe(render_mode="rgb_array") as env:
        env.reset(seed=0)
        env.send(actions())
        first = env.recv(min_envs=1, max_envs=1)
        time.sleep(0.05)
        env.render()
        rest = env.recv()
        assert sorted([*first.env_ids, *rest.env_ids]) == list(range(LANES))
        assert (rest.info["received"] == 2).all()


def test_rendering_shows_the_last_delivered_rows():
    with probe(render_mode="rgb_array") as env:
        before, _ = env.reset(seed=0)
        env.send(actions())
        env.recv(min_envs=1, max_envs=1)
        time.sleep(0.05)
        pictures = env.render()
        assert sum(np.array_equal(a, b) for a, b in zip(pictures, before, strict=True)) == LANES - 1


def test_partial_reset_that_timed_out_can_be_repeated():
    with probe(slow_lane(1), num_envs=2 * LANES, envs_per_simulator=2, timeout_s=0.02) as env:
        with pytest.raises(StepTimeout):
            env.reset(seed=0)
        env.recv(timeout_s=10)
        mask = np.zeros(2 * LANES, bool)
        mask[2] = True
        with pytest.raises(StepTimeout):
            env.reset(seed=10, options={"reset_mask": mask})
        env._timeout_s = 10
        _, info = env.reset(seed=20, options={"reset_mask": mask})
        assert info["seed"].tolist() == [0, 1, 22, 3, 4, 5, 6, 7]
        assert info["received"].tolist() == [1, 1, 3, 1, 1, 1, 1, 1]
        assert env.stats()["superseded"] == 1


def test_reset_that_timed_out_can_be_received():
    with probe(slow_lane(1), timeout_s=0.02) as env:
        with pytest.raises(StepTimeout):
            env.reset(seed=5)
        batch = env.recv(timeout_s=10)
        assert batch.info["seed"].tolist() == [5, 6, 7, 8]
        assert not batch.reward.any()
        assert env.stats()["superseded"] == 0


def test_reset_of_other_rows_than_those_pending_is_refused():
    with probe(num_envs=2 * LANES, envs_per_simulator=2) as env:
        env.reset(seed=0)
        env.send(actions(2 * LANES))
        mask = np.zeros(2 * LANES, bool)
        mask[2] = True
        with pytest.raises(SpecError, match="pending and not all of it"):
            env.reset(options={"reset_mask": mask})
        assert (env.recv().info["received"] == 2).all()


def test_superseding_reset_leaves_the_pending_command_as_it_was():
    with probe(lambda _: f"{COMMAND} --wait-us 30000", slots=2) as env:
        held = env.reset(seed=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            env.step(actions())
        # No slot is left but the one that holds the last rows: what is sent now works in place.
        env.send(actions())
        _, info = env.reset(seed=10)
        assert info["received"].tolist() == [4] * LANES
        assert info["episode"].tolist() == [1] * LANES
        assert info["seed"].tolist() == [10, 11, 12, 13]
        assert (held[1]["received"] == 1).all()


def test_rollout_goes_on_with_recv_of_all_rows_after_a_timeout():
    with probe(slow_lane(2, 30_000), slots=8, timeout_s=0.005) as env:
        with pytest.raises(StepTimeout):
            env.reset(seed=0)
        env.recv(timeout_s=10)
        with env.rollout(3) as rollout:
            for _ in range(3):
                with pytest.raises(StepTimeout):
                    env.step(actions())
                with pytest.raises(SpecError, match="within a rollout"):
                    env.recv(max_envs=1, timeout_s=10)
                env.recv(timeout_s=10)
        assert rollout.num_steps == 3
        assert len(np.unique(rollout.reward)) == 3 * LANES


def warned_batches(env: VecEnv, call: Any) -> None:
    """Hold batches until a call warns that no slot is free; the warning is an error."""
    held = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="no slot is free"):
            for _ in range(10):
                held.append(call())


def test_step_whose_warning_was_made_an_error_can_be_received():
    with probe(slots=3) as env:
        env.reset(seed=0)
        warned_batches(env, lambda: env.step(actions()))
        batch = env.recv()
        assert batch.env_ids.tolist() == list(range(LANES))
        assert len(set(batch.info["received"])) == 1


def test_partial_reset_whose_warning_was_made_an_error_leaves_other_rows_idle():
    with probe(slots=3) as env:
        env.reset(seed=0)
        mask = np.array([True, False, False, False])
        warned_batches(env, lambda: env.reset(options={"reset_mask": mask}))
        batch = env.recv()
        assert batch.env_ids.tolist() == [0]
        env.step(actions())


def test_rollout_beside_held_batches_never_runs_out_of_slots():
    with probe(slots=6) as env:
        held = [env.reset(seed=0)]
        for _ in range(3):
            held.append(env.step(actions()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for num_steps in (1, 2, 3, 5):
                with env.rollout(num_steps) as rollout:
                    for _ in range(num_steps):
                        env.step(actions())
                held.append(rollout.observation)


@pytest.mark.parametrize("groups", [1, 2])
def test_partial_reset_masks_its_infos(groups: int):
    with probe(f"{COMMAND} --groups {groups} --agents 2", num_envs=LANES * 2) as env:
        worlds = env.num_worlds
        env.reset(seed=0)
        mask = np.zeros(env.num_envs, bool)
        mask[2:4] = True
        _, info = env.reset(options={"reset_mask": mask})
        infos = info.values() if groups > 1 else [info]
        reset = np.repeat(mask if groups > 1 else mask[::2], 2)
        assert len(reset) == worlds * 2
        for own in infos:
            assert np.array_equal(own["_step"], reset)
            assert np.array_equal(own["received"], np.where(reset, 2, 1))
