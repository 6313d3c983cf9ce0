"""The same Python envs behind every vectoriser, one process each.

EnvPool is another class: its envs are C++ in threads of this process, so that its row says what a
step costs without any process; its envs are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import pytest
from dummy_env import FRAME, DummyEnv
from peers.clients import imported
from peers.servers import Missing

NUM_ENVS = 16


def hosted(stack: ExitStack, num_envs: int) -> Any:
    """Ours; observations are views, as its peer's are."""
    from uerl_shm import HostedVectorEnv

    env = HostedVectorEnv([DummyEnv] * num_envs, copy=False)
    stack.callback(env.close)
    env.reset(seed=0)
    return lambda actions: env.step(actions)[0]


def gymnasium_async(stack: ExitStack, num_envs: int) -> Any:
    """Gymnasium's, at its fastest."""
    from gymnasium.vector import AsyncVectorEnv

    env = AsyncVectorEnv([DummyEnv] * num_envs, shared_memory=True, copy=False)
    stack.callback(env.close)
    env.reset(seed=0)
    return lambda actions: env.step(actions)[0]


def sb3_subproc(stack: ExitStack, num_envs: int) -> Any:
    """Stable-Baselines3's, with its default start method."""
    vec_env = imported("stable_baselines3.common.vec_env", "stable-baselines3")
    env = vec_env.SubprocVecEnv([DummyEnv] * num_envs)
    stack.callback(env.close)
    env.reset()
    return lambda actions: env.step(actions)[0]


def torchrl_parallel(stack: ExitStack, num_envs: int) -> Any:
    """TorchRL's, with buffers of shared memory and without copies of what goes in and out."""
    envs = imported("torchrl.envs", "torchrl")
    import torch

    torch.set_num_threads(1)
    make = partial(make_torchrl_env, envs.GymWrapper)
    env = envs.ParallelEnv(num_envs, make, mp_start_method="fork")
    stack.callback(env.close)
    data = env.reset()

    def step(actions: np.ndarray) -> Any:
        data["action"] = torch.nn.functional.one_hot(torch.from_numpy(actions), 6)
        return env.step(data)["next", "observation" if "observation" in data.keys() else "pixels"]

    return step


def make_torchrl_env(wrapper: Any) -> Any:
    """Return one env as TorchRL has it."""
    return wrapper(DummyEnv(), device="cpu")


def pufferlib_multiprocessing(stack: ExitStack, num_envs: int) -> Any:
    """PufferLib's, two workers on two cores, each with half of the envs."""
    vector = imported("pufferlib.vector", "pufferlib")
    emulation = imported("pufferlib.emulation", "pufferlib")

    def make(buf: Any = None, seed: int = 0) -> Any:
        return emulation.GymnasiumPufferEnv(env_creator=DummyEnv, buf=buf, seed=seed)

    env = vector.make(make, num_envs=num_envs, num_workers=2, backend=vector.Multiprocessing)
    stack.callback(env.close)
    env.reset()
    return lambda actions: env.step(actions)[0]


VECTORISERS: dict[str, Callable[[ExitStack, int], Any]] = {
    "HostedVectorEnv": hosted,
    "gymnasium-AsyncVectorEnv": gymnasium_async,
    "stable_baselines3-SubprocVecEnv": sb3_subproc,
    "torchrl-ParallelEnv": torchrl_parallel,
    "pufferlib-Multiprocessing": pufferlib_multiprocessing,
}


@pytest.mark.parametrize("vectoriser", VECTORISERS)
@pytest.mark.parametrize(
    "num_envs",
    [NUM_ENVS, *(pytest.param(n, marks=pytest.mark.full) for n in (1, 4))],
    ids="{}_envs".format,
)
def bench_python_envs(measure, vectoriser, num_envs):
    """84x84x3, trivial envs."""
    actions = np.zeros(num_envs, np.int64)
    with ExitStack() as stack:
        try:
            step = VECTORISERS[vectoriser](stack, num_envs)
        except Missing as error:
            pytest.skip(str(error))
        for number in range(1, 31):
            observation = np.asarray(step(actions)).reshape(num_envs, *FRAME)
            assert (observation == number).all(), f"step {number}"
        measure(
            "python_envs", lambda: step(actions),
            transport=vectoriser, num_envs=num_envs, frame=list(FRAME),
        )  # fmt: skip


@pytest.mark.full
def bench_envpool(measure):
    """EnvPool's own Pong, 16 envs in threads: frames of 84x84, four of them stacked."""
    try:
        envpool = imported("envpool", "envpool")
    except Missing as error:
        pytest.skip(str(error))
    env = envpool.make("Pong-v5", env_type="gymnasium", num_envs=NUM_ENVS)
    env.reset()
    actions = np.zeros(NUM_ENVS, np.int32)
    measure(
        "python_envs", lambda: env.step(actions), transport="envpool-threads-Pong",
        num_envs=NUM_ENVS, frame=[84, 84, 4],
    )  # fmt: skip
    env.close()
