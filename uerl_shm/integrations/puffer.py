"""PufferLib's manner: `recv` returns seven things, `send` answers whoever they came from.

Imports no framework: it has the shape of ``pufferlib.vector``'s classes, not their base.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from uerl_shm.errors import SpecError
from uerl_shm.integrations.rows import Here, check_env, row_of
from uerl_shm.vec_env import VecEnv

__all__ = ["PufferVecEnv"]

Batch = tuple[
    Any,
    NDArray[np.float32],
    NDArray[np.bool_],
    NDArray[np.bool_],
    list[dict[str, Any]],
    NDArray[np.int64],
    NDArray[np.bool_],
]


class PufferVecEnv:
    """A `VecEnv` with the calls of ``pufferlib.vector``.

    ::

        envs.async_reset(seed=0)
        while True:
            obs, rewards, terminals, truncations, infos, env_ids, masks = envs.recv()
            envs.send(policy(obs))

    Observations keep their dtypes and names (PufferLib's emulation would flatten them), and stay
    as they are while they are held. The step after an episode's end only resets its env, as in
    PufferLib; ``masks`` is False there, and wherever else there is nothing to learn.

    Args:
        env: With ``autoreset_mode="NextStep"`` and NumPy arrays, one group of agents. It is closed
            with this one.
        batch_size: Rows that `recv` returns, whoever is ready first; whole simulators, and a
            divisor of ``num_envs``. None: all.

    Attributes:
        env: What was given; ``driver_env`` too.
        num_agents: Rows in all.
        agents_per_batch: Rows of a batch.

    Raises:
        SpecError: Another autoreset mode, output or batch size, or several groups.
    """

    def __init__(self, env: VecEnv, batch_size: int | None = None) -> None:
        check_env(env, AutoresetMode.NEXT_STEP, "numpy", type(self).__name__)
        self.env = self.driver_env = env
        self.num_envs = self.num_agents = env.num_envs
        self.agents_per_batch = self.num_envs if batch_size is None else batch_size
        per_simulator = self.num_envs // env._rows.num_lanes
        if (
            self.agents_per_batch < 1
            or self.num_envs % self.agents_per_batch
            or self.agents_per_batch % per_simulator
        ):
            raise SpecError(
                f"batch_size {batch_size}, expected a divisor of num_envs {self.num_envs} and a "
                f"multiple of {per_simulator}, the rows of one simulator"
            )
        self.single_observation_space = env.single_observation_space
        self.single_action_space = env.single_action_space
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self._here = Here(self.num_envs)
        self._first: list[Batch] = []  # batches of a reset that were not taken yet
        self._asked: NDArray[np.int64] | None = None  # whom the next send answers
        self._ended = np.zeros(self.num_envs, np.bool_)
        self._returns = np.zeros(self.num_envs, np.float64)
        self._lengths = np.zeros(self.num_envs, np.int64)

    def async_reset(self, seed: int | None = None) -> None:
        """Begin an episode in every env; the next calls of `recv` return their observations."""
        observation, info = self.env.reset(seed=seed)
        self._here.reset(info)
        for array in (self._ended, self._returns, self._lengths):
            array[:] = 0
        self._asked, self._first = None, []
        for start in range(0, self.num_envs, self.agents_per_batch):
            ids = np.arange(start, start + self.agents_per_batch)
            rows = slice(start, start + self.agents_per_batch)
            zero, no = np.zeros(len(ids), np.float32), np.zeros(len(ids), np.bool_)
            here = np.asarray(info["valid"] & info.get("mask", True))[rows]
            self._first.append((row_of(observation, rows), zero, no, no.copy(), [], ids, here))

    def recv(self) -> Batch:
        """Return the next batch.

        Returns:
            ``(obs, rewards, terminals, truncations, infos, env_ids, masks)``, rows in the order of
            ``env_ids``. rewards float32, flags and masks bool, shape ``(batch_size,)``. infos has
            one dict for each episode that ended: ``env_id``, ``episode_return``,
            ``episode_length``. masks: whether the row may be learned from.

        Raises:
            SpecError: Neither `async_reset` nor `send` was called before.
            StepTimeout, SimulatorLost: As of `VecEnv.recv`.
        """
        if self._asked is not None:
            raise SpecError("recv() after recv(), expected send() between them: answer the batch")
        batch = self._first.pop(0) if self._first else self._received()
        self._asked = batch[5]
        return batch

    def _received(self) -> Batch:
        size = self.agents_per_batch
        obs, reward, terminated, truncated, info, ids = self.env.recv(size, size)
        masks = self._here.step(info, ids) & ~self._ended[ids]
        done = terminated | truncated
        self._ended[ids] = done
        self._returns[ids] += np.where(masks, reward, 0.0)
        self._lengths[ids] += masks
        infos = []
        for row in ids[done]:
            total, length = float(self._returns[row]), int(self._lengths[row])
            infos.append({"env_id": int(row), "episode_return": total, "episode_length": length})
        self._returns[ids[done]] = 0.0
        self._lengths[ids[done]] = 0
        return obs, reward.astype(np.float32), terminated, truncated, infos, ids, masks

    def send(self, actions: Any) -> None:
        """Answer the batch that `recv` returned last.

        Args:
            actions: Shape ``(batch_size, *action.shape)``, rows as they came.

        Raises:
            SpecError: No batch was received since the last `send`; wrong shape or dtype.
        """
        if self._asked is None:
            raise SpecError("send() without a batch to answer, expected recv() before it")
        self.env.send(actions, self._asked)
        self._asked = None

    def reset(self, seed: int | None = None) -> tuple[Any, list[dict[str, Any]]]:
        """Begin an episode in every env; return the first batch's observations and infos."""
        self.async_reset(seed)
        batch = self.recv()
        return batch[0], batch[4]

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, list[dict[str, Any]]]:
        """Send and receive; return the first five of what `recv` returns."""
        self.send(actions)
        return self.recv()[:5]

    def close(self) -> None:
        """Close the env that was given."""
        self.env.close()
