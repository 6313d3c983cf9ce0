"""Batches on their way to a GPU: the order of calls, with a GPU that works when it is told to.

tests/gpu has the same with CUDA.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from support import probe_pattern
from support.bundled import random_actions
from support.fake_gpu import FakeGpu, OnGpu
from uerl_shm import SpecError, VecEnv

NUM_ENVS = 4
SHAPE = (84, 84, 3)


@pytest.fixture(autouse=True)
def fake(monkeypatch) -> None:
    monkeypatch.setattr("uerl_shm.torch.Cuda", FakeGpu)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)


@pytest.fixture
def make() -> Iterator[Any]:
    made: list[VecEnv] = []

    def make(**options: Any) -> VecEnv:
        command = "uerl-sim probe --episode-steps 0"
        made.append(VecEnv(command, NUM_ENVS, **{"output": "torch", "slots": 4, **options}))
        return made[-1]

    yield make
    for env in made:
        env.close()


def camera_at(step: int) -> np.ndarray:
    name = "agent/observation/camera"
    return np.stack(
        [probe_pattern.expected(name, env, 0, step, SHAPE, "uint8") for env in range(NUM_ENVS)]
    )


def step_on(env: VecEnv, num_steps: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(num_steps):
        env.step(random_actions(env, rng))


def dropped_copies(env: VecEnv) -> list[tuple[torch.Tensor, int]]:
    """Copy each batch as `obs.to("cuda", non_blocking=True); del obs`, and step on at once."""
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    copies = []
    for step in range(12):
        copies.append((FakeGpu.last.to_device(observation["camera"]), step))
        observation = None
        gc.collect()
        observation, *_ = env.step(random_actions(env, rng))
    return copies


def test_a_batch_that_is_dropped_is_not_overwritten_before_it_was_copied(make):
    env = make(pin_memory=True)
    with pytest.warns(RuntimeWarning, match="no slot is free"):  # never wrong, at worst slower
        copies = dropped_copies(env)
    FakeGpu.last.run()
    for copy, step in copies:
        np.testing.assert_array_equal(copy, camera_at(step))
    step_on(env, 2)
    assert env._core.num_unsettled() <= 1, "memory that was copied is still held"


def test_without_the_event_it_is_overwritten(make):
    env = make(pin_memory=True)
    env._core.set_lease_event(None)
    copies = dropped_copies(env)
    FakeGpu.last.run()
    torn = [step for copy, step in copies if not np.array_equal(copy, camera_at(step))]
    assert torn, "the test above cannot fail"


def test_a_copy_that_is_done_frees_its_slot(make):
    env = make(pin_memory=True)
    observation, _ = env.reset(seed=0)
    for _ in range(50):
        copy = FakeGpu.last.to_device(observation["camera"])
        observation = None
        FakeGpu.last.run()
        observation, *_ = env.step(random_actions(env, np.random.default_rng(0)))
    assert env.stats()["copied_batches"] == 0
    np.testing.assert_array_equal(copy, camera_at(49))


def test_other_streams_are_waited_for_when_they_are_named(make):
    env = make(pin_memory=True)
    gpu = FakeGpu.last
    other = gpu.new_stream()
    env.record_stream(other)
    observation, _ = env.reset(seed=0)
    with gpu.using(other):
        copy = gpu.to_device(observation["camera"])
    del observation
    gpu.streams[0].go_on()  # the caller's stream is done, the other one is not
    with pytest.warns(RuntimeWarning):
        step_on(env, 12)
    gpu.run()
    np.testing.assert_array_equal(copy, camera_at(0))


def test_streams_of_pageable_memory_need_not_be_named(make):
    with pytest.raises(SpecError, match="pin_memory=True"):
        make().record_stream(object())


def test_while_a_graph_is_captured_memory_stays_held(make):
    env = make(pin_memory=True)
    gpu = FakeGpu.last
    observation, _ = env.reset(seed=0)
    gpu.capturing = True
    del observation
    with pytest.warns(RuntimeWarning):
        step_on(env, 6)
    held = env.stats()["held_slots"]
    assert held >= 2
    gpu.capturing = False
    step_on(env, 2)
    assert env.stats()["held_slots"] < held


def test_refused_memory_is_said_and_works(monkeypatch, make):
    class Refusing(FakeGpu):
        def pin(self, address: int, num_bytes: int) -> str | None:
            return "cudaHostRegister: out of memory"

    monkeypatch.setattr("uerl_shm.torch.Cuda", Refusing)
    with pytest.warns(RuntimeWarning, match=r"not page-locked \(cudaHostRegister: out of memory\)"):
        env = make(device="cuda")
    assert not env.pinned
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(observation["camera"], camera_at(0))


def test_a_batch_is_copied_beside_the_callers_work(make):
    env = make(device="cuda")
    gpu = FakeGpu.last
    assert env.pinned
    env.reset(seed=0)
    gpu.run()
    gpu.log.clear()
    env.step(random_actions(env, np.random.default_rng(0)))
    copied = [line for line in gpu.log if line.startswith("copy")]
    assert len(copied) > 1 and set(copied) == {"copy on stream1"}
    waits = gpu.log.index("caller waits for stream1")
    assert gpu.log.index("copy on stream1") < gpu.log.index("record stream1") < waits
    assert "used by caller" in gpu.log[waits:]
    assert "stream1 waits for caller" not in gpu.log, "copies wait for the caller's work"
    assert not any(line.startswith("synchronize") for line in gpu.log), "somebody waits"
    gpu.streams[1].go_on()
    step_on(env, 1)
    assert "record caller" not in gpu.log, "a lease ended on the stream that did not read"


def test_batches_on_the_gpu_have_their_bytes(make):
    env = make(device="cuda")
    observation, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    kept = [observation["camera"]]
    for _ in range(20):
        kept.append(env.step(random_actions(env, rng))[0]["camera"])
        FakeGpu.last.run()
    for step, camera in enumerate(kept):
        np.testing.assert_array_equal(camera, camera_at(step))
    assert env.stats()["copied_batches"] == 0


def test_fixed_tensors_stay_where_they_are(make):
    env = make(device="cuda", fixed_tensors=True)
    gpu = FakeGpu.last
    env.reset(seed=0)
    actions = random_actions(env, np.random.default_rng(0))
    first = env.step(actions)
    gpu.run()
    gpu.log.clear()
    second = env.step(actions)
    assert gpu.log.index("stream1 waits for caller") < gpu.log.index("copy on stream1")
    gpu.run()
    assert first[0]["camera"].data_ptr() == second[0]["camera"].data_ptr()
    assert first[1].data_ptr() == second[1].data_ptr()
    np.testing.assert_array_equal(second[0]["camera"], camera_at(2))


def test_actions_come_back_without_a_wait_for_the_device(make):
    env = make(device="cuda")
    gpu = FakeGpu.last
    env.reset(seed=0)
    gpu.log.clear()
    actions = random_actions(env, np.random.default_rng(0))
    env.step(OnGpu(torch.from_numpy(actions)))
    assert gpu.log[:2] == ["record caller", "synchronize caller"]


def test_a_rollout_goes_in_one_transfer(make):
    env = make(device="cuda", slots=18)
    gpu = FakeGpu.last
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    with env.rollout(8) as rollout:
        for _ in range(8):
            env.step(random_actions(env, rng))
            gpu.run()
        gpu.log.clear()
    assert gpu.log.count("copy on stream1") == 3  # two observations and an action
    gpu.run()
    for step in range(8):
        np.testing.assert_array_equal(rollout.observation["camera"][step], camera_at(step))
    assert rollout.valid.all() and rollout.reward.shape == (8, NUM_ENVS)


@pytest.mark.parametrize("held", [False, True])
def test_close_waits_for_copies_and_undoes_the_page_lock(make, held):
    env = make(pin_memory=True)
    gpu = FakeGpu.last
    observation, info = env.reset(seed=0)
    copy = gpu.to_device(observation["camera"])
    if not held:
        del observation, info
    env.close()
    assert gpu.log[-2:] == ["synchronize caller", "unpin"]
    np.testing.assert_array_equal(copy, camera_at(0))
    assert not gpu.pinned


def test_a_gpu_that_fails_leaves_nothing_behind(make, monkeypatch):
    env = make(pin_memory=True)
    env.reset(seed=0)

    def fail(stream: object) -> None:
        raise RuntimeError("device-side assert")

    monkeypatch.setattr(FakeGpu.last, "record", fail)
    with pytest.raises(RuntimeError, match="device-side assert"):
        env.close()  # tests/conftest.py looks for segments and processes


@pytest.mark.parametrize(
    "options", [{"device": "cuda"}, {"pin_memory": True}, {"fixed_tensors": True}]
)
def test_numpy_has_no_gpu(make, options):
    with pytest.raises(SpecError, match="expected output='torch'"):
        make(output="numpy", **options)


def test_a_device_needs_cuda(monkeypatch, make):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SpecError, match="without CUDA"):
        make(device="cuda")
