"""What only a GPU can show. tests/memory/test_transfer.py checks the order of calls without one."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from support import probe_pattern
from support.bundled import random_actions
from uerl_shm import VecEnv

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

NUM_ENVS = 16


@pytest.fixture
def make() -> Iterator[Callable[..., VecEnv]]:
    made: list[VecEnv] = []

    def make(frame: str = "84x84x3", **options: Any) -> VecEnv:
        command = f"uerl-sim probe --episode-steps 0 --observation camera:uint8:{frame}"
        command += " --observation state:float32:64"
        made.append(VecEnv(command, NUM_ENVS, **{"output": "torch", **options}))
        return made[-1]

    yield make
    for env in made:
        env.close()


def camera_at(step: int, shape: tuple[int, ...] = (84, 84, 3)) -> np.ndarray:
    name = "agent/observation/camera"
    return np.stack(
        [probe_pattern.expected(name, env, 0, step, shape, "uint8") for env in range(NUM_ENVS)]
    )


def busy(seconds: float) -> None:
    """Give the current stream work for about so long."""
    torch.cuda._sleep(int(seconds * 1.5e9))


@pytest.mark.parametrize("fixed_tensors", [False, True])
def test_batches_on_the_gpu_have_their_bytes(make, fixed_tensors):
    env = make(device="cuda", fixed_tensors=fixed_tensors)
    assert env.pinned
    observation, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for step in range(50):
        assert observation["camera"].is_cuda
        np.testing.assert_array_equal(observation["camera"].cpu(), camera_at(step))
        actions = torch.from_numpy(random_actions(env, rng)).to("cuda", non_blocking=True)
        observation, *_ = env.step(actions)
    assert env.stats()["copied_batches"] == 0


def dropped_copies(env: VecEnv) -> list[tuple[torch.Tensor, int]]:
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    copies = []
    for step in range(12):
        busy(0.02)  # the copy waits for its turn
        copies.append((observation["camera"].to("cuda", non_blocking=True), step))
        observation = None
        gc.collect()
        observation, *_ = env.step(random_actions(env, rng))
    torch.cuda.synchronize()
    return copies


@pytest.mark.filterwarnings("ignore:no slot is free")  # never wrong, at worst slower
def test_to_and_del_are_safe(make):
    env = make(pin_memory=True)
    for copy, step in dropped_copies(env):
        np.testing.assert_array_equal(copy.cpu(), camera_at(step))


@pytest.mark.filterwarnings("ignore:no slot is free")
def test_to_and_del_are_not_safe_without_the_event(make):
    env = make(pin_memory=True)
    env._core.set_lease_event(None)
    torn = [
        step
        for copy, step in dropped_copies(env)
        if not np.array_equal(copy.cpu(), camera_at(step))
    ]
    assert torn, "the test above cannot fail"


def test_a_rollout_has_its_bytes(make):
    env = make(device="cuda", slots=18)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    with env.rollout(8) as rollout:
        for _ in range(8):
            env.step(random_actions(env, rng))
    for step in range(8):
        np.testing.assert_array_equal(rollout.observation["camera"][step].cpu(), camera_at(step))


def test_a_graph_replays_over_fixed_tensors(make):
    env = make(device="cuda", fixed_tensors=True)
    observation, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        total = observation["camera"].to(torch.float64).sum()
    for step in range(1, 6):
        observation, *_ = env.step(random_actions(env, rng))
        graph.replay()
        assert total.item() == camera_at(step).astype(np.float64).sum()


def seconds_of(env: VecEnv, num_steps: int, work_s: float) -> float:
    actions = random_actions(env, np.random.default_rng(0))
    times = []
    for _ in range(5):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(num_steps):
            busy(work_s)
            env.step(actions)
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / num_steps)
    return float(np.median(times))


def test_copies_are_hidden_behind_the_callers_work(make):
    """The one test that times: overlap is what it is about. Both rates are printed."""
    alone, copying = make("640x480x4"), make("640x480x4", device="cuda")
    for env in (alone, copying):
        env.reset(seed=0)
    work_s = 0.005
    without, with_copy = seconds_of(alone, 50, work_s), seconds_of(copying, 50, work_s)
    print(f"step {without * 1e3:.3f} ms without a copy, {with_copy * 1e3:.3f} ms with one")
    assert with_copy <= 1.1 * without


def test_rates_are_printed(make):
    env = make("640x480x4", pin_memory=True)
    assert env.pinned
    locked = env.reset(seed=0)[0]["camera"]
    assert locked.is_pinned()
    for what, host in (("page-locked", locked), ("pageable", locked.clone())):
        target = torch.empty_like(host, device="cuda")
        times = []
        for _ in range(20):
            torch.cuda.synchronize()
            start = time.perf_counter()
            target.copy_(host, non_blocking=True)
            torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        rate = host.nbytes / np.median(times) / 1e9
        print(f"{what}: {rate:.1f} GB/s to {torch.cuda.get_device_name()}")
        np.testing.assert_array_equal(target.cpu(), host)
