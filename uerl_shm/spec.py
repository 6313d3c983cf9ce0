"""The spec of a simulator: what a learner must know before the segment exists.

An `EnvSpec` holds groups of agents (`GroupSpec`), each with named arrays (`ArraySpec`). It comes
from Python, from a JSON file, or from the simulator itself; docs/spec.md shows the JSON.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import gymnasium
import numpy as np
from numpy.typing import DTypeLike

from uerl_shm import spec_checks as checks
from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import LayoutMismatch, SpecError

__all__ = ["LAYOUT_VERSION", "ArraySpec", "EnvSpec", "GroupSpec"]

LAYOUT_VERSION = 1  # UERL_LAYOUT_VERSION of layout.h
MAX_GROUPS = 64  # UERL_MAX_GROUPS
MAX_ROWS = 1 << 24  # UERL_MAX_ROWS
MAX_MESSAGE_BYTES = 1 << 20  # UERL_MAX_MESSAGE_BYTES

#: One array without a name of its own, or named arrays.
Arrays = ArraySpec | Mapping[str, ArraySpec]

_GROUP_KEYS = ("name", "observation", "action", "agents", "info", "reward_dtype", "mask")
_ENV_KEYS = ("layout", "name", "groups", "parameters", "message_bytes", "render", "render_fps")


@dataclass(frozen=True, slots=True, init=False)
class GroupSpec:
    """Agents that see, do and report the same arrays.

    Attributes:
        name: Letters a-z, digits and underscores.
        observation: Name to spec, sorted by name; at least one. A bare `ArraySpec` is given the
            name ``"observation"``. One array makes a plain space, several make a Dict space.
        action: As ``observation``; a bare `ArraySpec` is given the name ``"action"``.
        agents: Rows of this group in each env.
        info: Name to spec of the arrays that go into ``info``; may be empty.
        reward_dtype: float32 or float64.
        mask: Whether agents of this group can be absent.
    """

    name: str
    observation: Mapping[str, ArraySpec]
    action: Mapping[str, ArraySpec]
    agents: int
    info: Mapping[str, ArraySpec]
    reward_dtype: np.dtype[Any]
    mask: bool

    def __init__(
        self,
        name: str,
        observation: Arrays,
        action: Arrays,
        agents: int = 1,
        info: Mapping[str, ArraySpec] = MappingProxyType({}),
        reward_dtype: DTypeLike = "float32",
        mask: bool = False,
    ) -> None:
        checked_reward = checks.checked_dtype(reward_dtype)
        if checked_reward not in (np.float32, np.float64):
            raise SpecError(f"reward_dtype {checked_reward}, expected float32 or float64")
        if not isinstance(mask, (bool, np.bool_)):
            raise SpecError(f"mask {mask!r}, expected true or false")
        if isinstance(observation, ArraySpec):
            observation = {"observation": observation}
        if isinstance(action, ArraySpec):
            action = {"action": action}
        values = {
            "name": _group_name(name),
            "observation": _arrays("observation", "final_observation/", observation, least=1),
            "action": _arrays("action", "action/", action, least=1),
            "agents": checks.checked_integer("agents", agents, 1, MAX_ROWS),
            "info": _arrays("info", "final_info/", info, least=0),
            "reward_dtype": checked_reward,
            "mask": bool(mask),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def observation_space(self) -> gymnasium.Space[Any]:
        """Return the space of one agent's observation."""
        return _space("observation", self.observation)

    def action_space(self) -> gymnasium.Space[Any]:
        """Return the space of one agent's action."""
        return _space("action", self.action)

    def to_json(self) -> dict[str, Any]:
        """Return the spec as a dict that holds only what strict JSON can say."""
        return {
            "name": self.name,
            "observation": {name: array.to_json() for name, array in self.observation.items()},
            "action": {name: array.to_json() for name, array in self.action.items()},
            "agents": self.agents,
            "info": {name: array.to_json() for name, array in self.info.items()},
            "reward_dtype": self.reward_dtype.name,
            "mask": self.mask,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GroupSpec:
        """Build the spec from what `to_json` returns; ``name`` defaults to ``"agent"``.

        Raises:
            SpecError: A key is unknown or missing, or a value is wrong; the text names it.
        """
        checks.expect_object("group", data)
        checks.expect_keys(data, _GROUP_KEYS)
        given = {"name": "agent", **data}
        for key in ("observation", "action", "info"):
            if key not in given:
                continue
            checks.expect_object(key, given[key])
            arrays = {}
            for name, array in given[key].items():
                checks.expect_object(f"{key}.{name}", array)
                with checks.inside(f"{key}.{name}"):
                    arrays[name] = ArraySpec.from_json(array)
            given[key] = arrays
        for key in ("observation", "action"):
            if key not in given:
                raise SpecError(f"{key} is missing, expected an object of arrays")
        return cls(**given)

    def __reduce__(self) -> tuple[Any, ...]:
        return GroupSpec.from_json, (self.to_json(),)


@dataclass(frozen=True, slots=True, init=False)
class EnvSpec:
    """What one env of a simulator holds.

    Attributes:
        groups: One or several groups of agents, with names of their own.
        parameters: Name to default of the numbers that a learner may set at a reset.
        message_bytes: Longest message, either way.
        render: Name of the first group's observation array that ``render()`` shows, a uint8 picture
            of shape ``(height, width, 3)`` or ``(height, width, 1)``. When none is given, the first
            array that is one; None if there is no such array.
        render_fps: Pictures per second of a video.
        name: What people call the env.
    """

    groups: tuple[GroupSpec, ...]
    parameters: Mapping[str, float]
    message_bytes: int
    render: str | None
    render_fps: float
    name: str

    def __init__(
        self,
        groups: Iterable[GroupSpec],
        parameters: Mapping[str, float] = MappingProxyType({}),
        message_bytes: int = 4096,
        render: str | None = None,
        render_fps: float = 30,
        name: str = "",
    ) -> None:
        checked = _groups(groups)
        values = {
            "groups": checked,
            "parameters": _parameters(parameters),
            "message_bytes": checks.checked_integer(
                "message_bytes", message_bytes, 0, MAX_MESSAGE_BYTES
            ),
            "render": _render(render, checked[0].observation),
            "render_fps": _fps(render_fps),
            "name": checks.checked_name("name", name) if name != "" else "",
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @classmethod
    def single(cls, observation: Arrays, action: Arrays, **rest: Any) -> EnvSpec:
        """Return a spec with one group, named ``"agent"``.

        Args:
            observation: As of `GroupSpec`.
            action: As of `GroupSpec`.
            **rest: ``agents``, ``info``, ``reward_dtype``, ``mask`` of the group; or of the env.
        """
        keys = [key for key in ("agents", "info", "reward_dtype", "mask") if key in rest]
        group = GroupSpec("agent", observation, action, **{key: rest.pop(key) for key in keys})
        return cls((group,), **rest)

    @property
    def group(self) -> GroupSpec:
        """The only group.

        Raises:
            SpecError: There are several.
        """
        if len(self.groups) != 1:
            names = ", ".join(group.name for group in self.groups)
            raise SpecError(f"spec has the groups {names}, expected one: choose one of spec.groups")
        return self.groups[0]

    @property
    def agents(self) -> int:
        """Agents in one env, of all groups together."""
        return sum(group.agents for group in self.groups)

    def to_json(self) -> str:
        """Return the one JSON text of this spec: sorted keys, indented by two."""
        data = {
            "layout": LAYOUT_VERSION,
            "name": self.name,
            "groups": [group.to_json() for group in self.groups],
            "parameters": dict(self.parameters),
            "message_bytes": self.message_bytes,
            "render": self.render,
            "render_fps": self.render_fps,
        }
        return json.dumps(data, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, data: str | bytes | Mapping[str, Any]) -> EnvSpec:
        """Build a spec from JSON text, or from what a JSON reader made of it.

        Raises:
            SpecError: Not strict JSON, a key is unknown or missing, or a value is wrong; the text
                names its path, such as ``groups[0].observation.camera.dtype``.
            LayoutMismatch: The spec was written for another layout.
        """
        given = parsed(data) if isinstance(data, (str, bytes)) else data
        checks.expect_object("spec", given)
        checks.expect_keys(given, _ENV_KEYS)
        given = dict(given)
        layout = given.pop("layout", LAYOUT_VERSION)
        if layout != LAYOUT_VERSION or isinstance(layout, bool):
            raise LayoutMismatch(
                f"spec has layout {layout!r}, this uerl_shm reads {LAYOUT_VERSION}: "
                "rebuild the simulator against the same uerl_shm"
            )
        listed = given.get("groups")
        if not isinstance(listed, (list, tuple)):
            raise SpecError(f"groups {listed!r}, expected a list of objects")
        groups = []
        for index, group in enumerate(listed):
            checks.expect_object(f"groups[{index}]", group)
            with checks.inside(f"groups[{index}]"):
                groups.append(GroupSpec.from_json(group))
        return cls(**{**given, "groups": groups})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EnvSpec:
        """Read a spec from a JSON file; errors begin with its path."""
        try:
            return cls.from_json(Path(path).read_bytes())
        except (SpecError, LayoutMismatch) as error:
            raise type(error)(f"{os.fspath(path)}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the spec to a JSON file."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    def __reduce__(self) -> tuple[Any, ...]:
        return EnvSpec.from_json, (self.to_json(),)


def parsed(text: str | bytes) -> Any:
    """Read strict JSON: neither NaN nor Infinity, and no key twice."""

    def refuse(token: str) -> NoReturn:
        raise SpecError(f"spec has {token}, which is not JSON, expected a number or null")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)
        for key, count in counts.items():
            if count > 1:
                raise SpecError(f"spec has {key!r} {count} times in one object, expected it once")
        return dict(pairs)

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except SpecError:
        raise
    except (ValueError, RecursionError) as error:
        raise SpecError(f"spec is not JSON, expected an object with groups: {error}") from None


def _group_name(name: object) -> str:
    checks.checked_name("name", name)
    assert isinstance(name, str)
    if not re.fullmatch("[a-z0-9_]+", name):
        raise SpecError(f"name {name!r}, expected only letters a-z, digits and underscores")
    return name


def _arrays(what: str, prefix: str, arrays: object, least: int) -> Mapping[str, ArraySpec]:
    if not isinstance(arrays, Mapping):
        raise SpecError(f"{what} {arrays!r}, expected names and their ArraySpec")
    if len(arrays) < least:
        raise SpecError(f"{what} has no array, expected at least {least}")
    for name, array in arrays.items():
        checks.checked_name(f"{what} array", name, prefix)
        if not isinstance(array, ArraySpec):
            raise SpecError(f"{what}.{name} {array!r}, expected an ArraySpec")
    return MappingProxyType({name: arrays[name] for name in sorted(arrays)})


def _space(what: str, arrays: Mapping[str, ArraySpec]) -> gymnasium.Space[Any]:
    spaces = {}
    for name, array in arrays.items():
        with checks.inside(f"{what}.{name}"):
            spaces[name] = array.space()
    return gymnasium.spaces.Dict(spaces) if len(spaces) > 1 else spaces.popitem()[1]


def _groups(groups: object) -> tuple[GroupSpec, ...]:
    if isinstance(groups, GroupSpec) or not isinstance(groups, Iterable):
        raise SpecError(f"groups {groups!r}, expected a sequence of GroupSpec")
    checked = tuple(groups)
    if not 1 <= len(checked) <= MAX_GROUPS:
        raise SpecError(f"groups has {len(checked)} entries, expected 1 to {MAX_GROUPS}")
    names: set[str] = set()
    for index, group in enumerate(checked):
        if not isinstance(group, GroupSpec):
            raise SpecError(f"groups[{index}] {group!r}, expected a GroupSpec")
        if group.name in names:
            raise SpecError(f"groups[{index}].name {group.name!r} is taken, expected another name")
        names.add(group.name)
    return checked


def _parameters(parameters: object) -> Mapping[str, float]:
    if not isinstance(parameters, Mapping):
        raise SpecError(f"parameters {parameters!r}, expected names and their numbers")
    for name, value in parameters.items():
        checks.checked_name("parameter", name, "parameter/")
        checks.checked_number(f"parameters.{name}", value)
    return MappingProxyType({name: float(parameters[name]) for name in sorted(parameters)})


def _render(name: str | None, observation: Mapping[str, ArraySpec]) -> str | None:
    pictures = [
        key
        for key, array in observation.items()
        if array.dtype == np.uint8 and len(array.shape) == 3 and array.shape[2] in (1, 3)
    ]
    if name is None:
        return pictures[0] if pictures else None
    if name not in pictures:
        raise SpecError(
            f"render {name!r} is not a picture of the first group, expected one of "
            f"{', '.join(pictures) or '(none)'}: a uint8 observation of 3 axes, the last 1 or 3"
        )
    return name


def _fps(value: Any) -> float:
    number = checks.checked_number("render_fps", value)
    if number <= 0:
        raise SpecError(f"render_fps {number}, expected more than 0")
    return number
