"""Env: one world of a simulator as a plain gymnasium.Env."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from uerl_shm.errors import SpecError
from uerl_shm.launcher import Simulator
from uerl_shm.vec_env import VecEnv

__all__ = ["Env"]


class Env(gymnasium.Env[Any, Any]):
    """One simulator with one world and one agent, stepped as any gymnasium.Env.

    For tools that want a single env; for training, `VecEnv` steps many at once. Observations are
    copies, which may be kept.

    Args:
        simulator: As of `VecEnv`.
        render_mode: None or ``"rgb_array"``.
        **options: Further arguments of `VecEnv`, but for ``num_envs``, ``envs_per_simulator``,
            ``autoreset_mode``, ``output``, ``device`` and ``copy``.

    Raises:
        SpecError: The simulator has several agents. Else as `VecEnv`.
    """

    def __init__(
        self, simulator: Simulator | None = None, *, render_mode: str | None = None, **options: Any
    ) -> None:
        self._envs = VecEnv(
            simulator, 1, autoreset_mode="Disabled", copy=True, render_mode=render_mode, **options
        )
        if self._envs.spec.agents > 1:  # one in each of several groups
            names = ", ".join(group.name for group in self._envs.spec.groups)
            self.close()
            raise SpecError(f"simulator has the groups {names}, expected one agent: use VecEnv")
        self.observation_space = self._envs.single_observation_space
        self.action_space = self._envs.single_action_space
        self.render_mode = render_mode
        self.metadata = {
            key: value for key, value in self._envs.metadata.items() if key != "autoreset_mode"
        }

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Of the world's generator; None: go on with it.
            options: ``"parameters"`` and what else the simulator understands.
        """
        super().reset(seed=seed)
        observation, info = self._envs.reset(seed=seed, options=options)
        return _first(observation), _first_info(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Make one step; the action is one of ``action_space``, or an array like it."""
        if isinstance(action, dict):
            batch: Any = {key: np.asarray(value)[None] for key, value in action.items()}
        else:
            batch = np.asarray(action)[None]
        observation, reward, terminated, truncated, info = self._envs.step(batch)
        return (
            _first(observation),
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            _first_info(info),
        )

    def render(self) -> Any:
        """Return the last picture: ``(height, width, 3)``, uint8; None without a render mode."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render() was called without a render mode: give render_mode='rgb_array'"
            )
            return None
        return self._envs.render()[0]

    def close(self) -> None:
        """End the simulator."""
        self._envs.close()


def _first(batch: Any) -> Any:
    if isinstance(batch, dict):
        return {key: _first(value) for key, value in batch.items()}
    return batch[0]


def _first_info(info: dict[str, Any]) -> dict[str, Any]:
    return {key: _first(value) for key, value in info.items() if not key.startswith("_")}
