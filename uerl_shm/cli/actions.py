"""Random actions for any spec, drawn once and used again; for `bench` and `check`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm.array_spec import ArraySpec
from uerl_shm.spec import EnvSpec

UNBOUNDED = 1.0  # where a box has no bounds, actions are drawn from -1 to 1


def draw(array: ArraySpec, num_rows: int, generator: np.random.Generator) -> NDArray[Any]:
    """Return actions of shape ``(num_rows, *array.shape)`` within the array's bounds."""
    shape = (num_rows, *array.shape)
    low, high = (np.broadcast_to(bound, array.shape) for bound in array.bounds())
    if array.dtype.kind == "b":
        return np.asarray(generator.integers(0, 2, shape), bool)
    if array.dtype.kind in "iu":
        return generator.integers(low, high, shape, array.dtype, endpoint=True)
    wide = np.float64
    low, high = low.astype(wide), high.astype(wide)
    low = np.where(np.isfinite(low), low, np.minimum(high - 1, -UNBOUNDED))
    high = np.where(np.isfinite(high), high, np.maximum(low + 1, UNBOUNDED))
    drawn = low + (high - low) * generator.random(shape)
    if array.dtype.kind == "c":
        drawn = drawn + 1j * (low + (high - low) * generator.random(shape))
    return np.asarray(drawn, array.dtype)


def draw_batch(spec: EnvSpec, num_worlds: int, generator: np.random.Generator) -> Any:
    """Return one batch of actions in the form that `VecEnv.step` takes."""
    batches = {}
    for group in spec.groups:
        rows = num_worlds * group.agents
        arrays = {name: draw(array, rows, generator) for name, array in group.action.items()}
        batches[group.name] = arrays if len(arrays) > 1 else next(iter(arrays.values()))
    return batches if len(batches) > 1 else next(iter(batches.values()))


def join(spec: EnvSpec, worlds: list[Any]) -> Any:
    """Return the batch that consists of the batches of single worlds, one after the other."""

    def joined(parts: list[Any]) -> Any:
        if isinstance(parts[0], dict):
            return {key: joined([part[key] for part in parts]) for key in parts[0]}
        return np.concatenate(parts)

    return joined(worlds)


def num_envs_of(spec: EnvSpec, num_worlds: int) -> int:
    """Return what `VecEnv` calls ``num_envs``: rows of one group, or worlds of several."""
    return num_worlds * (spec.groups[0].agents if len(spec.groups) == 1 else 1)


def worlds_of(spec: EnvSpec, num_envs: int) -> int:
    """Return the worlds that ``num_envs`` of `VecEnv` are."""
    return math.ceil(num_envs / num_envs_of(spec, 1))
