"""Apples over websockets: as much of `VecEnv` as examples/train_ppo.py uses.

What a framework over websockets has to do by itself stands here: batching, resets, rollouts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from peers.clients import imported
from peers.servers import Servers, program

from uerl_shm import EnvSpec
from uerl_shm.launcher import describe

STEP, RESET = 1, 2


class SceneOverWebsockets:
    """Steps ``num_envs`` worlds of a scene, each in a process of its own behind a websocket.

    Args:
        scene: Of `uerl-sim`; one group, one agent.
        num_envs: Worlds.
    """

    def __init__(self, scene: str, num_envs: int) -> None:
        self.spec: EnvSpec = describe(f"uerl-sim {scene}")
        self.num_envs = num_envs
        group = self.spec.groups[0]
        arrays = [(f"o/{k}", a.dtype, a.shape) for k, a in group.observation.items()]
        self._row = np.dtype([*arrays, ("reward", "f4"), ("terminated", "?"), ("truncated", "?")])
        self._batch = np.zeros(num_envs, self._row)
        self._ended = np.zeros(num_envs, bool)
        self._stack = ExitStack()
        ports = Servers([program("scene")], [[str(env), scene] for env in range(num_envs)])
        self._stack.callback(ports.close, 5.0)
        client = imported("websockets.sync.client", "websockets")
        self._connections = [
            self._stack.enter_context(
                client.connect(
                    f"ws://127.0.0.1:{port}/", compression=None, max_size=None, proxy=None
                )
            )
            for port in ports.said
        ]
        self._idle = b"".join(
            np.zeros(array.shape, array.dtype).tobytes() for array in group.action.values()
        )
        self._recorded: Any = None

    def _exchange(self, requests: list[bytes]) -> None:
        for connection, request in zip(self._connections, requests, strict=True):
            connection.send(request)
        target = memoryview(self._batch.view(np.uint8))
        size = self._row.itemsize
        for row, connection in enumerate(self._connections):
            target[row * size : (row + 1) * size] = connection.recv()

    def _observation(self) -> Any:
        names = [name for name in self._row.names or () if name.startswith("o/")]
        copies = {name[2:]: torch.from_numpy(self._batch[name].copy()) for name in names}
        return copies if len(copies) > 1 else next(iter(copies.values()))

    def reset(self, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every world."""
        seeds = [-1 if seed is None else seed + env for env in range(self.num_envs)]
        self._exchange([struct.pack("<Bq", RESET, number) + self._idle for number in seeds])
        self._ended[:] = False
        self._last = self._observation()
        return self._last, {}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step every world, or reset it where its episode has ended."""
        columns = list(action.values()) if isinstance(action, dict) else [action]
        arrays = [
            np.ascontiguousarray(np.asarray(column), spec.dtype)
            for column, spec in zip(columns, self.spec.groups[0].action.values(), strict=True)
        ]
        was_reset = self._ended.copy()
        self._exchange([
            struct.pack("<Bq", RESET if was_reset[env] else STEP, -1)
            + b"".join(array[env].tobytes() for array in arrays)
            for env in range(self.num_envs)
        ])  # fmt: skip
        names = ("reward", "terminated", "truncated")
        outcome = [torch.from_numpy(self._batch[name].copy()) for name in names]
        self._ended = (self._batch["terminated"] | self._batch["truncated"]).copy()
        if self._recorded is not None:
            self._recorded.append((self._last, *outcome, torch.from_numpy(~was_reset)))
        self._last = self._observation()
        return self._last, *outcome, {}

    @contextmanager
    def rollout(self, num_steps: int) -> Iterator[SimpleNamespace]:
        """Record steps; they are stacked in the end."""
        rollout = SimpleNamespace()
        self._recorded = []
        yield rollout
        observations, *others = zip(*self._recorded, strict=True)
        self._recorded = None
        first = observations[0]
        rollout.observation = (
            {key: torch.stack([o[key] for o in observations]) for key in first}
            if isinstance(first, dict)
            else torch.stack(observations)
        )
        names = ("reward", "terminated", "truncated", "valid")
        for name, values in zip(names, others, strict=True):
            setattr(rollout, name, torch.stack(values))

    def stats(self) -> dict[str, float]:
        """What train_ppo.py logs of the transport."""
        names = ("wait_s", "copied_batches", "gathered_rows", "copied_rows")
        return dict.fromkeys(names, 0.0)

    def close(self) -> None:
        """End the servers."""
        self._stack.close()
