"""Every way to step `uerl-sim probe` that is compared: ours, and the peers'."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from peers.clients import PEERS
from workload import Step, Workload, check

import uerl_shm

OURS = "uerl_shm"
SLEEPS = "uerl_shm-sleeps_at_once"  # the same, but both sides neither spin nor yield
BEST_WEBSOCKETS = "websockets-served_by_c++-websockets"
PYTHON_WEBSOCKETS = "websockets-served_by_python"


def vec_env(workload: Workload, more: str = "", **options: Any) -> uerl_shm.VecEnv:
    """Return an env of bare probes: no info arrays that the peers do not send either."""
    camera = uerl_shm.ArraySpec.image(*workload.image)
    state = uerl_shm.ArraySpec.box(-1, 1, (64,), "float32")
    action = uerl_shm.ArraySpec.box(-1, 1, (4,), "float32")
    spec = uerl_shm.EnvSpec.single({"camera": camera, "state": state}, {"action": action})
    height, width, channels = workload.image
    command = (
        f"uerl-sim probe --episode-steps 0 --observation camera:uint8:{height}x{width}x{channels} "
        f"--observation state:float32:64 --step-us {workload.step_us} --wait-us {workload.wait_us} "
    )
    return uerl_shm.VecEnv(command + more, workload.num_envs, spec=spec, **options)


@contextmanager
def ours(workload: Workload, more: str = "", **options: Any) -> Iterator[Step]:
    """A `Step` of an env; its bytes have been compared."""
    with closing(vec_env(workload, more, **options)) as env:
        env.reset(seed=0)

        def step(actions: Any) -> Any:
            observation = env.step(actions)[0]
            return observation["camera"], observation["state"]

        check(workload, step, 1)
        yield step


@contextmanager
def stepping(transport: str, workload: Workload) -> Iterator[Step]:
    """A `Step` of any transport; its bytes have been compared.

    Raises:
        Missing: The peer cannot be built or imported here.
    """
    if transport not in (OURS, SLEEPS):
        with closing(PEERS[transport](workload)) as peer:
            check(workload, peer.step, 0)
            yield peer.step
        return
    if transport == SLEEPS:
        os.environ["UERL_SHM_WAIT"] = "sleep"
    try:
        with ours(workload) as step:
            yield step
    finally:
        os.environ.pop("UERL_SHM_WAIT", None)
