"""Batches are the segment's memory, and nothing changes under whoever holds one."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support import probe_pattern
from support.bundled import random_actions
from uerl_shm import VecEnv

NUM_ENVS = 4
SHAPE = (84, 84, 3)
HELD_STEPS = 1000


@pytest.fixture
def make(request) -> Iterator[Any]:
    """A function that makes envs of `probe`; all are closed in the end."""
    made: list[VecEnv] = []

    def make(**options: Any) -> VecEnv:
        command = "uerl-sim probe --episode-steps 0"
        made.append(VecEnv(command, NUM_ENVS, **options))
        return made[-1]

    yield make
    for env in made:
        env.close()


def place(env: VecEnv, name: str) -> tuple[int, int]:
    """Address of a field's first slot, and bytes from one slot to the next."""
    field = next(field for field in env._core.fields() if field["name"] == name)
    return env._core.address + field["offset"], field["slot_stride"]


def camera_at(step: int) -> np.ndarray:
    """The cameras that the probes write at a step."""
    name = "agent/observation/camera"
    return np.stack(
        [probe_pattern.expected(name, env, 0, step, SHAPE, "uint8") for env in range(NUM_ENVS)]
    )


def step_on(env: VecEnv, num_steps: int) -> Any:
    rng = np.random.default_rng(0)
    for _ in range(num_steps):
        result = env.step(random_actions(env, rng))
    return result


@pytest.mark.parametrize("output", ["numpy", "torch"])
def test_rollout_lies_in_the_segment_at_the_addresses_of_its_slots(make, output):
    num_steps = 16
    env = make(slots=2 * num_steps + 2, output=output)
    env.reset(seed=0)
    first_address, slot_bytes = place(env, "observation/camera")
    blocks = set()
    for number in range(5):
        with env.rollout(num_steps) as rollout:
            step_on(env, num_steps)
        camera = rollout.observation["camera"]
        pointer = camera.data_ptr() if output == "torch" else camera.ctypes.data
        block, rest = divmod(pointer - first_address, num_steps * slot_bytes)
        assert (rollout.in_segment, rest) == (True, 0)
        assert 0 <= block <= 1
        blocks.add(block)
        for t in range(num_steps):
            part = camera[t]
            part_pointer = part.data_ptr() if output == "torch" else part.ctypes.data
            assert part_pointer == first_address + (block * num_steps + t) * slot_bytes
            assert np.array_equal(np.asarray(part), camera_at(number * num_steps + t))
        action_address, action_bytes = place(env, "action/action")
        action = rollout.action
        pointer = action.data_ptr() if output == "torch" else action.ctypes.data
        assert pointer == action_address + block * num_steps * action_bytes
        del camera, part, action, rollout
    assert blocks == {0, 1}
    assert (env.stats()["copied_batches"], env.stats()["gathered_rows"]) == (0, 0)


@pytest.mark.parametrize("output", ["numpy", "torch"])
def test_batch_is_a_view_of_one_slot(make, output):
    env = make(output=output)
    camera = env.reset(seed=0)[0]["camera"]
    first_address, slot_bytes = place(env, "observation/camera")
    pointer = camera.data_ptr() if output == "torch" else camera.ctypes.data
    slot, rest = divmod(pointer - first_address, slot_bytes)
    assert (0 <= slot < 4, rest) == (True, 0)


def kept_array(env: VecEnv) -> Any:
    return env.reset(seed=0)[0]["camera"]


def kept_slice(env: VecEnv) -> Any:
    return env.reset(seed=0)[0]["camera"][2, 10:20, ::3, 1]


def kept_tensor_of_a_slice(env: VecEnv) -> Any:
    # Read-only arrays make torch warn, but share their memory all the same.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(env.reset(seed=0)[0]["camera"][1:3])


@pytest.mark.parametrize(
    ("keep", "output"),
    [
        (kept_array, "numpy"),
        (kept_slice, "numpy"),
        (kept_tensor_of_a_slice, "numpy"),
        (kept_slice, "torch"),
    ],
)
def test_what_is_kept_never_changes(make, keep, output):
    env = make(output=output)
    kept = keep(env)
    before = np.asarray(kept).copy()
    for _ in range(HELD_STEPS // 100):
        step_on(env, 100)
        gc.collect()
        assert np.array_equal(np.asarray(kept), before)
    assert env.stats()["copied_batches"] == 0
    assert env.stats()["held_slots"] >= 1


def test_running_out_of_slots_gives_copies_and_one_warning_and_changes_nothing(make):
    env = make(slots=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept = [env.reset(seed=0)[0]["camera"]]
        kept += [step_on(env, 1)[0]["camera"] for _ in range(HELD_STEPS // 10)]
    about_slots = [w for w in caught if issubclass(w.category, RuntimeWarning)]
    assert len(about_slots) == 1
    assert "slots" in str(about_slots[0].message)
    for step, camera in enumerate(kept):
        assert np.array_equal(camera, camera_at(step)), f"batch of step {step}"
    copied = env.stats()["copied_batches"]
    assert copied >= len(kept) - 4
    # Whoever lets go has views again.
    kept.clear()
    del camera
    for _ in range(10):
        step_on(env, 1)
    assert env.stats()["copied_batches"] == copied


def test_views_survive_their_env_and_then_the_memory_goes(make):
    def num_mappings() -> int:
        return Path("/proc/self/maps").read_text().count("/dev/shm/")

    gc.collect()
    before = num_mappings()
    env = make()
    camera = env.reset(seed=0)[0]["camera"]
    env.close()
    assert np.array_equal(camera, camera_at(0))
    assert num_mappings() == before + 1
    del camera
    assert num_mappings() == before


def test_views_are_read_only_and_copies_are_not(make):
    camera = make().reset(seed=0)[0]["camera"]
    with pytest.raises(ValueError, match="read-only"):
        camera[0] = 0
    env = make(copy=True)
    copy = env.reset(seed=0)[0]["camera"]
    copy[0] = 0
    assert env.stats()["held_slots"] == 0
