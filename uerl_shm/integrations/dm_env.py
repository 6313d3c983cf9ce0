"""dm_env: one env as a dm_env.Environment.

The only module that imports dm_env.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dm_env
import gymnasium
import numpy as np
from dm_env import specs
from gymnasium import spaces

from uerl_shm.errors import SpecError

__all__ = ["DmEnv"]


class DmEnv(dm_env.Environment):  # type: ignore[misc]
    """A `dm_env.Environment` over an `Env`.

    An episode that terminates ends with discount 0, one that is truncated with discount 1. So does
    one whose simulator was lost: its last observation is repeated with reward 0; the next episode
    begins when the simulator is back. Such a step has nothing to learn from: `valid` says so.

    Args:
        env: `Env`, or any gymnasium.Env of spaces Box, Discrete, MultiDiscrete, MultiBinary or a
            Dict of them. It is closed with this one.

    Attributes:
        valid: Whether the simulator made the last step.

    Raises:
        SpecError: A space of another kind.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._env = env
        self._observation_spec = _spec_of("observation", env.observation_space)
        self._action_spec = _spec_of("action", env.action_space)
        self._to_env = _shifted(env.action_space, 1)
        self._from_env = _shifted(env.observation_space, -1)
        self._seed: int | None = None
        self._is_over = True
        self.valid = True

    def seed(self, seed: int) -> None:
        """Let the next reset begin the env's random numbers anew."""
        self._seed = seed

    def reset(self) -> dm_env.TimeStep:
        """Begin an episode; return its FIRST step."""
        observation, info = self._env.reset(seed=self._seed)
        self._seed, self._is_over = None, False
        self.valid = bool(info.get("valid", True))
        return dm_env.restart(self._from_env(observation))

    def step(self, action: Any) -> dm_env.TimeStep:
        """Make one step; after a LAST one, or at first, begin an episode instead.

        Args:
            action: As of ``action_spec()``.
        """
        if self._is_over:
            return self.reset()
        observation, reward, terminated, truncated, info = self._env.step(self._to_env(action))
        self.valid = bool(info.get("valid", True))
        self._is_over = terminated or truncated
        observation = self._from_env(observation)
        if terminated:
            return dm_env.termination(float(reward), observation)
        if truncated:
            return dm_env.truncation(float(reward), observation)
        return dm_env.transition(float(reward), observation)

    def observation_spec(self) -> Any:
        """Return a spec, or a dict of specs, with the names of the arrays."""
        return self._observation_spec

    def action_spec(self) -> Any:
        """Return a spec, or a dict of specs; a discrete action counts from 0."""
        return self._action_spec

    def close(self) -> None:
        """Close the env that was given."""
        self._env.close()


def _spec_of(name: str, space: gymnasium.Space[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _spec_of(key, part) for key, part in space.items()}
    if isinstance(space, spaces.Discrete):
        return specs.DiscreteArray(int(space.n), dtype=space.dtype, name=name)
    if isinstance(space, spaces.MultiDiscrete):
        low, high = space.start, space.start + space.nvec - 1
        return specs.BoundedArray(space.shape, space.dtype, low, high, name)
    if isinstance(space, spaces.MultiBinary):
        return specs.BoundedArray(space.shape, space.dtype, 0, 1, name)
    if isinstance(space, spaces.Box):
        if not np.isfinite(space.low).any() and not np.isfinite(space.high).any():
            return specs.Array(space.shape, space.dtype, name)
        return specs.BoundedArray(space.shape, space.dtype, space.low, space.high, name)
    raise SpecError(
        f"space {space} has no dm_env spec, expected Box, Discrete, MultiDiscrete, MultiBinary or "
        "a Dict of them"
    )


def _shifted(space: gymnasium.Space[Any], sign: int) -> Callable[[Any], Any]:
    """Return what adds (or takes away) the first choice of discrete spaces: dm_env's begin at 0."""
    if isinstance(space, spaces.Dict):
        parts = {key: _shifted(part, sign) for key, part in space.items()}
        return lambda value: {key: parts[key](entry) for key, entry in value.items()}
    if isinstance(space, spaces.Discrete) and space.start != 0:
        offset = np.asarray(sign * space.start, space.dtype)
        return lambda value: np.asarray(value, space.dtype) + offset
    return lambda value: value
