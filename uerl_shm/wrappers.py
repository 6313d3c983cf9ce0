"""Wrappers that work on whole batches: no Python for each env.

Gymnasium's own vector wrappers run, too; those of it that would loop over envs are here, with the
same results: `FrameStack` (its FrameStackObservation), `Grayscale` (GrayscaleObservation), `Resize`
(ResizeObservation). `gymnasium.wrappers.vector.NormalizeObservation` and `NormalizeReward` work on
batches as they are. On a GPU `uerl_shm.torch.normalize`, `grayscale` and `resize` do it there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from uerl_shm.errors import SpecError

__all__ = ["FrameSkip", "FrameStack", "Grayscale", "Resize"]


class _Observed(VectorWrapper):  # type: ignore[misc]
    """Changes one array of the observation."""

    def __init__(self, env: VectorEnv[Any, Any, Any], name: str | None) -> None:
        super().__init__(env)
        space = env.single_observation_space
        self._name = name
        if isinstance(space, gymnasium.spaces.Dict):
            names = list(space.spaces)
            if name not in names:
                raise SpecError(f"observation {name!r} is unknown, expected one of {names}")
        elif name is not None:
            raise SpecError(f"observation {name!r} of an env with only one array, expected None")

    def _set_space(self, change: Callable[[gymnasium.spaces.Box], gymnasium.spaces.Box]) -> None:
        space: Any = self.env.single_observation_space
        box = space if self._name is None else space[self._name]
        if not isinstance(box, gymnasium.spaces.Box):
            raise SpecError(f"observation {self._name!r} is a {box}, expected a Box")
        changed: gymnasium.Space[Any] = change(box)
        if self._name is not None:
            changed = gymnasium.spaces.Dict({**space.spaces, self._name: changed})
        self.single_observation_space = changed
        self.observation_space = batch_space(changed, self.num_envs)

    def _changed(self, observation: Any, change: Callable[[Any], Any]) -> Any:
        if self._name is None:
            return change(observation)
        return {**observation, self._name: change(observation[self._name])}


class _Mapped(_Observed):
    """Changes each batch on its own."""

    _map: Callable[[Any], np.ndarray]  # of the rows of a batch; each wrapper has its own

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, as the env does."""
        observation, info = self.env.reset(**options)
        return self._changed(observation, self._map), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, as the env does."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            info["final_obs"] = self._changed(info["final_obs"], self._map)
        return self._changed(observation, self._map), reward, terminated, truncated, info


class Grayscale(_Mapped):
    """Turns pictures into their luma, byte for byte as Gymnasium's GrayscaleObservation.

    Args:
        env: Whose observation is uint8, ``(height, width, 3)`` a row.
        name: Of the array, where there are several.
        keep_dim: ``(height, width, 1)`` a row; else ``(height, width)``.

    Raises:
        SpecError: The array is no picture of three colours.
    """

    # Products of every byte with its weight, so that sums round as Gymnasium's do.
    _PRODUCTS = np.multiply.outer(np.array([0.2125, 0.7154, 0.0721]), np.arange(256.0))

    def __init__(
        self, env: VectorEnv[Any, Any, Any], name: str | None = None, keep_dim: bool = True
    ) -> None:
        super().__init__(env, name)
        self._keep_dim = keep_dim
        self._set_space(self._gray)

    def _gray(self, box: gymnasium.spaces.Box) -> gymnasium.spaces.Box:
        if box.dtype != np.uint8 or len(box.shape) != 3 or box.shape[2] != 3:
            raise SpecError(
                f"observation is {box.dtype} {box.shape}, expected uint8 (height, width, 3)"
            )
        shape = (*box.shape[:2], 1) if self._keep_dim else box.shape[:2]
        return gymnasium.spaces.Box(0, 255, shape, np.uint8)

    def _map(self, rows: Any) -> np.ndarray:
        rows = np.asarray(rows)
        red, green, blue = self._PRODUCTS
        luma = red[rows[..., 0]]
        luma += green[rows[..., 1]]
        luma += blue[rows[..., 2]]
        gray = luma.astype(np.uint8)
        return np.expand_dims(gray, -1) if self._keep_dim else gray


class Resize(_Mapped):
    """Gives pictures another size; each pixel is the mean of the area that it covers.

    Within one grey level of Gymnasium's ResizeObservation, where that makes pictures smaller.

    Args:
        env: Whose observation is uint8, ``(height, width, channels)`` or ``(height, width)`` a row.
        shape: Height and width, at most those of the pictures.
        name: Of the array, where there are several.

    Raises:
        SpecError: The array is no picture, or ``shape`` is larger.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], shape: tuple[int, int], name: str | None = None
    ) -> None:
        super().__init__(env, name)
        self._shape = shape
        self._set_space(self._resized)

    def _resized(self, box: gymnasium.spaces.Box) -> gymnasium.spaces.Box:
        if box.dtype != np.uint8 or len(box.shape) not in (2, 3):
            raise SpecError(f"observation is {box.dtype} {box.shape}, expected a uint8 picture")
        height, width = box.shape[:2]
        if not (1 <= self._shape[0] <= height and 1 <= self._shape[1] <= width):
            raise SpecError(
                f"shape {self._shape}, expected at most {(height, width)} and at least 1"
            )
        self._rows_by, self._columns_by = (
            _areas(height, self._shape[0]),
            _areas(width, self._shape[1]),
        )
        return gymnasium.spaces.Box(0, 255, (*self._shape, *box.shape[2:]), np.uint8)

    def _map(self, rows: Any) -> np.ndarray:
        rows = np.asarray(rows)
        pictures = rows if rows.ndim == 4 else rows[..., None]
        tall = np.einsum("yh,nhwc->nywc", self._rows_by, pictures, optimize=True)
        small = np.einsum("xw,nywc->nyxc", self._columns_by, tall, optimize=True)
        sized: np.ndarray = np.rint(small).astype(np.uint8)
        return sized if rows.ndim == 4 else sized[..., 0]


def _areas(size: int, sized: int) -> np.ndarray:
    """Return the share of each of ``size`` pixels in each of ``sized``, float32."""
    scale = size / sized
    edges = np.arange(sized + 1) * scale
    low = np.maximum(edges[:-1, None], np.arange(size))
    high = np.minimum(edges[1:, None], np.arange(1, size + 1))
    areas: np.ndarray = (np.maximum(high - low, 0) / scale).astype(np.float32)
    return areas


class FrameStack(_Observed):
    """Stacks the last observations, the oldest first, as Gymnasium's FrameStackObservation.

    At an episode's start all are its first observation. ``info["final_obs"]`` is stacked, too.

    Args:
        env: Whose observation is a Box.
        num_frames: How many.
        name: Of the array, where there are several.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], num_frames: int, name: str | None = None
    ) -> None:
        super().__init__(env, name)
        if num_frames < 1:
            raise SpecError(f"num_frames {num_frames}, expected at least 1")
        self._num_frames = num_frames
        self._set_space(self._stacked)
        self._ended = np.zeros(self.num_envs, np.bool_)

    def _stacked(self, box: gymnasium.spaces.Box) -> gymnasium.spaces.Box:
        low, high = (np.repeat(bound[None], self._num_frames, 0) for bound in (box.low, box.high))
        self._frames = np.zeros((self.num_envs, self._num_frames, *box.shape), box.dtype)
        return gymnasium.spaces.Box(low, high, dtype=box.dtype.type)

    def _own(self, observation: Any) -> np.ndarray:
        rows = observation if self._name is None else observation[self._name]
        return np.asarray(rows)

    def _push(self, rows: np.ndarray, first: np.ndarray) -> None:
        self._frames = np.concatenate([self._frames[:, 1:], rows[:, None]], axis=1)
        if first.any():
            self._frames[first] = rows[first, None]

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, as the env does."""
        mask = (options.get("options") or {}).get("reset_mask")  # Gymnasium's own envs take it out
        observation, info = self.env.reset(**options)
        first = np.ones(self.num_envs, np.bool_) if mask is None else np.asarray(mask)
        kept = self._frames
        self._push(self._own(observation), first)
        self._frames[~first] = kept[~first]  # their last observation is in there
        self._ended = self._ended & ~first
        return self._changed(observation, lambda rows: self._frames), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, as the env does."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        ended = np.asarray(terminated) | np.asarray(truncated)
        mode = self.env.metadata["autoreset_mode"]
        first = np.zeros_like(ended)
        if mode == AutoresetMode.SAME_STEP:
            first = ended
            if "final_obs" in info:
                final = self._own(info["final_obs"])
                last = np.concatenate([self._frames[:, 1:], final[:, None]], axis=1)
                info["final_obs"] = self._changed(info["final_obs"], lambda rows: last)
        elif hasattr(self.env.unwrapped, "is_first"):
            first = self.env.unwrapped.is_first()  # also of simulators that were lost and are back
        elif mode == AutoresetMode.NEXT_STEP:
            first, self._ended = self._ended, ended
        self._push(self._own(observation), first)
        return (
            self._changed(observation, lambda rows: self._frames),
            reward,
            terminated,
            truncated,
            info,
        )


class FrameSkip(VectorWrapper):  # type: ignore[misc]
    """Repeats each action, and adds the rewards up; an env that ends waits for the others.

    An engine that skips frames by itself saves the exchanges between, and is faster.

    Args:
        env: A `uerl_shm.VecEnv` with one env a simulator, not in SameStep mode.
        num_frames: How often an action is repeated.

    Raises:
        SpecError: Another kind of env.
    """

    def __init__(self, env: Any, num_frames: int) -> None:
        super().__init__(env)
        if num_frames < 1:
            raise SpecError(f"num_frames {num_frames}, expected at least 1")
        inner = env.unwrapped
        lanes = inner._rows.num_lanes if hasattr(inner, "_rows") else 0
        if lanes != self.num_envs or env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP:
            raise SpecError(
                f"FrameSkip of {env}, expected a VecEnv with one env of one agent a simulator, in "
                "NextStep or Disabled mode: let the engine skip frames"
            )
        self._num_frames = num_frames

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step each env up to ``num_frames`` times.

        Returns:
            As the env, with the sums of the rewards.
        """
        actions = np.asarray(actions)
        inner: Any = self.env.unwrapped
        reward, terminated, truncated = (np.array(part) for part in self.env.step(actions)[1:4])
        running = ~(terminated | truncated | inner.is_first())  # NextStep: it was only reset
        for _ in range(self._num_frames - 1):
            ids = np.flatnonzero(running)
            if len(ids) == 0:
                break
            inner.send(actions[ids], ids)
            batch = inner.recv()
            reward[batch.env_ids] += np.asarray(batch.reward)
            terminated[batch.env_ids] = batch.terminated
            truncated[batch.env_ids] = batch.truncated
            running &= ~(terminated | truncated)
        observation, info = inner._current()
        return observation, reward, terminated, truncated, info
