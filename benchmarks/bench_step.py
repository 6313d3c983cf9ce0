"""How long is one step of a batch of `probe` simulators, 84x84x3 and 64 floats?

Every transport carries the same simulator; every result is compared with the expected bytes before
it is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peers.websockets_peer import WebsocketBatch

import uerl_shm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

TRANSPORTS = (
    "uerl_shm",
    "websockets_c++_server_websocket-client",
    "websockets_c++_server_websockets_client",
    "websockets_python_server_websocket-client",
)
# A second or so each: how the kernel places the processes changes every few milliseconds.
ROUNDS = {1: 100_000, 4: 50_000, 16: 20_000}
PEER_ROUNDS = {1: 5_000, 4: 2_000, 16: 1_000}


def _shm(num_envs: int) -> Any:
    # The bare simulator: no info arrays that the peers do not send either.
    spec = uerl_shm.EnvSpec.single(
        {
            "camera": uerl_shm.ArraySpec.image(84, 84, 3),
            "state": uerl_shm.ArraySpec.box(-1, 1, (64,), "float32"),
        },
        {"action": uerl_shm.ArraySpec.box(-1, 1, (4,), "float32")},
    )
    command = "uerl-sim probe --episode-steps 0"
    return uerl_shm.VecEnv(command, num_envs=num_envs, spec=spec)


@contextmanager
def stepping(transport: str, num_envs: int, server: list[str]) -> Iterator[Any]:
    """Yield ``step(actions) -> (camera, state)``, checked against the pattern."""
    if transport == "uerl_shm":
        with closing(_shm(num_envs)) as env:
            first, _ = env.reset(seed=0)
            check(first["camera"], first["state"], 0)

            def step(actions: np.ndarray) -> Any:
                observation = env.step(actions)[0]
                return observation["camera"], observation["state"]

            yield step, 1
        return
    if "python_server" in transport:
        server = [sys.executable, str(ROOT / "benchmarks" / "peers" / "websockets_peer.py")]
    client = "websockets" if transport.endswith("websockets_client") else "websocket-client"
    with closing(WebsocketBatch(server, num_envs, client)) as batch:
        yield lambda actions: batch.step(actions)[0], 0


def check(camera: Any, state: Any, step: int) -> None:
    """Compare every byte of a batch with what its simulators must have written at `step`."""
    from probe_pattern import expected  # type: ignore[import-not-found]

    for env in range(len(camera)):
        wanted = expected("agent/observation/camera", env, 0, step, (84, 84, 3), "uint8")
        assert np.array_equal(camera[env], wanted), f"camera of env {env} at step {step}"
        wanted = expected("agent/observation/state", env, 0, step, (64,), "float32")
        assert np.array_equal(state[env], wanted), f"state of env {env} at step {step}"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("num_envs", [1, 4, 16], ids="{}_simulators".format)
def bench_step(benchmark: Any, transport: str, num_envs: int, websocket_server: list[str]) -> None:
    """Time one call that steps every simulator once."""
    benchmark.group = f"one step, {num_envs} simulators, 84x84x3"
    benchmark.extra_info.update(transport=transport, num_envs=num_envs)
    actions = np.linspace(-1, 1, num_envs * 4, dtype=np.float32).reshape(num_envs, 4)
    with stepping(transport, num_envs, websocket_server) as (step, first):
        for number in range(first, first + 30):
            check(*step(actions), number)
        rounds = (ROUNDS if transport == "uerl_shm" else PEER_ROUNDS)[num_envs]
        benchmark.pedantic(step, args=(actions,), rounds=rounds, warmup_rounds=50)
