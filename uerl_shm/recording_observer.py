"""Follows the steps of a living segment from outside: holds nothing, slows nobody down.

A step is seen whole only if it is read between its delivery and the next one's; what comes faster
than this process reads is dropped and counted. docs/howto/demonstrations.md has the whole rule.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm import _core
from uerl_shm.host import RESET, STEP
from uerl_shm.recording_tape import Bools, Ints, Part, Tape, some_parts
from uerl_shm.spec import EnvSpec, GroupSpec

_READY = 2  # enum uerl_lane_state
_SAME_STEP = 1  # enum uerl_autoreset_mode
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 20e-6, 1e-3
_NOTICED_S = 0.25  # a learner looks for a recorder every 0.1 s, when it sends
_WRAP = 1 << 32  # of the counts in a lane's words


@dataclass
class _Lane:
    """What was seen of a lane.

    Attributes:
        generation: Of its simulator; 0: it is not followed.
        delivered: Results that the learner had read.
        slot: Where the rows of the last of them are.
        batches: Batches that the learner had sent, less the commands of this lane. It stays the
            same while every batch is for all lanes.
    """

    generation: int = 0
    delivered: int = 0
    slot: int = 0
    batches: int = 0


class Follower:
    """Reads each step of a segment's simulators, for as long as it can follow.

    Args:
        name: Of the segment.
        path: Of the data set to be made.
        lossless: Let the learner wait for what is read here before it sends commands.

    Attributes:
        tape: What was recorded.

    Raises:
        SegmentNotFound: There is no segment of that name.
        SegmentExists: Another process records it without loss.
        SpecError: As of `Tape`.
    """

    def __init__(self, name: str, path: str | os.PathLike[str], lossless: bool = False) -> None:
        self._observer = _core.Observer(name)
        self._lossless = lossless
        self._header = self._observer.header()
        self._spec = EnvSpec.from_json(json.loads(self._observer.text())["spec"])
        self._lanes = [_Lane() for _ in range(self._header["num_lanes"])]
        self._envs: int = self._header["envs_per_lane"]
        self._final = self._header["autoreset_mode"] == _SAME_STEP
        self._fields = {
            (field["group"], field["name"]): number
            for number, field in enumerate(self._observer.fields())
        }
        self._quiet: tuple[int, int] | None = None  # the learner's words when all had been seen
        if lossless:
            self._observer.begin_recording()
            time.sleep(_NOTICED_S)
        self.tape = Tape(self._spec, len(self._lanes) * self._envs, path)

    def follow(self) -> Iterator[bool]:
        """Write what is seen to the tape, until the learner has ended.

        Yields:
            After each look, whether something was new.
        """
        pause_s = _SHORTEST_PAUSE_S
        while True:
            header = self._observer.header()
            news = (header["progress"], header["batches"]) != self._quiet and self._look(header)
            yield news
            if header["closed"] or not header["owner_alive"]:
                return
            pause_s = _SHORTEST_PAUSE_S if news else min(pause_s * 1.2, _LONGEST_PAUSE_S)
            time.sleep(pause_s)

    def _look(self, header: dict[str, Any]) -> bool:
        """Read what is new; return whether anything was."""
        words = [self._observer.lane(lane) for lane in range(len(self._lanes))]
        if self._observer.header()["progress"] != header["progress"]:
            return False  # a batch was sent meanwhile: these words belong to two moments
        fresh = [lane for lane, word in enumerate(words) if self._is_new(lane, word, header)]
        places = [
            (words[lane]["slot"], self._lanes[lane].slot, lane - index)
            for index, lane in enumerate(fresh)
        ]
        for _, run in groupby(zip(places, fresh, strict=True), key=lambda pair: pair[0]):
            self._read([lane for _, lane in run], words)  # neighbours with the same slots
        pairs = list(zip(self._lanes, words, strict=True))
        if self._lossless:
            self._acknowledge(pairs)
        up_to_date = all(lane.delivered == w["results_read"] == w["commands"] for lane, w in pairs)
        self._quiet = (header["progress"], header["batches"]) if up_to_date else None
        return bool(fresh)

    def _acknowledge(self, pairs: list[tuple[_Lane, dict[str, Any]]]) -> None:
        """Tell the learner, if everything that it has delivered was read."""
        count = 0
        for lane, word in pairs:
            if lane.generation == 0:  # not followed yet, or again
                count += word["results_read"]
                continue
            unread = (word["results_read"] - lane.delivered) % _WRAP
            if unread > 1 or (unread == 1 and word["slot"] != lane.slot):
                return
            count += lane.delivered
        self._observer.acknowledge(count)

    def _is_new(self, number: int, word: dict[str, Any], header: dict[str, Any]) -> bool:
        """Whether a lane has rows that follow those that were read last."""
        lane = self._lanes[number]
        if not _is_good(word):
            self._lose(number, "lost")
            return False
        if lane.generation != word["generation"]:
            self._lose(number, "lost")
            self._take_up(number, word, header)
            return False
        count = (word["results_read"] - lane.delivered) % _WRAP
        if count == 0:
            if word["slot"] != lane.slot and word["commands"] == word["results_read"]:
                lane.slot = word["slot"]  # it had not been delivered when we took it up
            return False
        batches = (header["progress"] - word["commands"]) % _WRAP
        waiting = word["commands"] != word["results_read"]
        # A batch that was for other lanes may have moved this one's rows: nobody says where to.
        moved = batches != lane.batches and not (waiting and (batches + 1) % _WRAP == lane.batches)
        if count == 1 and not moved:
            return bool(word["slot"] != lane.slot)  # else it was read, but not delivered yet
        self.tape.counts.dropped += count * self._envs
        self._lose(number, "dropped")
        self._take_up(number, word, header)
        return False

    def _take_up(self, number: int, word: dict[str, Any], header: dict[str, Any]) -> None:
        """Follow a lane from here on, if nothing of it is under way."""
        if word["commands"] != word["results_read"]:
            return
        batches = (header["progress"] - word["commands"]) % _WRAP
        found = _Lane(word["generation"], word["results_read"], word["slot"], batches)
        if (word["generation"], word["results_read"]) == (1, 1):  # the first reset: not too late
            found.delivered, found.slot = 0, self._header["num_slots"]
        self._lanes[number] = found

    def _lose(self, number: int, why: str) -> None:
        if self._lanes[number].generation:
            self._lanes[number] = _Lane()
            self.tape.cut(self._worlds([number]), why)

    def _worlds(self, lanes: list[int]) -> Ints:
        return (np.array(lanes)[:, None] * self._envs + np.arange(self._envs)).reshape(-1)

    # Rows ---------------------------------------------------------------------------------------

    def _read(self, lanes: list[int], words: list[dict[str, Any]]) -> None:
        """Copy what neighbours have new, and keep it if nobody wrote meanwhile."""
        word = words[lanes[0]]
        found = self._copy(lanes, word["slot"], self._lanes[lanes[0]].slot)
        if found is None:
            return
        keys = ("generation", "results_read", "slot")
        for lane in lanes:
            now = self._observer.lane(lane)
            if not _is_good(now) or any(words[lane][key] != now[key] for key in keys):
                return  # the next look finds out what was missed
        for lane in lanes:
            self._lanes[lane].delivered = words[lane]["results_read"]
            self._lanes[lane].slot = words[lane]["slot"]
        self._write(self._worlds(lanes), found)

    def _copy(self, lanes: list[int], slot: int, action_slot: int) -> _Found | None:
        """Return the rows of some neighbours, or None where a copy was torn."""
        parts, finals, actions = [], [], []
        control = seeds = None
        begun = action_slot == self._header["num_slots"]  # nothing came before: it is a reset
        for number, group in enumerate(self._spec.groups):
            per_lane = self._envs * group.agents
            first, count = lanes[0] * per_lane, len(lanes) * per_lane
            rows = _RowsOf(self._observer, self._fields, number, first, count)
            try:
                parts.append(_part(rows, group, slot, final=False))
                if self._final:
                    finals.append(_part(rows, group, slot, final=True))
                if begun:
                    continue
                control = rows.flat("control", action_slot).reshape(-1, group.agents)[:, 0]
                seeds = rows.flat("seed", action_slot).reshape(-1, group.agents)[:, 0]
                names = list(group.action)
                actions.append({name: rows.flat(f"action/{name}", action_slot) for name in names})
            except _Torn:
                return None
        worlds = len(lanes) * self._envs
        if control is None or seeds is None:
            control, seeds = np.full(worlds, RESET), np.full(worlds, -1, np.int64)
        return _Found(control, seeds, parts, finals, actions)

    def _write(self, worlds: Ints, found: _Found) -> None:
        groups = self._spec.groups
        begun, stepped = found.control == RESET, found.control == STEP
        if begun.any():
            parts = some_parts(groups, found.parts, begun)
            self.tape.begin(worlds[begun], parts, found.seeds[begun])
        if not stepped.any():
            return
        actions = [
            {name: array[np.repeat(stepped, group.agents)] for name, array in arrays.items()}
            for group, arrays in zip(groups, found.actions, strict=True)
        ]
        finals = some_parts(groups, found.finals, stepped) if self._final else None
        parts = some_parts(groups, found.parts, stepped)
        self.tape.step(worlds[stepped], parts, actions, finals)


@dataclass(frozen=True)
class _Found:
    """What some lanes had new: control and seed of each world, and of each group its rows."""

    control: NDArray[Any]
    seeds: Ints
    parts: list[Part]
    finals: list[Part]
    actions: list[dict[str, NDArray[Any]]]


class _Torn(Exception):
    """Somebody wrote while we read."""


@dataclass
class _RowsOf:
    """Reads rows of one group."""

    observer: Any
    fields: dict[tuple[int, str], int]
    group: int
    first: int
    count: int

    def flat(self, name: str, slot: int) -> NDArray[Any]:
        """Return a copy of the rows of an array in a slot."""
        number = self.fields[self.group, name]
        rows: NDArray[Any] | None = self.observer.rows(number, slot, self.first, self.count)
        if rows is None:
            raise _Torn
        return rows

    def flags(self, name: str, slot: int) -> Bools:
        """Likewise, of flags: any value but 0 is true."""
        flags: Bools = self.flat(name, slot).view(np.uint8) != 0
        return flags


def _part(rows: _RowsOf, group: GroupSpec, slot: int, final: bool) -> Part:
    before = "final_" if final else ""
    return Part(
        {name: rows.flat(f"{before}observation/{name}", slot) for name in group.observation},
        {name: rows.flat(f"{before}info/{name}", slot) for name in group.info},
        rows.flags("mask", slot) if group.mask else None,
        rows.flat("reward", slot),
        rows.flags("terminated", slot),
        rows.flags("truncated", slot),
    )


def _is_good(word: dict[str, Any]) -> bool:
    """Whether a lane's simulator lives, is ready, in time, and was not told to leave."""
    generation = word["generation"]
    ready = word["locked"] and word["state"] == _READY and generation != 0
    return bool(ready and generation not in (word["late"], word["fence"]))
