"""From a spec to the fields of a segment, and the segments that stand in /dev/shm.

Offsets are computed in C alone (csrc/core/spec.c); here a spec only becomes a list of names, dtypes
and shapes.
"""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from uerl_shm import _core
from uerl_shm.array_spec import ArraySpec
from uerl_shm.engine_config import EngineConfig
from uerl_shm.errors import SegmentExists, SegmentNotFound, SpecError, UerlError
from uerl_shm.spec import EnvSpec, GroupSpec

SHM_DIRECTORY = Path("/dev/shm")
AUTORESET_MODES = {"NextStep": 0, "SameStep": 1, "Disabled": 2}  # enum uerl_autoreset_mode
_NO_BOUNDS: tuple[bool, list[int], list[int]] = (False, [], [])

Field = tuple[int, int, str, np.dtype[Any], tuple[int, ...]]  # group, role, name, dtype, shape


def new_name() -> str:
    """Return a segment name that nobody has."""
    return f"uerl-{secrets.token_hex(6)}"


def groups_of(spec: EnvSpec) -> list[tuple[str, int]]:
    """Return ``(name, rows of one env)`` of each group."""
    return [(group.name, group.agents) for group in spec.groups]


def fields_of(spec: EnvSpec, autoreset_mode: str, annotations: Sequence[str] = ()) -> list[Field]:
    """Return the segment's fields. Final fields exist in ``"SameStep"`` only.

    Args:
        spec: Of the simulators.
        autoreset_mode: Value of gymnasium's enum.
        annotations: Names of float32 numbers of each row, which the learner writes for people who
            watch.
    """
    fields: list[Field] = []
    for number, group in enumerate(spec.groups):
        fields += _fields_of_group(number, group, final=autoreset_mode == "SameStep")
    parameter = _core.ROLES["parameter"]
    for name in spec.parameters:
        fields.append((0, parameter, f"parameter/{name}", np.dtype("float64"), ()))
    annotation = _core.ROLES["annotation"]
    for number in range(len(spec.groups)):
        for name in annotations:
            fields.append((number, annotation, f"annotation/{name}", np.dtype("float32"), ()))
    return fields


def _fields_of_group(number: int, group: GroupSpec, final: bool) -> Iterator[Field]:
    def named(role: str, arrays: Any) -> Iterator[Field]:
        for name, array in arrays.items():
            yield number, _core.ROLES[role], f"{role}/{name}", array.dtype, array.shape

    def scalar(role: str, dtype: Any) -> Field:
        return number, _core.ROLES[role], role, np.dtype(dtype), ()

    yield from named("observation", group.observation)
    yield from named("info", group.info)
    if final:
        yield from named("final_observation", group.observation)
        yield from named("final_info", group.info)
    yield scalar("reward", group.reward_dtype)
    yield scalar("terminated", "bool")
    yield scalar("truncated", "bool")
    if group.mask:
        yield scalar("mask", "bool")
    yield from named("action", group.action)
    yield scalar("control", "uint8")
    yield scalar("seed", "int64")


def action_checks_of(spec: EnvSpec) -> list[tuple[bool, list[int], list[int]]]:
    """Return what each action field accepts: ``(refuse NaN, low, high)``, as fields_of orders them.

    Counts are held to their range. Boxes may be left (policies sample beyond bounds, simulators
    clip) but NaN is refused.
    """
    return [_check_of(array) for group in spec.groups for array in group.action.values()]


def _check_of(array: ArraySpec) -> tuple[bool, list[int], list[int]]:
    if array.dtype.kind == "f":
        return True, [], []
    if array.kind == "box" or array.dtype.kind not in "iu":
        return _NO_BOUNDS
    low, high = array.bounds()
    width = max(math.prod(array.shape), 1)
    return (
        False,
        np.broadcast_to(low, array.shape).reshape(width).astype(np.int64).tolist(),
        np.broadcast_to(high, array.shape).reshape(width).astype(np.int64).tolist(),
    )


def text_of(
    spec: EnvSpec, launch: dict[str, Any], engine: Mapping[str, Any] | None = None
) -> bytes:
    """Return the JSON that a segment carries for simulators and observers.

    Raises:
        SpecError: ``engine`` is not JSON.
    """
    text: dict[str, Any] = {"spec": json.loads(spec.to_json()), "launch": launch}
    if engine is not None and not isinstance(engine, Mapping):
        raise SpecError(f"engine {engine!r}, expected a dict with text keys")
    if engine is not None:
        text["engine"] = {
            key: value.to_json() if isinstance(value, EngineConfig) else value
            for key, value in engine.items()
        }
    try:
        return json.dumps(text, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise SpecError(
            f"engine {engine!r} is not JSON ({error}), expected dicts with text keys, lists, "
            "text, finite numbers, booleans and None"
        ) from None


@dataclass(frozen=True)
class SegmentFile:
    """A segment found in /dev/shm.

    Attributes:
        name: Its name.
        num_bytes: Size of the file.
        state: ``"alive"``, ``"dead"`` (its owner's lock is free), or why it cannot be read.
        header: What `_core.Observer.header` returns; empty when it cannot be read.
    """

    name: str
    num_bytes: int
    state: str
    header: dict[str, Any]


def list_segments() -> list[SegmentFile]:
    """Return the segments of /dev/shm, ordered by name. Files of other kinds are left out."""
    found = []
    for path in sorted(SHM_DIRECTORY.iterdir()):
        if not path.is_file() or path.is_symlink() or not _has_magic(path):
            continue
        try:
            header = _core.Observer(path.name).header()
            state = "alive" if header["owner_alive"] else "dead"
        except UerlError as error:
            header, state = {}, f"unreadable: {error}"
        try:
            num_bytes = path.stat().st_size
        except FileNotFoundError:
            continue
        found.append(SegmentFile(path.name, num_bytes, state, header))
    return found


def _has_magic(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.pread(fd, 8, 0) == b"UERLSHM1"
    finally:
        os.close(fd)


def clean_segments() -> list[SegmentFile]:
    """Unlink every segment whose owner is dead; return those that were removed."""
    removed = []
    for segment in list_segments():
        if segment.state == "alive":
            continue
        try:
            _core.clean(segment.name)
        except (SegmentExists, SegmentNotFound):
            continue
        removed.append(segment)
    return removed
