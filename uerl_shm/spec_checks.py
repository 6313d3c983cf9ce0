"""What the specs check at birth: each function returns the value in its one normal form.

Every message begins with the name of the field, so that a caller can put a path before it.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from uerl_shm.errors import SpecError

#: Element types that a segment can hold (enum uerl_dtype), little-endian.
DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
MAX_DIMS = 8  # UERL_MAX_DIMS
MAX_NAME_BYTES = 63  # UERL_NAME_BYTES without its final zero

#: A number, or a read-only array of the spec's shape and dtype; None is the dtype's whole range.
Bound = int | float | NDArray[Any] | None


def checked_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return a dtype that a segment can hold, in native form."""
    try:
        if dtype is None:
            raise TypeError
        found: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError):
        expected = ", ".join(DTYPES)
        raise SpecError(f"dtype {dtype!r} is unknown, expected one of {expected}") from None
    if found.hasobject:
        raise SpecError(
            f"dtype {found} holds pointers, expected elements of a fixed size: "
            "use a number or bool dtype"
        )
    if found.newbyteorder("=") != found:
        raise SpecError(
            f"dtype {found.str} is big-endian, expected little-endian: "
            f"use {found.newbyteorder('<').name}"
        )
    if found.name not in DTYPES:
        raise SpecError(f"dtype {found} is not supported, expected one of {', '.join(DTYPES)}")
    native: np.dtype[Any] = np.dtype(found.name)
    return native


def checked_shape(shape: Iterable[int]) -> tuple[int, ...]:
    """Return a shape of at most 8 axes, each of at least 1."""
    if not isinstance(shape, Iterable):
        raise SpecError(f"shape {shape!r}, expected a sequence of whole numbers")
    axes = tuple(_index("shape axis", axis) for axis in shape)
    if len(axes) > MAX_DIMS:
        raise SpecError(f"shape {axes} has {len(axes)} axes, expected at most {MAX_DIMS}")
    if any(axis < 1 for axis in axes):
        raise SpecError(
            f"shape {axes} has an axis of {min(axes)}, expected at least 1: "
            "leave out an array that is empty"
        )
    return axes


def checked_integers(
    name: str, value: ArrayLike | None, *shapes: tuple[int, ...]
) -> NDArray[np.object_]:
    """Return Python ints, exact at any size, in an array of one of ``shapes`` (none given: any)."""
    array = _rectangular(name, value)
    whole = array.dtype.kind in "iu" or all(type(entry) is int for entry in array.flat)
    if not whole or array.size == 0:
        raise SpecError(f"{name} {value!r}, expected whole numbers")
    if shapes and array.shape not in shapes:
        expected = " or ".join(str(shape) for shape in shapes)
        raise SpecError(f"{name} has shape {array.shape}, expected {expected}")
    return array.astype(object)


def checked_bound(
    name: str, value: ArrayLike | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Bound:
    """Return a bound (``name`` is low or high) as None, as a number, or as a read-only array."""
    if value is None:
        return None
    if dtype.kind == "c":
        raise SpecError(f"{name} is given for {dtype}, which has no order: leave it out")
    array = _numbers(name, value, dtype)
    if array.shape not in ((), shape):
        raise SpecError(f"{name} has shape {array.shape}, expected () or {shape}")
    if dtype.kind == "f":
        array = _as_floats(name, array, dtype)
    else:
        array = _as_integers(name, array, dtype)
    if array.min() != array.max():
        return _immutable(array)
    return None if np.isinf(array.flat[0]) else plain_number(array.flat[0])


def whole_range(dtype: np.dtype[Any]) -> tuple[int | float, int | float]:
    """Return the smallest and the largest value of a dtype; infinities for floats."""
    if dtype.kind in "fc":
        return -np.inf, np.inf
    if dtype.kind == "b":
        return 0, 1
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def plain_number(value: Any) -> int | float:
    """Return a NumPy number as the shortest Python number that gives it back."""
    return float(str(value)) if isinstance(value, (float, np.floating)) else int(value)


def checked_name(what: str, name: object, prefix: str = "") -> str:
    """Return a name that fits, with the prefix its field has in a segment, in 63 bytes."""
    if not isinstance(name, str) or not name:
        raise SpecError(f"{what} {name!r}, expected a name that is not empty")
    if "/" in name or not name.isprintable():
        raise SpecError(
            f"{what} {name!r} has a slash or a control character, expected letters, digits and "
            "other printable characters"
        )
    num_bytes = len((prefix + name).encode())
    if num_bytes > MAX_NAME_BYTES:
        raise SpecError(
            f"{what} {name!r} makes the field name {prefix + name!r} of {num_bytes} bytes, "
            f"expected at most {MAX_NAME_BYTES}: shorten it by {num_bytes - MAX_NAME_BYTES}"
        )
    return name


def checked_integer(what: str, value: Any, low: int, high: int) -> int:
    """Return a whole number from ``low`` to ``high``."""
    number = _index(what, value)
    if not low <= number <= high:
        raise SpecError(f"{what} {number}, expected {low} to {high}")
    return number


def checked_number(what: str, value: Any) -> int | float:
    """Return a finite real number."""
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    if not is_number or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
        raise SpecError(f"{what} {value!r}, expected a finite number")
    return plain_number(value)


def nested(array: NDArray[Any]) -> Any:
    """Return an array's elements as Python numbers in nested tuples; a scalar as itself."""

    def frozen(rows: Any) -> Any:
        return tuple(map(frozen, rows)) if isinstance(rows, list) else rows

    return frozen(array.tolist())


def _index(what: str, value: Any) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise SpecError(f"{what} {value!r}, expected a whole number") from None


def _rectangular(name: str, value: ArrayLike | None) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError:
        raise SpecError(f"{name} is a ragged list, expected rows of equal length") from None


def _numbers(name: str, value: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return real numbers without NaN; None inside a list is the end of the dtype's range."""
    array = _rectangular(name, value)
    if array.dtype.kind == "O":
        end = whole_range(dtype)[0 if name == "low" else 1]
        array = np.array([end if x is None else x for x in array.flat]).reshape(array.shape)
    if array.dtype.kind not in "biuf":
        raise SpecError(f"{name} has elements of type {array.dtype}, expected numbers or null")
    if np.isnan(array).any():
        raise SpecError(f"{name} has a NaN, expected numbers: use null where there is no bound")
    wrong_end = np.inf if name == "low" else -np.inf
    if (array == wrong_end).any():
        raise SpecError(f"{name} is {wrong_end}, expected a value that something can reach")
    return array


def _as_floats(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        floats = array.astype(dtype)
    lost = np.isinf(floats) & np.isfinite(array)
    if lost.any():
        raise SpecError(f"{name} {first(array, lost)} does not fit in {dtype}: use a wider dtype")
    return floats


def _as_integers(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    smallest, largest = whole_range(dtype)
    if array.dtype.kind == "f":
        end = smallest if name == "low" else largest
        exact = [end if np.isinf(x) else x for x in array.ravel().tolist()]
        if any(x != int(x) for x in exact):
            raise SpecError(f"{name} has a fraction, expected whole numbers for {dtype}")
        array = np.array([int(x) for x in exact], dtype=object).reshape(array.shape)
    found_low, found_high = int(array.min()), int(array.max())
    if found_low < smallest or found_high > largest:
        found = found_low if found_low < smallest else found_high
        raise SpecError(f"{name} {found} does not fit in {dtype}, expected {smallest} to {largest}")
    return array.astype(dtype)


def _immutable(array: NDArray[Any]) -> NDArray[Any]:
    return np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)


def first(array: NDArray[Any], where: NDArray[np.bool_]) -> Any:
    """Return the first element of ``array`` where ``where`` holds; the two may be scalars."""
    return np.broadcast_to(array, where.shape)[where].flat[0]


def expect_keys(keys: Iterable[str], known: Sequence[str]) -> None:
    """Refuse keys that are not known, naming them."""
    unknown = sorted(set(keys) - set(known))
    if unknown:
        raise SpecError(f"{', '.join(unknown)} unknown, expected only {', '.join(known)}")


def expect_object(what: str, value: object) -> None:
    """Refuse what is not a JSON object."""
    if not isinstance(value, Mapping):
        raise SpecError(f"{what} {value!r}, expected an object")


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Put a path before the texts of errors raised inside: they begin with a field's name."""
    try:
        yield
    except SpecError as error:
        raise SpecError(f"{path}.{error}") from None
