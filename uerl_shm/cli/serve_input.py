"""What `uerl-shm serve` is asked: from JSON to arrays, or one line that says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from uerl_shm.array_spec import ArraySpec
from uerl_shm.cli.output import plural
from uerl_shm.errors import SpecError

MAX_ROWS = 1024  # of one request: they are run one after another
_SHOWN = 80  # characters of what somebody else wrote
#: Types of JSON that stand for each kind of dtype. A bool is no number here.
_TYPES: dict[str, tuple[set[type], str]] = {
    "f": ({int, float}, "numbers"),
    "i": ({int}, "whole numbers"),
    "u": ({int}, "whole numbers"),
    "b": ({bool}, "true or false"),
}


def read(body: bytes, specs: Mapping[str, ArraySpec]) -> tuple[dict[str, NDArray[Any]], bool]:
    """Return arrays for the JSON of a request.

    Args:
        body: ``{"observation": {NAME: nested lists of shape, or [rows, *shape]}}``.
        specs: What is expected.

    Returns:
        Name to array ``[rows, *shape]``, and whether there were rows in the request: else the
        arrays have one.

    Raises:
        SpecError: It is another thing. The text is one line.
    """
    given = _parsed(body)
    if not isinstance(given, dict) or set(given) != {"observation"}:
        raise SpecError(
            f"request is {_shown(given)}, expected an object with one key: "
            '{"observation": {NAME: values}}'
        )
    arrays = given["observation"]
    names = ", ".join(specs)
    if not isinstance(arrays, dict):
        raise SpecError(f"observation is {_shown(arrays)}, expected an object with {names}")
    for name in arrays:
        if name not in specs:
            raise SpecError(f"observation has {_shown(name)}, expected {names}")
    for name in specs:
        if name not in arrays:
            raise SpecError(f"observation has no {name!r}, expected {names}")
    found = {name: _array(name, spec, arrays[name]) for name, spec in specs.items()}
    counts = {name: len(array) for name, (array, many) in found.items() if many}
    if counts and (len(counts) < len(specs) or len(set(counts.values())) > 1):
        said = ", ".join(f"{name} {counts.get(name, 'one, without its axis')}" for name in specs)
        raise SpecError(f"rows of {said}, expected as many of each")
    return {name: array for name, (array, _) in found.items()}, bool(counts)


def _parsed(body: bytes) -> Any:
    def refuse(token: str) -> NoReturn:
        raise SpecError(f"body has {token}, which is not JSON, expected finite numbers")

    try:
        return json.loads(body, parse_constant=refuse)
    except SpecError:
        raise
    # Such as bytes that are not UTF-8, numbers of 5,000 digits, ten thousand brackets.
    except (ValueError, RecursionError) as error:
        raise SpecError(f"body is not JSON ({_line(error)}), expected an object") from None


def _array(name: str, spec: ArraySpec, value: Any) -> tuple[NDArray[Any], bool]:
    """Return rows of one array, and whether the request had an axis for them."""
    try:
        found = np.array(value, dtype=object)
    except ValueError as error:  # a list inside another has another depth
        raise SpecError(f"array {name!r} ({_line(error)}), expected {_expected(spec)}") from None
    many = found.ndim == len(spec.shape) + 1
    if found.shape[int(many) :] != spec.shape:
        raise SpecError(f"array {name!r} has shape {found.shape}, expected {_expected(spec)}")
    if many and not 1 <= len(found) <= MAX_ROWS:
        raise SpecError(f"array {name!r} has {len(found)} rows, expected 1 to {MAX_ROWS}")
    rows = found if many else found[np.newaxis]
    types, words = _TYPES[spec.dtype.kind]
    for entry in rows.flat:
        if type(entry) not in types:
            raise SpecError(f"array {name!r} has {_shown(entry)}, expected {words} ({spec.dtype})")
    return _typed(name, spec, rows), many


def _typed(name: str, spec: ArraySpec, rows: NDArray[Any]) -> NDArray[Any]:
    """Return the values in the dtype of the spec."""
    low: Any
    high: Any
    if spec.dtype.kind == "f":
        largest = float(np.finfo(spec.dtype).max)
        low, high = -largest, largest
    elif spec.nvec is not None:
        bounds = spec.bounds()
        low, high = (np.broadcast_to(bound.astype(object), spec.shape) for bound in bounds)
    elif spec.dtype.kind == "b":
        return rows.astype(spec.dtype)
    else:
        low, high = int(np.iinfo(spec.dtype).min), int(np.iinfo(spec.dtype).max)
    beyond = (rows < low) | (rows > high)
    if np.any(beyond):
        entry = rows[np.asarray(beyond, bool)].flat[0]
        least, most = np.min(low), np.max(high)
        raise SpecError(
            f"array {name!r} has {_shown(entry)}, expected {least:.9g} to {most:.9g} ({spec.dtype})"
        )
    return rows.astype(spec.dtype)


def _expected(spec: ArraySpec) -> str:
    rows = f"(rows, {', '.join(map(str, spec.shape))})" if spec.shape else "(rows,)"
    return f"nested lists of shape {spec.shape} or {rows}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:_SHOWN]


def _shown(value: Any) -> str:
    """Return the beginning of what somebody wrote, on one line."""
    if isinstance(value, dict):
        return f"an object of {plural(len(value), 'key')}"
    if isinstance(value, list):
        return f"a list of length {len(value)}"
    try:
        text = json.dumps(value)  # quotes, and no line breaks
    except ValueError:
        return "an integer of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
