"""Whole steps of a segment, read without being part of it: for `uerl-shm view --web`.

Rows of a lane are read field by field, and belong together only if the simulator was not asked to
write that slot again meanwhile. Commands tell: the rows of result k are overwritten by command
k + 2 at the earliest, because command k + 1 goes to another slot.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm import _core
from uerl_shm.cli.segments import ROLE_NAMES
from uerl_shm.pictures import Kind, kind_of, picture_shape

SHOWN_ROLES = (
    *("observation", "info", "annotation", "action"),
    *("reward", "terminated", "truncated", "mask"),
)
PATIENCE_S = 0.1  # of all lanes of one look together, where they are torn
PAUSE_S = 0.0005
_WORD = 0xFFFFFFFF  # ring indices run freely


@dataclass(frozen=True)
class Field:
    """One array of the segment.

    Attributes:
        number: As `_core.Observer.rows` takes it.
        group: Number of its group.
        role: In words.
        name: With its role, such as ``"observation/camera"``; a scalar's is its role.
        dtype, shape: Of one row.
        kind: How a picture is coloured; None: it is none.
    """

    number: int
    group: int
    role: str
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    kind: Kind | None

    @property
    def short(self) -> str:
        """The name without its role."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True)
class Step:
    """What the rows of one lane held at one moment.

    Attributes:
        arrays: By number of the field: shape ``(rows of the lane, *shape)``.
        acted: Whether actions and annotations are those for these observations: the learner has
            sent them. If not, they may be of an earlier step.
    """

    arrays: dict[int, NDArray[Any]]
    acted: bool


class Reader:
    """Reads the steps of one segment.

    Attributes:
        run_id: Of its learner.
        groups: Name, agents of each world, and rows of each group.
        fields: What is shown, in the segment's order.
        num_lanes, envs_per_lane: Of the segment.
    """

    def __init__(self, name: str) -> None:
        self._observer = _core.Observer(name)
        header = self._observer.header()
        self.run_id: int = header["run_id"]
        self.num_lanes: int = header["num_lanes"]
        self.envs_per_lane: int = header["envs_per_lane"]
        self._num_slots: int = header["num_slots"]
        self.groups: list[tuple[str, int, int]] = self._observer.groups()
        self.fields = [
            _field(number, field)
            for number, field in enumerate(self._observer.fields())
            if ROLE_NAMES.get(field["role"]) in SHOWN_ROLES
        ]

    @property
    def num_torn(self) -> int:
        """Copies that were taken while somebody wrote, and dropped."""
        return int(self._observer.num_torn)

    def steps(self, lanes: Sequence[int], fields: Sequence[Field]) -> list[Step | None]:
        """Read the last delivered step of each of ``lanes``.

        Args:
            lanes: Numbers of lanes.
            fields: Of one group; what to read.

        Returns:
            None for a lane that has no step yet, or whose learner was too fast to be read this
            time: nobody waits for a reader.
        """
        deadline_s = time.monotonic() + PATIENCE_S
        return [self._step(lane, fields, deadline_s) for lane in lanes]

    def _step(self, lane: int, fields: Sequence[Field], deadline_s: float) -> Step | None:
        while True:
            before = self._observer.lane(lane)
            if before["slot"] >= self._num_slots:
                return None
            arrays = self._read(lane, before["slot"], fields)
            after = self._observer.lane(lane)
            sent = after["commands"] - before["results_read"] & _WORD
            if arrays is not None and sent <= 1 and after["generation"] == before["generation"]:
                acted = before["commands"] - before["results_read"] & _WORD == 1
                return Step(arrays, acted)
            if time.monotonic() > deadline_s:
                return None
            time.sleep(PAUSE_S)

    def _read(self, lane: int, slot: int, fields: Sequence[Field]) -> dict[int, Any] | None:
        arrays = {}
        for field in fields:
            count = self.envs_per_lane * self.groups[field.group][1]
            rows = self._observer.rows(field.number, slot, lane * count, count)
            if rows is None:
                return None
            arrays[field.number] = rows
        return arrays


def _field(number: int, field: dict[str, Any]) -> Field:
    role, dtype, shape = ROLE_NAMES[field["role"]], np.dtype(field["dtype"]), field["shape"]
    short = field["name"].rpartition("/")[2]
    shows = role in ("observation", "info") and picture_shape(shape) is not None
    kind = kind_of(short, dtype, shape) if shows else None
    return Field(number, field["group"], role, field["name"], dtype, tuple(shape), kind)
