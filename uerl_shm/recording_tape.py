"""From batches of steps to the episodes of each agent, in blocks, and into a data set."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm.minari_data import GroupWriter, Piece, Place, folders_of
from uerl_shm.spec import EnvSpec, GroupSpec

BLOCK_BYTES = 1 << 26  # of all rows of a group together, at most
MAX_BLOCK_STEPS = 128
FLUSH_S = 5.0  # between two times that all is on disk

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """What a batch has of one group: arrays of one row for each agent of the worlds in it.

    Attributes:
        observation: Name to array ``(rows, *shape)``.
        info: Likewise.
        present: Bool ``(rows,)``; None: every agent is there.
        reward: Shape ``(rows,)``; None in a batch that only begins episodes.
        terminated: Bool ``(rows,)``.
        truncated: Bool ``(rows,)``.
    """

    observation: Mapping[str, NDArray[Any]]
    info: Mapping[str, NDArray[Any]]
    present: Bools | None = None
    reward: NDArray[Any] | None = None
    terminated: Bools | None = None
    truncated: Bools | None = None

    def rows(self, chosen: Ints | Bools) -> Part:
        """Return these rows of it."""

        def some(array: Any) -> Any:
            return None if array is None else array[chosen]

        return Part(
            {name: array[chosen] for name, array in self.observation.items()},
            {name: array[chosen] for name, array in self.info.items()},
            some(self.present),
            some(self.reward),
            some(self.terminated),
            some(self.truncated),
        )

    def ended_as(self, final: Part, rows: Bools) -> Part:
        """Return it with the last observations and infos of some rows."""

        def merged(arrays: Mapping[str, Any], finals: Mapping[str, Any]) -> dict[str, Any]:
            made = {name: array.copy() for name, array in arrays.items()}
            for name, array in made.items():
                array[rows] = finals[name][rows]
            return made

        observation = merged(self.observation, final.observation)
        return replace(self, observation=observation, info=merged(self.info, final.info))


@dataclass
class Counts:
    """What was recorded, and what was not.

    Attributes:
        episodes: Of agents, in the data set.
        steps: Of agents, in the data set or in an episode that goes on.
        cut: Episodes of worlds that ended before their flags said so: by a reset, a lost simulator,
            a dropped step, or the end of the recording.
        dropped: Steps of worlds that passed and were not seen.
        left_out: Steps of worlds that were seen, but whose episode's beginning was not.
    """

    episodes: int = 0
    steps: int = 0
    cut: int = 0
    dropped: int = 0
    left_out: int = 0


def worlds_over(spec: EnvSpec, parts: Sequence[Part]) -> Bools:
    """Return which worlds of a batch have ended: each agent is done or absent, one at least done.

    It is the learner's own rule (csrc/learner/delivery.cpp).
    """
    done, running = [], []
    for group, part in zip(spec.groups, parts, strict=True):
        assert part.terminated is not None and part.truncated is not None
        ended = part.terminated | part.truncated
        there = np.ones_like(ended) if part.present is None else part.present
        done.append(ended.reshape(-1, group.agents).any(axis=1))
        running.append((~ended & there).reshape(-1, group.agents).any(axis=1))
    over: Bools = np.logical_or.reduce(done) & ~np.logical_or.reduce(running)
    return over


def some_parts(groups: Sequence[GroupSpec], parts: Sequence[Part], chosen: Bools) -> Sequence[Part]:
    """Return what a batch has of some of its worlds; `chosen` is bool, one for each of them."""
    if chosen.all():
        return parts
    pairs = zip(groups, parts, strict=True)
    return [part.rows(np.repeat(chosen, group.agents)) for group, part in pairs]


class Tape:
    """Writes the episodes of every agent of some worlds to a Minari data set.

    Not for two threads at once.

    Args:
        spec: Of the env.
        num_worlds: How many worlds there are.
        path: Of the data set, which must not exist; see `uerl_shm.minari_data.folders_of`.

    Attributes:
        counts: What was recorded so far.

    Raises:
        SpecError: The data set's name has no version, or there is one.
    """

    def __init__(self, spec: EnvSpec, num_worlds: int, path: str | os.PathLike[str]) -> None:
        self.counts = Counts()
        self._spec = spec
        self._on = np.zeros(num_worlds, bool)  # an episode is under way
        self._episode = np.full(num_worlds, -1, np.int64)
        self._step = np.zeros(num_worlds, np.int64)
        self._seed = np.full(num_worlds, -1, np.int64)
        folders = folders_of(spec, path)
        self._rows = [
            _Rows(group, num_worlds, GroupWriter(*folders[group.name], spec, group, num_worlds))
            for group in spec.groups
        ]
        self._flushed_s = time.monotonic()

    def begin(self, worlds: Ints, parts: Sequence[Part], seeds: Ints | None = None) -> None:
        """Begin an episode in some worlds; one that is under way there is cut.

        Args:
            worlds: Numbers of worlds, shape ``(n,)``.
            parts: For each group the rows of these worlds.
            seeds: Of these worlds, -1 for none.
        """
        if len(worlds) == 0:
            return
        self.cut(worlds, "reset")
        self._on[worlds] = True
        self._episode[worlds] += 1
        self._step[worlds] = 0
        self._seed[worlds] = -1 if seeds is None else seeds
        for rows, part in zip(self._rows, parts, strict=True):
            numbers = rows.of(worlds)
            there = np.ones(len(numbers), bool) if part.present is None else part.present
            rows.begin(numbers[there], part.rows(there), 0)

    def step(
        self,
        worlds: Ints,
        parts: Sequence[Part],
        actions: Sequence[Mapping[str, Any]],
        finals: Sequence[Part] | None = None,
    ) -> Bools:
        """Add a step of some worlds; those without an episode under way are left out.

        Args:
            worlds: Numbers of worlds, shape ``(n,)``.
            parts: For each group the rows of these worlds, after the step.
            actions: For each group name to array ``(rows, *shape)``: what led there.
            finals: In mode SAME_STEP the last observations and infos of worlds that have ended;
                `parts` has the first ones of their next episodes, which begin here.

        Returns:
            Which of the worlds have ended, shape ``(n,)``.
        """
        on = self._on[worlds]
        over = worlds_over(self._spec, parts)
        last = parts
        if finals is not None and over.any():
            pairs = zip(self._rows, parts, finals, strict=True)
            last = [part.ended_as(final, np.repeat(over, r.agents)) for r, part, final in pairs]
        self._step[worlds] += 1
        self.counts.left_out += int((~on).sum())
        for rows, part, action in zip(self._rows, last, actions, strict=True):
            self._step_rows(rows, worlds, np.repeat(on, rows.agents), part, action)
        self._on[worlds[over]] = False
        if finals is not None and over.any():
            self.begin(worlds[over], some_parts(self._spec.groups, parts, over))
        return over

    def _step_rows(
        self, rows: _Rows, worlds: Ints, on: Bools, part: Part, action: Mapping[str, Any]
    ) -> None:
        numbers = rows.of(worlds)
        assert part.terminated is not None and part.truncated is not None
        done = part.terminated | part.truncated
        there = np.ones_like(done) if part.present is None else part.present | done
        running = rows.running[numbers] & on
        stays = running & there
        if stays.all():
            rows.step(numbers, part, action)
        elif stays.any():
            kept = {name: array[stays] for name, array in action.items()}
            rows.step(numbers[stays], part.rows(stays), kept)
        self.counts.steps += int(stays.sum())
        for row in numbers[stays & done]:
            self._end(rows, row, None)
        for row in numbers[running & ~there]:
            self._end(rows, row, "absent")
        comes = on & ~running & there & ~done
        if comes.any():
            rows.begin(numbers[comes], part.rows(comes), self._step[numbers[comes] // rows.agents])

    def _end(self, rows: _Rows, row: int, cut: str | None) -> bool:
        world, agent = divmod(int(row), rows.agents)
        seed = int(self._seed[world])
        place = Place(
            world,
            agent,
            int(self._episode[world]),
            int(rows.first_step[row]),
            None if seed < 0 else seed,
        )
        kept = rows.end(int(row), place, cut)
        self.counts.episodes += kept
        return kept

    def cut(self, worlds: Ints, why: str) -> None:
        """End the episodes that are under way in some worlds; they count as truncated."""
        worlds = worlds[self._on[worlds]]
        cut = set()
        for rows in self._rows:
            numbers = rows.of(worlds)
            for row in numbers[rows.running[numbers]]:
                if self._end(rows, row, why):
                    cut.add(row // rows.agents)
        self._on[worlds] = False
        self.counts.cut += len(cut)

    def flush_now_and_then(self) -> None:
        """Have all on disk every few seconds, for the case that this process is killed."""
        if time.monotonic() - self._flushed_s > FLUSH_S:
            for rows in self._rows:
                rows.writer.flush()
            self._flushed_s = time.monotonic()

    def close(self) -> None:
        """Cut what is under way and finish the files. Nothing when called again."""
        self.cut(np.flatnonzero(self._on), "closed")
        for rows in self._rows:
            rows.writer.close()


@dataclass
class _Rows:
    """The rows of one group: the last steps of each in memory, those before them in the file."""

    group: GroupSpec
    num_worlds: int
    writer: GroupWriter
    running: Bools = field(init=False)
    first_step: Ints = field(init=False)

    def __post_init__(self) -> None:
        self.agents = self.group.agents
        count = self.num_worlds * self.agents
        self.running = np.zeros(count, bool)
        self.first_step = np.zeros(count, np.int64)
        self._start = np.zeros(count, np.int64)  # of the row's steps in the block
        self._count = np.zeros(count, np.int64)  # of its entries in the block
        self._has_first = np.zeros(count, bool)  # the entry at _start is an episode's first
        kinds = ("observation", "info", "action")
        row_bytes = sum(
            spec.nbytes for kind in kinds for spec in getattr(self.group, kind).values()
        )
        steps = BLOCK_BYTES // max(row_bytes * count, 1)
        self._capacity = int(min(max(steps, 2), MAX_BLOCK_STEPS))
        self._arrays = {
            kind: {
                name: np.empty((count, self._capacity, *spec.shape), spec.dtype)
                for name, spec in getattr(self.group, kind).items()
            }
            for kind in kinds
        }
        shape = (count, self._capacity)
        self._reward = np.empty(shape, self.group.reward_dtype)
        self._terminated = np.empty(shape, bool)
        self._truncated = np.empty(shape, bool)

    def of(self, worlds: Ints) -> Ints:
        """Return the numbers of the rows of some worlds."""
        if self.agents == 1:
            return worlds
        return (worlds[:, None] * self.agents + np.arange(self.agents)).reshape(-1)

    def begin(self, rows: Ints, part: Part, first_step: Any) -> None:
        """Put an episode's first entry into the block."""
        self._make_room(rows)
        at = self._count[rows]
        self._start[rows] = at
        self._has_first[rows] = True
        self.first_step[rows] = first_step
        self.running[rows] = True
        self._put(rows, at, "observation", part.observation)
        self._put(rows, at, "info", part.info)
        self._count[rows] += 1

    def step(self, rows: Ints, part: Part, action: Mapping[str, Any]) -> None:
        """Put a step into the block."""
        self._make_room(rows)
        at = self._count[rows]
        self._put(rows, at, "observation", part.observation)
        self._put(rows, at, "info", part.info)
        self._put(rows, at, "action", action)
        for block, values in (
            (self._reward, part.reward),
            (self._terminated, part.terminated),
            (self._truncated, part.truncated),
        ):
            block[rows, at] = values
        self._count[rows] += 1

    def _put(self, rows: Ints, at: Ints, kind: str, arrays: Mapping[str, Any]) -> None:
        whole = len(rows) == len(self.running) and (at == at[0]).all()
        for name, block in self._arrays[kind].items():
            if whole:
                block[:, at[0]] = arrays[name]
            else:
                block[rows, at] = arrays[name]

    def _make_room(self, rows: Ints) -> None:
        for row in rows[self._count[rows] == self._capacity]:
            if self.running[row]:
                self._write(int(row), last=False)
            self._start[row] = self._count[row] = 0

    def _write(self, row: int, last: bool) -> None:
        start, stop = int(self._start[row]), int(self._count[row])
        first = bool(self._has_first[row])
        if start == stop:
            return
        steps = slice(start + first, stop)

        def some(kind: str, chosen: slice) -> dict[str, Any]:
            return {name: block[row, chosen] for name, block in self._arrays[kind].items()}

        entries = slice(start, stop)
        piece = Piece(
            some("observation", entries),
            some("info", entries),
            some("action", steps),
            self._reward[row, steps],
            self._terminated[row, steps],
            self._truncated[row, steps],
            first,
            first and last,
        )
        self.writer.append(row, piece)
        self._has_first[row] = False

    def end(self, row: int, place: Place, cut: str | None) -> bool:
        """End the row's episode; return whether it was kept."""
        self._write(row, last=True)
        self._start[row] = self._count[row]
        self.running[row] = False
        return self.writer.finish(row, place, cut)
