"""The current pictures of a segment, read without being part of it; for `uerl-shm view`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm import _core
from uerl_shm.cli.mosaic import Picture, Tile, compose
from uerl_shm.cli.segments import state_of
from uerl_shm.errors import SpecError
from uerl_shm.pictures import Kind, kind_of, picture_shape, to_pictures

TORN_RETRY_S = 2.0  # a slot at rest is found at once, unless the learner is very fast


@dataclass(frozen=True)
class View:
    """A mosaic and what is to be said about it.

    Attributes:
        picture: Shape ``(height, width, 3)``.
        shown: Tiles that have a picture.
        total: Rows that there are.
        value_range: What the colours of depth span: near and far; None for other kinds.
    """

    picture: Picture
    shown: int
    total: int
    value_range: tuple[float, float] | None


class Frames:
    """Reads one array of one group of a segment.

    Attributes:
        array: Name of the array, without its role.
        group: Name of the group.
        kind: How it is coloured.
    """

    def __init__(self, name: str, group: str | None, array: str | None, kind: Kind | None) -> None:
        self._observer = _core.Observer(name)
        self.name = name
        self._header = self._observer.header()
        groups = self._observer.groups()
        fields = [
            (number, field)
            for number, field in enumerate(self._observer.fields())
            if field["role"] in (_core.ROLES["observation"], _core.ROLES["info"])
        ]
        chosen = _choose_group(name, groups, fields, group)
        self.group, self._agents, self._num_rows = groups[chosen]
        own = [(number, field) for number, field in fields if field["group"] == chosen]
        self._number, field = _choose_array(name, own, array)
        self.array = field["name"].partition("/")[2]
        self._shape = field["shape"]
        self.kind = kind or kind_of(self.array, np.dtype(field["dtype"]), self._shape)
        self._mask = next(
            (
                number
                for number, other in enumerate(self._observer.fields())
                if other["group"] == chosen and other["role"] == _core.ROLES["mask"]
            ),
            None,
        )

    @property
    def alive(self) -> bool:
        """Whether the learner lives."""
        return bool(self._observer.header()["owner_alive"])

    def look(self, max_envs: int) -> View:
        """Read the latest picture of each row, up to ``max_envs`` envs."""
        per_lane = self._header["envs_per_lane"] * self._agents
        wanted = min(self._num_rows, max_envs * self._agents)
        rows: list[NDArray[Any] | None] = []
        alarms, dims = [], []
        for lane in range(-(-wanted // per_lane)):
            pictures, present, alarm = self._lane(lane, per_lane)
            rows += [None] * per_lane if pictures is None else list(pictures)
            dims += [not here for here in present]
            alarms += [alarm] * per_lane
        rows = rows[:wanted]
        there = [index for index, row in enumerate(rows) if row is not None]
        coloured: dict[int, Picture] = {}
        value_range = None
        if there:
            stacked = np.stack([row for row in rows if row is not None])
            pictures, value_range = to_pictures(stacked, self.kind)
            coloured = dict(zip(there, pictures, strict=True))
        found = picture_shape(self._shape)
        assert found is not None
        tiles = [
            Tile(self._label(index), coloured.get(index), alarms[index], dims[index])
            for index in range(wanted)
        ]
        return View(compose(tiles, *found[:2]), len(there), self._num_rows, value_range)

    def _label(self, row: int) -> str:
        env, agent = divmod(row, self._agents)
        return str(env) if self._agents == 1 else f"{env}.{agent}"

    def _lane(self, number: int, count: int) -> tuple[NDArray[Any] | None, list[bool], bool]:
        """Return a lane's rows (None before its first step), who is present, and its alarm."""
        deadline_s = time.monotonic() + TORN_RETRY_S
        while True:
            lane = self._observer.lane(number)
            alarm = state_of(lane) == "lost"
            if lane["slot"] >= self._header["num_slots"]:
                return None, [True] * count, alarm
            first = number * count
            rows = self._observer.rows(self._number, lane["slot"], first, count)
            present = [True] * count
            if rows is not None and self._mask is not None:
                mask = self._observer.rows(self._mask, lane["slot"], first, count)
                present = present if mask is None else mask.astype(bool).tolist()
            if rows is not None:
                return rows, present, alarm
            if time.monotonic() > deadline_s:
                return None, present, alarm


def _choose_group(name: str, groups: Any, fields: Any, wanted: str | None) -> int:
    names = [group[0] for group in groups]
    if wanted is not None:
        if wanted not in names:
            raise SpecError(f"group {wanted!r} is not in segment {name}, expected one of {names}")
        return names.index(wanted)
    with_pictures = [field["group"] for _, field in fields if picture_shape(field["shape"])]
    return min(with_pictures, default=0)


def _choose_array(name: str, fields: Any, wanted: str | None) -> tuple[int, dict[str, Any]]:
    names = [field["name"].partition("/")[2] for _, field in fields]
    pictures = [place for place, (_, field) in enumerate(fields) if picture_shape(field["shape"])]
    if wanted is not None:
        if wanted not in names:
            raise SpecError(f"array {wanted!r} is not in segment {name}, expected one of {names}")
        place = names.index(wanted)
        if place not in pictures:
            raise SpecError(
                f"array {wanted!r} has shape {fields[place][1]['shape']}, expected a picture: "
                "(height, width) or (height, width, channels)"
            )
        return fields[place]  # type: ignore[no-any-return]
    if not pictures:
        shapes = ", ".join(f"{n} {f['shape']}" for n, (_, f) in zip(names, fields, strict=True))
        raise SpecError(
            f"segment {name} has no picture to show ({shapes}), expected an array of shape "
            "(height, width) or (height, width, channels)"
        )
    # Colours before depth and labels: what a person would look at first.
    best = min(pictures, key=lambda place: _rank(names[place], fields[place][1]))
    return fields[best]  # type: ignore[no-any-return]


def _rank(name: str, field: dict[str, Any]) -> int:
    kind = kind_of(name, np.dtype(field["dtype"]), field["shape"])
    return ("rgb", "gray", "depth", "labels").index(kind)
