"""Where two records of the same worlds part."""

from __future__ import annotations

from dataclasses import dataclass

from uerl_shm.cli.check_play import Stream
from uerl_shm.cli.check_rows import Event


@dataclass(frozen=True)
class Parting:
    """The first difference between two records.

    Attributes:
        world: Which world.
        event: Number of the event, from 0: the reset.
        names: Fields that differ.
        phase: ``"reset"``, ``"step"``, ``"final"`` (rows of agents whose episode ended) or
            ``"next"`` (first rows of the next episode, in SAME_STEP).
        swapped: Whether the first record has, where the episode ended, the rows that the second
            one has for the next episode: it was reset too early.
    """

    world: int
    event: int
    names: tuple[str, ...]
    phase: str
    swapped: bool = False

    def __str__(self) -> str:
        where = {
            "reset": "after a reset",
            "step": "after a step",
            "final": "where an episode ends",
            "next": "where the next episode begins",
        }[self.phase]
        names = ", ".join(self.names[:3]) + (", ..." if len(self.names) > 3 else "")
        return f"{names} of env {self.world} {where} (command {self.event})"


def parting(first: Stream, second: Stream) -> Parting | None:
    """Return where two records part; None if one is the beginning of the other."""
    found = [
        _parting_of(world, one, other)
        for world, (one, other) in enumerate(zip(first, second, strict=True))
    ]
    return _earliest(found)


def same_step_parting(reference: Stream, same_step: Stream) -> Parting | None:
    """Return where a record in SAME_STEP parts from one in another mode.

    There, the step that ends an episode has its rows among the final fields, and the rows of the
    reset that follows in the same command.
    """
    found = [
        _same_step_parting_of(world, one, other)
        for world, (one, other) in enumerate(zip(reference, same_step, strict=True))
    ]
    return _earliest(found)


def until_first_end(stream: Stream) -> Stream:
    """Return each world's events before the first that ends an episode."""
    short: Stream = []
    for events in stream:
        ends = [number for number, event in enumerate(events) if event.done]
        short.append(events[: ends[0]] if ends else events)
    return short


def head(stream: Stream, count: int) -> Stream:
    """Return the first events of each world."""
    return [events[:count] for events in stream]


def differ(first: Stream, second: Stream) -> bool:
    """Whether any world has another record."""
    return parting(first, second) is not None


def _earliest(found: list[Parting | None]) -> Parting | None:
    there = [parting for parting in found if parting is not None]
    return min(there, key=lambda parting: parting.event, default=None)


def _parting_of(world: int, one: list[Event], other: list[Event]) -> Parting | None:
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a.kind != b.kind or a.ended != b.ended:
            return Parting(world, number, ("the end of an episode",), "step")
        names = _different(a.done, b.done) if a.ended else _different(a.digests, b.digests)
        if names:
            return Parting(world, number, names, "final" if a.ended else a.kind)
    return None


def _same_step_parting_of(world: int, one: list[Event], other: list[Event]) -> Parting | None:
    position = 0
    for event in other:
        if position >= len(one):
            return None
        expected = one[position]
        if bool(expected.done) != bool(event.done):
            return Parting(world, position, ("the end of an episode",), "step")
        if names := _different(expected.done, event.done):
            arrays = [name for name in names if _is_array(name)]
            early = bool(arrays) and all(expected.done[n] == event.digests[n] for n in arrays)
            return Parting(world, position, names, "final", early)
        if not expected.ended:
            if names := _different(expected.digests, event.digests):
                return Parting(world, position, names, expected.kind)
            position += 1
            continue
        if position + 1 < len(one):
            following = one[position + 1].digests
            names = tuple(n for n in _different(following, event.digests) if _is_array(n))
            if names:
                return Parting(world, position + 1, names, "next")
        position += 2
    return None


def _is_array(name: str) -> bool:
    return "/" in name


def _different(a: dict[str, bytes], b: dict[str, bytes]) -> tuple[str, ...]:
    return tuple(name for name in a if a[name] != b.get(name))
