"""Reads what simulators wrote, row by row and as it is, and keeps what rules ask about.

An observer of the check's own segment: the learner normalises flags, this shows the bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm import _core
from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import SegmentCorrupt
from uerl_shm.spec import EnvSpec

Key = tuple[int, str]  # number of the group, name of the field
Rows = dict[Key, NDArray[Any]]

_WRITTEN = ("observation", "info", "final_observation", "final_info")
_OUTCOME = ("reward", "terminated", "truncated")
_FLAGS = ("terminated", "truncated", "mask")
_READ_S = 5.0  # a slot at rest is read at once


class RowReader:
    """Copies what simulators wrote in their last command.

    Attributes:
        keys: Group and name of every field that simulators write.
    """

    def __init__(self, segment_name: str, spec: EnvSpec) -> None:
        self._observer = _core.Observer(segment_name)
        header = self._observer.header()
        self._num_slots, self._num_lanes = header["num_slots"], header["num_lanes"]
        self._envs_per_lane = header["envs_per_lane"]
        self._agents = [group.agents for group in spec.groups]
        last = _core.ROLES["final_info"]  # roles up to here are the simulators'
        self._fields: dict[Key, int] = {
            (field["group"], field["name"]): number
            for number, field in enumerate(self._observer.fields())
            if field["role"] <= last
        }
        self.keys = list(self._fields)

    def read(self) -> Rows:
        """Return every field that simulators write, shape ``(rows, *shape)``."""
        slots = [self._observer.lane(lane)["slot"] for lane in range(self._num_lanes)]
        together = len(set(slots)) == 1
        rows: Rows = {}
        for (group, name), number in self._fields.items():
            per_lane = self._agents[group] * self._envs_per_lane
            if together:
                rows[group, name] = self._copy(number, slots[0], 0, per_lane * self._num_lanes)
                continue
            parts = [
                self._copy(number, slot, lane * per_lane, per_lane)
                for lane, slot in enumerate(slots)
            ]
            rows[group, name] = np.concatenate(parts)
        return rows

    def _copy(self, number: int, slot: int, row: int, count: int) -> NDArray[Any]:
        deadline_s = time.monotonic() + _READ_S
        while time.monotonic() < deadline_s:
            copied = self._observer.rows(number, slot, row, count)
            if copied is not None:
                return copied
        raise SegmentCorrupt(
            f"slot {slot} stays in writing for {_READ_S:g} s, expected it at rest after a step"
        )


@dataclass
class Event:
    """What one command brought one world.

    Attributes:
        kind: ``"reset"`` or ``"step"``.
        digests: Field to a digest of the rows of agents that are present.
        done: Field to a digest of the rows of agents whose episode ended by this step; in
            SAME_STEP of their final rows. Empty if there are none.
        ended: Whether every agent is done or absent: the world's episode is over.
    """

    kind: str
    digests: dict[str, bytes]
    done: dict[str, bytes]
    ended: bool


@dataclass
class Findings:
    """What was seen in all rows of a check; texts name the first case of each kind.

    Attributes:
        flags: Flags that are neither 0 nor 1.
        bounds: Values out of the spec's bounds.
        finite: NaN anywhere, or infinite rewards.
        resets: Outcomes of a reset that are not 0.
        unchanged: Observations and infos that never changed, and what they hold.
        episodes: Worlds' episodes that ended.
    """

    flags: str = ""
    bounds: str = ""
    finite: str = ""
    resets: str = ""
    episodes: int = 0
    unchanged: dict[Key, str] = field(default_factory=dict)
    _first: dict[Key, bytes] = field(default_factory=dict)
    _changed: set[Key] = field(default_factory=set)


class Recorder:
    """Turns rows into events of worlds, and notes what is wrong in them.

    Attributes:
        findings: What was noted so far.
    """

    def __init__(self, spec: EnvSpec, findings: Findings) -> None:
        self._spec = spec
        self._bounds = dict(_bounds_of(spec))
        self.findings = findings

    def event(self, rows: Rows, world: int, kind: str, same_step: bool) -> Event:
        """Return the event of one world, whose rows were written by the last command."""
        own = {key: self._of_world(array, key[0], world) for key, array in rows.items()}
        present: dict[int, NDArray[np.bool_]] = {}
        done: dict[int, NDArray[np.bool_]] = {}
        for group, spec in enumerate(self._spec.groups):
            flags = own[group, "terminated"].view(np.uint8) | own[group, "truncated"].view(np.uint8)
            done[group] = (flags != 0) & (kind == "step")
            mask = own.get((group, "mask"), np.ones(spec.agents, np.uint8))
            present[group] = (mask.view(np.uint8) != 0) | done[group]
        any_done = any(rows_done.any() for rows_done in done.values())
        going_on = any((present[group] & ~done[group]).any() for group in done)
        self._note(own, present, done, world, kind)
        ended = any_done and not going_on
        self.findings.episodes += ended
        digests = self._digests(own, present, "")
        final = self._digests(own, done, "final_" if same_step else "") if any_done else {}
        return Event(kind, digests, final, ended)

    def _digests(
        self, own: Rows, chosen: dict[int, NDArray[np.bool_]], final: str
    ) -> dict[str, bytes]:
        return {
            name: _digest(own[group, field_name][chosen[group]])
            for name, group, field_name in self._compared(final)
        }

    def _of_world(self, array: NDArray[Any], group: int, world: int) -> NDArray[Any]:
        agents = self._spec.groups[group].agents
        return array[world * agents : (world + 1) * agents]

    def _compared(self, final: str) -> Iterator[tuple[str, int, str]]:
        """Yield the name, the group and the field of everything that two runs must agree on."""
        several = len(self._spec.groups) > 1
        for group, spec in enumerate(self._spec.groups):
            arrays = [f"observation/{name}" for name in spec.observation]
            arrays += [f"info/{name}" for name in spec.info]
            names = [(name, final + name) for name in arrays]
            names += [(name, name) for name in _OUTCOME]
            for name, field_name in names:
                yield (f"{spec.name}:{name}" if several else name), group, field_name

    # Noting --------------------------------------------------------------------------------------

    def _note(
        self,
        own: Rows,
        present: dict[int, NDArray[np.bool_]],
        done: dict[int, NDArray[np.bool_]],
        world: int,
        kind: str,
    ) -> None:
        for (group, name), array in own.items():
            what = f"{name} of env {world}"
            if name in _FLAGS:
                self._note_flags(array, what)
                if name != "mask" and kind == "reset" and array.view(np.uint8).any():
                    self._note_reset(f"{what} is {int(array.view(np.uint8).max())} after a reset")
                continue
            rows = array[done[group] if name.startswith("final_") else present[group]]
            if not rows.size:
                continue
            if name == "reward":
                if kind == "reset" and rows.any():
                    self._note_reset(f"{what} is {rows.max()} after a reset")
                if not np.isfinite(rows).all():
                    self.findings.finite = self.findings.finite or f"{what} is not finite"
                continue
            self._note_values((group, name), rows, what)

    def _note_flags(self, array: NDArray[Any], what: str) -> None:
        raw = array.view(np.uint8)
        if raw.max() > 1 and not self.findings.flags:
            self.findings.flags = f"{what} is {int(raw.max())}"

    def _note_reset(self, text: str) -> None:
        self.findings.resets = self.findings.resets or text

    def _note_values(self, key: Key, rows: NDArray[Any], what: str) -> None:
        findings = self.findings
        if rows.dtype.kind in "fc" and np.isnan(rows).any():
            findings.finite = findings.finite or f"{what} holds NaN"
        low, high = self._bounds[key]
        if low is not None and not findings.bounds:
            outside = (rows < low) | (rows > high)
            if outside.any():
                value = rows[outside].flat[0]
                findings.bounds = f"{what} holds {value}, its bounds are {_range(low, high)}"
        if key not in findings._changed and not key[1].startswith("final_"):
            digest = _digest(rows[:1])
            if findings._first.setdefault(key, digest) != digest:
                findings._changed.add(key)
                findings.unchanged.pop(key, None)
            else:
                findings.unchanged[key] = "one value" if rows[:1].any() else "zeros"


def _bounds_of(spec: EnvSpec) -> Iterator[tuple[Key, tuple[Any, Any]]]:
    """Yield the bounds of each field that a simulator writes; None where every value is allowed."""
    for number, group in enumerate(spec.groups):
        for role in _WRITTEN:
            arrays = group.observation if role.endswith("observation") else group.info
            for name, array in arrays.items():
                key = number, f"{role}/{name}"
                if array.dtype.kind in "bc" or _is_free(array):
                    yield key, (None, None)
                else:
                    yield key, array.bounds()


def _is_free(array: ArraySpec) -> bool:
    """Whether every value of the dtype is allowed."""
    if array.kind != "box" or (array.low is None and array.high is None):
        return array.kind == "box"
    low, high = array.bounds()
    if array.dtype.kind == "f":
        return False
    whole = np.iinfo(array.dtype)
    return bool((low == whole.min).all() and (high == whole.max).all())


def _range(low: Any, high: Any) -> str:
    return f"{np.min(low)} to {np.max(high)}"


def _digest(rows: NDArray[Any]) -> bytes:
    return blake2b(np.ascontiguousarray(rows).data, digest_size=16).digest()
