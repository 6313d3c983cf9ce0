"""The spec of one array: its shape, dtype and bounds, known before the array exists."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from uerl_shm import spec_checks as checks
from uerl_shm.errors import SpecError
from uerl_shm.spec_checks import Bound

__all__ = ["ArraySpec"]

MAX_LATENCY = 1000  # steps
KINDS = ("box", "discrete", "multi_discrete", "multi_binary")
_JSON_KEYS = ("kind", "shape", "dtype", "low", "high", "nvec", "start", "latency")


@dataclass(frozen=True, slots=True, init=False, eq=False)
class ArraySpec:
    """Shape, element type and bounds of one array, for one row; checked when it is made.

    Two specs are equal when kind, shape, dtype and the values they allow are equal.

    Attributes:
        shape: Length of each axis of one row, at most 8 axes of at least 1; ``()`` is a scalar.
        dtype: NumPy element type: bool, integer, float or complex, little-endian.
        low: Smallest value: a number, or a read-only array of ``shape`` (minus infinity where there
            is no bound). None: the smallest value of the dtype, or minus infinity.
        high: Largest value, likewise.
        kind: ``"box"``, ``"discrete"``, ``"multi_discrete"`` or ``"multi_binary"``: the gymnasium
            space of the array. Only a box has ``low`` and ``high``.
        nvec: Number of values of each entry: ``(n,)`` of a discrete array, nested tuples of
            ``shape`` of a multi-discrete one, else None.
        start: Smallest value of each entry: a number, or nested tuples of ``shape``.
        latency: Steps by which an observation lags behind the others, as a camera's picture does
            that is read back while the next step runs.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    low: Bound = None
    high: Bound = None
    kind: str = "box"
    nvec: tuple[Any, ...] | None = None
    start: Any = 0
    latency: int = 0

    def __init__(
        self,
        shape: Iterable[int],
        dtype: DTypeLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        kind: str = "box",
        nvec: ArrayLike | None = None,
        start: ArrayLike = 0,
        latency: int = 0,
    ) -> None:
        if kind not in KINDS:
            raise SpecError(f"kind {kind!r} is unknown, expected one of {', '.join(KINDS)}")
        self._put("kind", kind)
        self._put("dtype", checks.checked_dtype(dtype))
        self._put("shape", checks.checked_shape(shape))
        for name, value in (("low", low), ("high", high), ("nvec", nvec), ("start", start)):
            self._put(name, value)
        self._put("latency", checks.checked_integer("latency", latency, 0, MAX_LATENCY))
        if self.kind == "box":
            self._check_bounds()
        else:
            self._expect_none("low", "high")
        if self.kind in ("discrete", "multi_discrete"):
            self._check_counts()
        else:
            self._expect_none("nvec", "start")
        if self.kind == "multi_binary" and self.dtype != np.int8:
            raise SpecError(f"dtype {self.dtype} of a multi_binary array, expected int8")

    def _put(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _expect_none(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and not (name == "start" and np.ndim(value) == 0 and value == 0):
                raise SpecError(f"{name} is given for a {self.kind} array, expected none")

    def _check_bounds(self) -> None:
        for name in ("low", "high"):
            value = checks.checked_bound(name, getattr(self, name), self.shape, self.dtype)
            self._put(name, value)
        low, high = self.bounds()
        crossed = np.asarray(low > high)
        if crossed.any():
            raise SpecError(
                f"low {checks.first(low, crossed)} is above high {checks.first(high, crossed)}, "
                "expected low <= high"
            )

    def _check_counts(self) -> None:
        if self.dtype.kind not in "iu":
            raise SpecError(f"dtype {self.dtype} of a {self.kind} array, expected an integer type")
        if self.kind == "discrete":
            if self.shape != ():
                raise SpecError(
                    f"shape {self.shape} of a discrete array, expected (): use multi_discrete"
                )
            counts = checks.checked_integers("nvec", self.nvec, (1,), ())
        else:
            counts = checks.checked_integers("nvec", self.nvec, self.shape)
        smallest, largest = checks.whole_range(self.dtype)
        for count in (counts.min(), counts.max()):
            # gymnasium keeps the count itself in the dtype.
            checks.checked_integer(f"nvec of {self.dtype} has", count, 1, int(largest))
        starts = checks.checked_integers("start", self.start, *{(), self.shape})
        last = np.max(counts + starts) - 1
        if starts.min() < smallest or last > largest:
            raise SpecError(
                f"nvec and start reach from {starts.min()} to {last}, expected {smallest} to "
                f"{largest}, the range of {self.dtype}: use a wider dtype"
            )
        uniform = starts.min() == starts.max()
        self._put("nvec", checks.nested(counts.reshape(self.shape or (1,))))
        self._put("start", starts.min() if uniform else checks.nested(starts))

    @classmethod
    def box(
        cls,
        low: ArrayLike | None,
        high: ArrayLike | None,
        shape: Iterable[int],
        dtype: DTypeLike = "float32",
    ) -> ArraySpec:
        """Numbers of ``dtype`` from ``low`` to ``high``; None is unbounded."""
        return cls(shape, dtype, low, high)

    @classmethod
    def discrete(cls, n: int, start: int = 0) -> ArraySpec:
        """One of ``n`` whole numbers, counted from ``start``; an int64 scalar."""
        return cls((), "int64", kind="discrete", nvec=(n,), start=start)

    @classmethod
    def multi_discrete(cls, nvec: ArrayLike) -> ArraySpec:
        """Entry ``i`` is one of ``nvec[i]`` whole numbers counted from 0; int64."""
        counts = checks.checked_integers("nvec", nvec, np.shape(nvec))
        return cls(counts.shape, "int64", kind="multi_discrete", nvec=counts)

    @classmethod
    def multi_binary(cls, n: int | Sequence[int]) -> ArraySpec:
        """``n`` entries, or a whole shape of entries, each 0 or 1; int8."""
        shape = n if isinstance(n, Sequence) else (n,)
        return cls(shape, "int8", kind="multi_binary")

    @classmethod
    def image(cls, height: int, width: int, channels: int, dtype: DTypeLike = "uint8") -> ArraySpec:
        """A picture of shape ``(height, width, channels)``; uint8 goes from 0 to 255."""
        low, high = (0, 255) if checks.checked_dtype(dtype) == np.uint8 else (None, None)
        return cls((height, width, channels), dtype, low, high)

    @classmethod
    def from_space(cls, space: gymnasium.Space[Any]) -> ArraySpec:
        """Return the spec of a Box, Discrete, MultiDiscrete or MultiBinary space.

        Raises:
            SpecError: Another space, or one whose arrays a segment cannot hold.
        """
        spaces = gymnasium.spaces
        if isinstance(space, spaces.Box):
            low = space.low if space.bounded_below.any() else None
            high = space.high if space.bounded_above.any() else None
            return cls(space.shape, space.dtype, low, high)
        if isinstance(space, spaces.Discrete):
            return cls((), space.dtype, kind="discrete", nvec=int(space.n), start=int(space.start))
        if isinstance(space, spaces.MultiDiscrete):
            counts, start = space.nvec, space.start
            return cls(space.shape, space.dtype, kind="multi_discrete", nvec=counts, start=start)
        if isinstance(space, spaces.MultiBinary):
            return cls.multi_binary(space.shape)
        raise SpecError(
            f"space {space} has no array of a fixed size, expected Box, Discrete, MultiDiscrete or "
            "MultiBinary: give a Dict or Tuple one array for each entry"
        )

    @property
    def nbytes(self) -> int:
        """Bytes that one row takes, without padding."""
        return math.prod(self.shape) * self.dtype.itemsize

    def bounds(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the smallest and the largest values allowed.

        Each is an array of ``dtype`` (float64 for complex), of shape ``()`` or ``self.shape``.
        """
        low: Any
        high: Any
        if self.kind == "multi_binary":
            low, high = 0, 1
        elif self.kind == "box":
            smallest, largest = checks.whole_range(self.dtype)
            low = smallest if self.low is None else self.low
            high = largest if self.high is None else self.high
        else:
            low = np.array(self.start, object)
            high = (low + np.array(self.nvec, object) - 1).reshape(self.shape)
        dtype = np.dtype("float64") if self.dtype.kind == "c" else self.dtype
        return np.asarray(low).astype(dtype), np.asarray(high).astype(dtype)

    def space(self) -> gymnasium.Space[Any]:
        """Return the gymnasium space of one row.

        Raises:
            SpecError: The dtype is complex, for which gymnasium has no space.
        """
        spaces = gymnasium.spaces
        if self.kind == "discrete":
            assert self.nvec is not None
            return spaces.Discrete(self.nvec[0], start=self.start, dtype=self.dtype.type)
        if self.kind == "multi_discrete":
            start = np.broadcast_to(np.array(self.start), self.shape)
            return spaces.MultiDiscrete(np.array(self.nvec), self.dtype.type, start=start)
        if self.kind == "multi_binary":
            return spaces.MultiBinary(self.shape if len(self.shape) != 1 else self.shape[0])
        if self.dtype.kind == "c":
            raise SpecError(
                f"dtype {self.dtype} has no gymnasium space, expected real numbers: "
                "make real and imaginary part a last axis of 2"
            )
        low, high = (np.broadcast_to(bound, self.shape).copy() for bound in self.bounds())
        space = spaces.Box(low, high, dtype=self.dtype.type)
        if self.dtype.itemsize == 8 and self.dtype.kind in "iu":
            # gymnasium cannot sample a bounded range that ends where 64-bit integers end.
            smallest, largest = checks.whole_range(self.dtype)
            space.bounded_below = low > smallest
            space.bounded_above = high < largest
        return space

    def to_json(self) -> dict[str, Any]:
        """Return the spec as a dict that holds only what strict JSON can say."""
        out: dict[str, Any] = {
            "kind": self.kind,
            "shape": list(self.shape),
            "dtype": self.dtype.name,
        }
        for name in ("low", "high"):
            bound = getattr(self, name)
            if bound is not None:
                out[name] = _bound_to_json(np.asarray(bound, self.dtype))
        if self.nvec is not None:
            out["nvec"] = np.array(self.nvec, object).tolist()
            out["start"] = np.array(self.start, object).tolist()
        if self.latency:
            out["latency"] = self.latency
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ArraySpec:
        """Build the spec from what `to_json` returns; shape and dtype follow from nvec.

        Raises:
            SpecError: A key is unknown or missing, or a value is wrong; the text names it.
        """
        checks.expect_object("array", data)
        checks.expect_keys(data, _JSON_KEYS)
        given = dict(data)
        kind = given.get("kind", "box")
        if kind == "discrete":
            given.setdefault("shape", ())
        elif kind == "multi_discrete":
            given.setdefault("shape", np.shape(checks.checked_integers("nvec", given.get("nvec"))))
        if kind != "box":
            given.setdefault("dtype", "int8" if kind == "multi_binary" else "int64")
        for name in ("shape", "dtype"):
            if given.get(name) is None:
                raise SpecError(f"{name} is missing, expected it for a {kind} array")
        return cls(**given)

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, so that bounds are read-only again on the other side.
        bounds, counts = (self.low, self.high), (self.nvec, self.start)
        return ArraySpec, (self.shape, self.dtype, *bounds, self.kind, *counts, self.latency)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArraySpec):
            return NotImplemented
        names = ("kind", "shape", "dtype", "nvec", "start", "latency")
        if any(getattr(self, name) != getattr(other, name) for name in names):
            return False
        return all(map(np.array_equal, self.bounds(), other.bounds()))


def _bound_to_json(bound: NDArray[Any]) -> Any:
    flat = [None if np.isinf(entry) else checks.plain_number(entry) for entry in bound.flat]
    return np.array(flat, object).reshape(bound.shape).tolist()
