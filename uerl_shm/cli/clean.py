"""`uerl-shm clean`: memory that dead learners left behind."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from uerl_shm.cli.options import JsonOption
from uerl_shm.cli.output import ERROR_EXIT, bytes_text, plural, print_json, print_table, say, warn


def clean(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Only these; default: all.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove segments whose learner is dead (asks first).

    Examples:
        uerl-shm clean
        uerl-shm clean train
        uerl-shm clean --yes --json

    Only segments whose owner's lock is free are removed, and what a learner left that died while
    it took a name over. A living learner's segment is never touched.
    """
    found = candidates() if not names else _chosen(names)
    if found and not yes:
        _ask(found, as_json)
    removed, kept = [], []
    for segment in found:
        reason = _remove(segment.name)
        if reason is None:
            removed.append({"name": segment.name, "num_bytes": segment.num_bytes})
        else:
            kept.append({"name": segment.name, "reason": reason})
    freed = sum(entry["num_bytes"] for entry in removed)
    if as_json:
        print_json({"removed": removed, "kept": kept, "freed_bytes": freed})
        return
    if not found:
        say("nothing to clean")
        return
    for entry in removed:
        say(f"removed {entry['name']}  {bytes_text(entry['num_bytes'])}")
    for entry in kept:
        say(f"kept    {entry['name']}  {entry['reason']}")
    say(f"{plural(len(removed), 'segment')} removed, {bytes_text(freed)} freed")


def candidates() -> list[Any]:
    """Return the segments whose owner is dead, or cannot be told to be alive."""
    from uerl_shm.segment import list_segments

    return [segment for segment in list_segments() if segment.state != "alive"]


def _chosen(names: list[str]) -> list[Any]:
    """Return the candidates of these names.

    Raises:
        SegmentNotFound: There is no such segment.
        SegmentExists: Its learner lives.
    """
    from uerl_shm.errors import SegmentExists, SegmentNotFound
    from uerl_shm.segment import list_segments

    there = {segment.name: segment for segment in list_segments()}
    for name in names:
        if name not in there:
            raise SegmentNotFound(f"segment {name} not found, expected one of `uerl-shm ls`")
        if there[name].state == "alive":
            raise SegmentExists(
                f"segment {name} is in use by a living learner, expected a dead one: "
                "stop the learner"
            )
    return [there[name] for name in names]


def _ask(found: list[Any], as_json: bool) -> None:
    total = bytes_text(sum(segment.num_bytes for segment in found))
    question = f"remove {plural(len(found), 'segment')} ({total})?"
    if as_json or not sys.stdin.isatty():
        names = ", ".join(segment.name for segment in found)
        warn(f"uerl-shm: {question} {names}: nobody can be asked here, expected --yes")
        raise typer.Exit(ERROR_EXIT)
    print_table(
        ["NAME", "STATE", ">SIZE"],
        ((segment.name, _state(segment), bytes_text(segment.num_bytes)) for segment in found),
    )
    if not typer.confirm(question):
        say("nothing was removed")
        raise typer.Exit(0)


def _state(segment: Any) -> str:
    from uerl_shm.cli.segments import LEFTOVER_PREFIX

    return "leftover" if segment.name.startswith(LEFTOVER_PREFIX) else segment.state


def _remove(name: str) -> str | None:
    """Unlink a dead segment; return why it was kept, or None.

    Whether its owner is dead is looked at once more, under the lock that guards a takeover.
    """
    from uerl_shm import _core
    from uerl_shm.errors import SegmentNotFound, UerlError

    try:
        _core.clean(name)
    except SegmentNotFound:
        return "it is gone already"
    except UerlError as error:
        return str(error)
    return None
