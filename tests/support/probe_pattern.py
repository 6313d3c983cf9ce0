"""What ``uerl-sim probe`` writes, computed anew: csrc/simulators/pattern.hpp has the definition.

All arithmetic is on uint64 and wraps. Arguments may be scalars or arrays that broadcast against
each other, so that one call gives the rows of a whole batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

STRIDE = np.uint64(0x9E3779B97F4A7C15)

_MASKS: dict[str, tuple[int, int]] = {
    "bool": (0x0101010101010101, 0),
    "float16": (0x83FF83FF83FF83FF, 0x3800380038003800),
    "float32": (0x807FFFFF807FFFFF, 0x3F0000003F000000),
    "complex64": (0x807FFFFF807FFFFF, 0x3F0000003F000000),
    "float64": (0x800FFFFFFFFFFFFF, 0x3FE0000000000000),
    "complex128": (0x800FFFFFFFFFFFFF, 0x3FE0000000000000),
}
_ALL_BITS = (0xFFFFFFFFFFFFFFFF, 0)


class End(NamedTuple):
    """How an episode ends; arrays where the arguments were arrays."""

    num_steps: NDArray[np.int64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


def mix(value: ArrayLike) -> NDArray[np.uint64]:
    """One round of splitmix64."""
    word = np.asarray(value, np.uint64)
    with np.errstate(over="ignore"):
        word = word + STRIDE
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def fnv1a(text: str) -> np.uint64:
    """The 64-bit hash of a name."""
    value = 0xCBF29CE484222325
    for byte in text.encode("ascii"):
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return np.uint64(value)


def base(name: str, env: ArrayLike, agent: ArrayLike, step: ArrayLike) -> NDArray[np.uint64]:
    """The word from which one row's bytes follow.

    Args:
        name: ``"<group>/<array>"``, such as ``"agent/observation/camera"``.
        env: Number of the env among all envs of the segment.
        agent: Number of the agent in its env and group.
        step: What ``info/step`` of the row says.
    """
    env, agent, step = (np.asarray(value).astype(np.uint64) for value in (env, agent, step))
    with np.errstate(over="ignore"):
        return mix(env + mix(agent + mix(step + fnv1a(name))))


def masks(dtype: DTypeLike) -> tuple[int, int]:
    """The bits of a word that the pattern chooses, and those that are always set."""
    return _MASKS.get(np.dtype(dtype).name, _ALL_BITS)


def expected(
    name: str,
    env: ArrayLike,
    agent: ArrayLike,
    step: ArrayLike,
    shape: tuple[int, ...],
    dtype: DTypeLike,
) -> NDArray[np.generic]:
    """The rows of one array.

    Args:
        name: ``"<group>/<array>"``; the groups of ``probe`` are ``agent``, or ``group_0``, ...
        env: As for :func:`base`; shape ``S``, with `agent` and `step` after broadcasting.
        agent: As `env`.
        step: As `env`.
        shape: Shape of one row.
        dtype: Element type of the array.

    Returns:
        Shape ``S + shape``, dtype `dtype`.
    """
    dtype = np.dtype(dtype)
    bases = base(name, env, agent, step)
    num_bytes = math.prod(shape) * dtype.itemsize
    num_words = -(-num_bytes // 8)
    and_mask, or_mask = masks(dtype)
    with np.errstate(over="ignore"):
        words = bases[..., None] + np.arange(num_words, dtype=np.uint64) * STRIDE
    words &= np.uint64(and_mask)
    words |= np.uint64(or_mask)
    rows = words.astype("<u8", copy=False).view(np.uint8)[..., :num_bytes]
    return np.ascontiguousarray(rows).view(dtype).reshape(*bases.shape, *shape)


def reward(group: str, env: ArrayLike, agent: ArrayLike, step: ArrayLike) -> NDArray[np.float64]:
    """The reward of a step, exact in float32; that of a reset is 0."""
    return (base(f"{group}/reward", env, agent, step) >> np.uint64(40)).astype(np.float64) / 2**24


def end(env: ArrayLike, episode: ArrayLike, episode_steps: int | None = None) -> End:
    """When and how an episode ends; `episode_steps` is the option of that name, if it was given."""
    word = base("episode", env, 0, episode)
    kind = (word >> np.uint64(32)) % np.uint64(4)
    drawn = 20 + (word % np.uint64(60)).astype(np.int64)
    num_steps = drawn if episode_steps is None else np.full_like(drawn, episode_steps)
    return End(num_steps, kind != 0, kind <= 1)


def action_sum(*actions: NDArray[np.generic]) -> NDArray[np.uint64]:
    """The checksum that ``info/action_sum`` holds after a step; after a reset it is 0.

    Args:
        actions: The action arrays in the order of the spec, each ``[rows, ...]``.

    Returns:
        Shape ``[rows]``.
    """
    rows = [np.ascontiguousarray(a).reshape(len(a), -1).view(np.uint8) for a in actions]
    bytes_ = np.concatenate(rows, axis=1).astype(np.uint64)
    return (bytes_ * np.arange(1, bytes_.shape[1] + 1, dtype=np.uint64)).sum(1, dtype=np.uint64)
