"""`uerl-shm top`: what a learner and its simulators do, every second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uerl_shm.cli.options import JsonOption, NameArgument
from uerl_shm.cli.output import (
    bytes_text,
    console,
    count_text,
    plural,
    print_json,
    say,
    seconds_text,
    share_text,
    table,
)

if TYPE_CHECKING:
    from rich.console import Group

    from uerl_shm.cli.samples import Watch

COLUMNS = (
    *("LANE", "STATE", ">GENERATION", ">ENV STEPS/S"),
    *(">SIMULATOR", ">OTHERS", ">TRANSPORT", ">LEARNER", ">PENDING FOR"),
)
BAD_STATES = ("lost", "late", "refused", "fenced")
LINES_ABOVE = 6  # of a live picture, before the first lane


def top(
    name: NameArgument,
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end.")] = False,
    as_json: JsonOption = False,
    interval_s: Annotated[
        float, typer.Option("--interval-s", min=0.05, help="Seconds between two looks.")
    ] = 1.0,
) -> None:
    """Show rates, waits and lanes, every second.

    Examples:
        uerl-shm top train
        uerl-shm top train --once
        uerl-shm top train --json | jq .env_steps_per_s

    The third line says where the learner's time goes: LEARNER, what it does itself (policy,
    training, writing actions); SIMULATORS, the part of its wait in which the busiest one worked;
    TURNS, what all of them need beyond that on the cores that there are (of simulators that sleep,
    or wait for a GPU, it is transport); TRANSPORT, the rest of its wait: waking, and waiting for a
    core. They add up to 100 %.

    Of each lane: SIMULATOR is the share of time in which it worked; then come what it waited for:
    OTHERS, slower simulators of the batch, or its turn; TRANSPORT; LEARNER. PENDING FOR is how long
    it has been busy with the same command. With send() and recv() simulators work while the learner
    does, too: then TRANSPORT may be more than it says. "-" is unknown: a wait is counted when it
    ends.

    --once and --json look twice and end.
    """
    from uerl_shm.cli.samples import Watch

    watch = Watch(name)
    if not once and not as_json:
        _show(watch, interval_s)
        return
    found = next(_rates(watch, interval_s))
    if as_json:
        print_json(found)
    else:
        console().print(_picture(found, None))


def _show(watch: Watch, interval_s: float) -> None:
    from rich.live import Live

    from uerl_shm.errors import SegmentNotFound

    try:
        if not console().is_terminal:  # a file keeps one picture after the other
            for found in _rates(watch, interval_s):
                console().print(_picture(found, None), "")
        with Live(console=console(), auto_refresh=False, vertical_overflow="crop") as live:
            for found in _rates(watch, interval_s):
                live.update(_picture(found, _room()), refresh=True)
    except SegmentNotFound as error:
        say(str(error))


def _rates(watch: Watch, interval_s: float) -> Iterator[dict[str, Any]]:
    from uerl_shm.cli.samples import rates

    before = watch.sample()
    while True:
        time.sleep(interval_s)
        after = watch.sample()
        yield rates(watch, before, after)
        before = after


def _room() -> int:
    """Return how many lanes fit into the terminal."""
    return max(console().size.height - LINES_ABOVE - 2, 1)


def _picture(found: dict[str, Any], room: int | None) -> Group:
    from rich.console import Group
    from rich.text import Text

    lanes = found["lanes"]
    shown = lanes if room is None else lanes[:room]
    state = f"{found['state']}{', closed' if found['closed'] else ''}"
    parts: list[Any] = [
        Text.assemble(
            (f"segment {found['name']}", "bold"), f"  {state}   "
            f"{found['simulators']}/{len(lanes)} simulators   {count_text(found['rows'])} rows   "
            f"{plural(found['slots'], 'slot')}   {bytes_text(found['segment_bytes'])}"
        ),
        Text(
            f"env steps/s {count_text(found['env_steps_per_s'])}   "
            f"batches/s {count_text(found['batches_per_s'])}   "
            f"learner waits {share_text(found['learner_wait_share'])}   "
            f"copied batches {found['copied_batches']}   steps {found['steps']:,}"
        ),
        Text(_time_text(found)),
        Text(""),
        table(COLUMNS, map(_row, shown)),
    ]  # fmt: skip
    if len(shown) < len(lanes):
        parts.append(Text(f"and {len(lanes) - len(shown)} more lanes: see them with --once"))
    return Group(*parts)


def _time_text(found: dict[str, Any]) -> str:
    time, per_batch = found["time"] or {}, found["transport_s_per_batch"]
    each = "" if per_batch is None else f" ({seconds_text(per_batch)} a batch)"
    return (
        f"time goes to simulators {share_text(time.get('simulators'))}   "
        f"turns {share_text(time.get('turns'))}   "
        f"transport {share_text(time.get('transport'))}{each}   "
        f"learner {share_text(time.get('learner'))}"
    )


def _row(lane: dict[str, Any]) -> list[Any]:
    from rich.text import Text

    pending, time = lane["pending_s"], lane["time"] or {}
    state = lane["state"] if pending is None or lane["state"] != "ready" else "pending"
    colour = "red" if state in BAD_STATES else "yellow" if state == "pending" else ""
    return [
        lane["lane"],
        Text(state, style=colour),
        lane["generation"],
        count_text(lane["env_steps_per_s"]),
        *(share_text(time.get(part)) for part in ("simulator", "others", "transport", "learner")),
        "-" if pending is None else seconds_text(pending),
    ]
