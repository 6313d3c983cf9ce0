"""Between gymnasium's nested spaces and the flat, named arrays of a spec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from gymnasium import Space, spaces

from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import SpecError

_LEAVES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
_GOOD_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_MOST_BOUNDS = 64  # values; bounds of more are not worth their text in the segment

Path = tuple[Any, ...]  # keys and indices that lead to a leaf


class FlatSpace:
    """A space whose values a segment can hold: arrays of a fixed size, in an order of their own.

    Args:
        space: Of one env.
        name: Of the array, where the space is a single one.

    Attributes:
        names: Of the arrays, in the order in which `flat` and `nested` have them.
        specs: Of the arrays, by name.

    Raises:
        SpecError: A segment cannot hold it.
    """

    def __init__(self, space: Space[Any], name: str) -> None:
        self.space = space
        leaves = list(_leaves_of(space, ()))
        if not leaves:
            raise SpecError(f"space {space} has no array, expected at least one")
        self._paths = [path for path, _ in leaves]
        self.names = _names([".".join(map(str, path)) or name for path, _ in leaves])
        specs = [_spec_of(leaf) for _, leaf in leaves]
        self.specs: dict[str, ArraySpec] = dict(zip(self.names, specs, strict=True))
        self.shapes = [spec.shape for spec in specs]
        self.dtypes = [spec.dtype for spec in specs]
        self._is_leaf = self._paths == [()]

    def flat(self, value: Any) -> list[Any]:
        """Return the parts of a value of this space, or of a batch of them."""
        return [value] if self._is_leaf else [_part(value, path) for path in self._paths]

    def nested(self, parts: Sequence[Any]) -> Any:
        """Put parts together to a value of this space, or of a batch of them; copies nothing."""
        return parts[0] if self._is_leaf else _nested(self.space, iter(parts))

    def batch(self, values: Any, num_envs: int) -> list[np.ndarray] | None:
        """Return a batch as arrays ``(num_envs, *shape)``, or None where these would not be equal.

        Args:
            values: As gymnasium's ``iterate`` takes them.
            num_envs: How many there must be.
        """
        try:
            arrays = [np.asarray(part) for part in self.flat(values)]
        except (TypeError, ValueError, KeyError, IndexError):
            return None
        for array, shape, dtype in zip(arrays, self.shapes, self.dtypes, strict=True):
            if array.shape != (num_envs, *shape) or not _holds(dtype, array.dtype):
                return None
        return arrays


def _holds(dtype: np.dtype[Any], given: np.dtype[Any]) -> bool:
    """Whether every value stays what it is: an env may compute with the precision it is given."""
    return given == dtype or (
        given.kind in "iu" and dtype.kind in "iu" and np.can_cast(given, dtype, "safe")
    )


def write(row: np.ndarray, value: Any) -> None:
    """Write one part of an observation into its row, as gymnasium's shared memory does."""
    array = np.asarray(value, row.dtype)
    row[...] = array if array.shape == row.shape else array.reshape(row.shape)


def _leaves_of(space: Space[Any], path: Path) -> Iterator[tuple[Path, Space[Any]]]:
    if isinstance(space, spaces.Dict):
        for key, subspace in space.spaces.items():
            yield from _leaves_of(subspace, (*path, key))
    elif isinstance(space, spaces.Tuple):
        for index, subspace in enumerate(space.spaces):
            yield from _leaves_of(subspace, (*path, index))
    elif isinstance(space, _LEAVES):
        yield path, space
    else:
        raise SpecError(
            f"space {space} has no array of a fixed size, expected Box, Discrete, MultiDiscrete, "
            "MultiBinary, or a Dict or Tuple of these"
        )


def _names(wanted: list[str]) -> list[str]:
    unique = len(set(wanted)) == len(wanted)
    if unique and all(_GOOD_NAME.fullmatch(name) and name != "side_channel" for name in wanted):
        return wanted
    return [f"array_{index}" for index in range(len(wanted))]


def _spec_of(space: Space[Any]) -> ArraySpec:
    if isinstance(space, spaces.Box):
        bounds = []
        for bound in (space.low, space.high):
            same = bound.size > 0 and (bound == bound.flat[0]).all()
            bounds.append(bound.flat[0] if same else bound if bound.size <= _MOST_BOUNDS else None)
        low, high = (None if bound is None or np.isinf(bound).all() else bound for bound in bounds)
        return ArraySpec(space.shape, space.dtype, low, high)
    return ArraySpec.from_space(space)


def _part(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _nested(space: Space[Any], parts: Iterator[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _nested(subspace, parts) for key, subspace in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_nested(subspace, parts) for subspace in space.spaces)
    return next(parts)
