"""What the page of `uerl-shm view --web` is told, as JSON with PNGs in it.

Frames and figures of a row come from one step, so one answer holds them both. Work is bounded: an
answer is made at most every `MIN_INTERVAL_S` whoever asks, by one thread at a time, and nothing is
read while nobody asks.
"""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm.cli import png
from uerl_shm.cli.samples import Sample, Watch, rates
from uerl_shm.cli.view_rows import Field, Reader, Step
from uerl_shm.errors import SegmentNotFound, SpecError
from uerl_shm.pictures import picture_shape, to_pictures

MIN_INTERVAL_S = 0.1
RATES_S = 1.0  # rates are of such a time
STALE_S = 5.0  # nobody asked for so long: rates begin anew
MAX_PIXELS = 2_000_000  # of all pictures in one answer
MAX_NUMBERS = {"overview": 16, "row": 512}  # of one array of one row
FEW_NUMBERS = 64  # of a picture: they are shown as numbers, too
MAX_ROW_BYTES = 4096  # of an array in the overview: others are shown with their row only


class State:
    """Answers for one name, over restarts of its learner.

    Args:
        name: Of the segment.
        max_envs: Envs that are shown at most, from the first.

    Raises:
        SegmentNotFound: There is none.
    """

    def __init__(self, name: str, max_envs: int) -> None:
        self.name = name
        self._max_envs = max_envs
        self._lock = threading.Lock()
        self._answers: dict[tuple[Any, ...], tuple[float, bytes]] = {}
        self._opened: tuple[Watch, Reader] | None = (Watch(name), Reader(name))
        self._looked_s = 0.0
        self._sample: Sample | None = None
        self._rates: dict[str, Any] | None = None

    def overview(self, group: str | None, array: str | None) -> bytes:
        """Return rates, lanes, and all rows of one group with one picture each.

        Raises:
            SpecError: The segment has no such group or picture.
        """
        return self._answer(("overview", group, array), lambda: self._overview(group, array))

    def row(self, group: str | None, row: int) -> bytes:
        """Return every array of one row.

        Raises:
            SpecError: The segment has no such group or row.
        """
        return self._answer(("row", group, row), lambda: self._row(group, row))

    def _answer(self, key: tuple[Any, ...], make: Callable[[], dict[str, Any]]) -> bytes:
        with self._lock:
            now_s = time.monotonic()
            made = self._answers.get(key)
            if made is not None and now_s - made[0] < MIN_INTERVAL_S:
                return made[1]
            self._look(now_s)
            text = json.dumps(make(), separators=(",", ":"), allow_nan=False).encode()
            self._answers = {k: v for k, v in self._answers.items() if now_s - v[0] < STALE_S}
            self._answers[key] = now_s, text
            return text

    def _look(self, now_s: float) -> None:
        """Take a sample when it is time; let go of a learner that ended, follow the next one."""
        if now_s - self._looked_s < RATES_S:
            return
        self._looked_s = now_s
        try:
            watch, reader = self._opened or (Watch(self.name), Reader(self.name))
            sample = watch.sample()
            if sample.header["run_id"] != reader.run_id:
                reader = Reader(self.name)
        except SegmentNotFound:
            self._opened, self._sample, self._rates = None, None, None  # and its memory is free
            return
        self._opened = watch, reader
        before, self._sample = self._sample, sample
        is_recent = before is not None and sample.at_s - before.at_s < STALE_S
        self._rates = rates(watch, before, sample) if before and is_recent else None

    @property
    def _reader(self) -> Reader:
        if self._opened is None:
            raise SegmentNotFound(f"segment {self.name} is gone: its learner has ended")
        return self._opened[1]

    # Groups and arrays --------------------------------------------------------------------------

    def _group(self, wanted: str | None) -> int:
        names = [name for name, _, _ in self._reader.groups]
        if wanted is not None and wanted not in names:
            raise SpecError(
                f"group {wanted!r} is not in segment {self.name}, expected one of {names}"
            )
        if wanted is not None:
            return names.index(wanted)
        with_pictures = [field.group for field in self._reader.fields if field.kind]
        return min(with_pictures, default=0)

    def _fields(self, group: int) -> list[Field]:
        return [field for field in self._reader.fields if field.group == group]

    def _picture(self, group: int, wanted: str | None) -> Field | None:
        pictures = [field for field in self._fields(group) if field.kind]
        if wanted is not None:
            names = [field.name for field in pictures]
            if wanted not in names:
                raise SpecError(
                    f"picture {wanted!r} is not in segment {self.name}, expected {names}"
                )
            return pictures[names.index(wanted)]
        order = ("rgb", "gray", "depth", "labels")
        return min(pictures, key=lambda field: order.index(field.kind or ""), default=None)

    # Answers ------------------------------------------------------------------------------------

    def _overview(self, wanted: str | None, array: str | None) -> dict[str, Any]:
        if self._opened is None:
            return {"name": self.name, "state": "ended"}
        group = self._group(wanted)
        name, agents, num_rows = self._reader.groups[group]
        picture = self._picture(group, array)
        fields = [f for f in self._fields(group) if f is picture or _is_small(f)]
        per_lane = self._reader.envs_per_lane * agents
        shown = min(num_rows, self._max_envs * agents)
        steps = self._reader.steps(range(math.ceil(shown / per_lane)), fields)
        rows = [
            {
                "row": row,
                "env": row // agents,
                "agent": row % agents,
                "lane": row // per_lane,
                **_told(steps[row // per_lane], row % per_lane, fields, "overview"),
            }
            for row in range(shown)
        ]
        atlas = None if picture is None else _atlas(steps, picture, per_lane, shown)
        return {
            **self._about(),
            "group": name,
            "agents": agents,
            "num_rows": num_rows,
            "array": None if picture is None else picture.name,
            "rows": rows,
            "atlas": atlas,
        }

    def _row(self, wanted: str | None, row: int) -> dict[str, Any]:
        group = self._group(wanted)
        name, agents, num_rows = self._reader.groups[group]
        if not 0 <= row < num_rows:
            raise SpecError(f"row {row} of group {name}, expected one from 0 to {num_rows - 1}")
        per_lane = self._reader.envs_per_lane * agents
        fields = self._fields(group)
        (step,) = self._reader.steps([row // per_lane], fields)
        found = _told(step, row % per_lane, fields, "row")
        if step is not None:
            place = row % per_lane
            found["pictures"] = {
                field.name: _one_picture(step.arrays[field.number][place], field)
                for field in fields
                if field.kind
            }
        return {"group": name, "row": row, "env": row // agents, "agent": row % agents, **found}

    def _about(self) -> dict[str, Any]:
        sample = self._sample
        alive = sample is not None and sample.header["owner_alive"]
        return {
            "name": self.name,
            "state": "alive" if alive else "ended",
            "rates": None if self._rates is None else _plain(self._rates),
            "lanes": [] if sample is None else [lane["state"] for lane in sample.lanes],
            "num_torn": self._reader.num_torn,
            "groups": [
                {
                    "name": name,
                    "agents": agents,
                    "rows": rows,
                    "pictures": [f.name for f in self._fields(number) if f.kind],
                }
                for number, (name, agents, rows) in enumerate(self._reader.groups)
            ],
        }


def _is_small(field: Field) -> bool:
    return not field.kind and math.prod(field.shape) * field.dtype.itemsize <= MAX_ROW_BYTES


def _told(step: Step | None, place: int, fields: Sequence[Field], limit: str) -> dict[str, Any]:
    """Return the numbers of one row, by role and name; ``seen`` is false without a step."""
    if step is None:
        return {"seen": False}
    told: dict[str, Any] = {"seen": True, "acted": step.acted, "present": True}
    for field in fields:
        values = step.arrays[field.number][place]
        if field.role in ("reward", "terminated", "truncated"):
            told[field.role] = _number(values)
        elif field.role == "mask":
            told["present"] = bool(values)
        elif not field.kind or (limit == "row" and values.size <= FEW_NUMBERS):
            numbers = np.ravel(values)[: MAX_NUMBERS[limit]]
            told.setdefault(field.role, {})[field.short] = {
                "values": [_number(value) for value in numbers],
                "shape": list(field.shape),
                "dtype": field.dtype.name,
            }
    return told


def _number(value: Any) -> Any:
    """Return a number that JSON can say, with five digits; others as text."""
    found = value.item() if hasattr(value, "item") else value
    if isinstance(found, float):
        return float(f"{found:.5g}") if math.isfinite(found) else str(found)
    return str(found) if isinstance(found, complex) else found


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    return [_plain(value) for value in data] if isinstance(data, list) else _number(data)


def _atlas(
    steps: Sequence[Step | None], field: Field, per_lane: int, shown: int
) -> dict[str, Any] | None:
    """Return one picture that holds those of all rows, row by row, ``columns`` beside each other.

    Pictures that are too large in all are thinned out by ``thinned``; rows without one are black.
    """
    size = picture_shape(field.shape)
    assert size is not None
    thinned = math.ceil(math.sqrt(shown * size[0] * size[1] / MAX_PIXELS))
    known = [lane for lane, step in enumerate(steps) if step is not None]
    if not known:
        return None
    stacked = np.concatenate([_thin(_of(steps[lane], field), field, thinned) for lane in known])
    pictures, span = to_pictures(stacked, field.kind or "rgb")
    height, width = pictures.shape[1:3]
    columns = math.ceil(math.sqrt(shown))
    whole = np.zeros((math.ceil(shown / columns) * height, columns * width, 3), np.uint8)
    for index, picture in enumerate(pictures):
        row = known[index // per_lane] * per_lane + index % per_lane
        if row < shown:
            top, left = row // columns * height, row % columns * width
            whole[top : top + height, left : left + width] = picture
    return {
        "png": _encoded(whole),
        "columns": columns,
        "height": height,
        "width": width,
        "thinned": thinned,
        "kind": field.kind,
        "span": None if span is None else [_number(edge) for edge in span],
    }


def _of(step: Step | None, field: Field) -> NDArray[Any]:
    assert step is not None
    return step.arrays[field.number]


def _thin(rows: NDArray[Any], field: Field, step: int) -> NDArray[Any]:
    """Keep every ``step``-th pixel of rows of pictures."""
    if field.shape[0] <= 4 and len(field.shape) == 3:  # channels first
        return rows[:, :, ::step, ::step]
    return rows[:, ::step, ::step]


def _one_picture(picture: NDArray[Any], field: Field) -> dict[str, Any]:
    size = picture_shape(field.shape)
    assert size is not None
    thinned = max(math.ceil(math.sqrt(size[0] * size[1] / MAX_PIXELS)), 1)
    shown, span = to_pictures(_thin(picture[None], field, thinned), field.kind or "rgb")
    return {
        "png": _encoded(shown[0]),
        "height": shown.shape[1],
        "width": shown.shape[2],
        "thinned": thinned,
        "kind": field.kind,
        "span": None if span is None else [_number(edge) for edge in span],
    }


def _encoded(picture: NDArray[np.uint8]) -> str:
    packed = png.encode(picture, level=1)  # it travels no farther than this machine
    return "data:image/png;base64," + base64.b64encode(packed).decode()
