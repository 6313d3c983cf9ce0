"""`uerl-shm ls`: the segments of this machine."""

from __future__ import annotations

from typing import Any

from uerl_shm.cli.options import JsonOption
from uerl_shm.cli.output import bytes_text, count_text, print_json, print_table, say

UNREADABLE = "unreadable:"  # as in uerl_shm.segment


def ls(as_json: JsonOption = False) -> None:
    """List segments: state, simulators, rows, size, steps.

    Examples:
        uerl-shm ls
        uerl-shm ls --json | jq -r '.[] | select(.state == "dead") | .name'

    A segment is alive while its learner holds its lock. Dead ones hold memory: `uerl-shm clean`.
    Simulators are counted as attached while they hold the locks of their lanes.
    """
    found = [entry for entry in map(_described, _segments()) if entry is not None]
    if as_json:
        print_json(found)
        return
    if not found:
        say("no segments")
        return
    columns = ["NAME", "STATE", ">SIMULATORS", ">ROWS", ">SLOTS", ">SIZE", ">STEPS"]
    print_table(columns, map(_row, found))
    for entry in found:
        if entry["state"].startswith(UNREADABLE):
            say(f"\n{entry['name']}: {entry['state']}")
    if any(entry["state"] == "dead" for entry in found):
        say("\ndead segments hold memory: `uerl-shm clean` removes them")


def _segments() -> list[Any]:
    from uerl_shm.segment import list_segments

    return list_segments()


def _described(segment: Any) -> dict[str, Any] | None:
    """Return what is shown of a segment; None when it went away meanwhile."""
    from uerl_shm import _core
    from uerl_shm.cli.segments import LEFTOVER_PREFIX, attached, lanes_of
    from uerl_shm.errors import UerlError

    entry = {"name": segment.name, "state": segment.state, "num_bytes": segment.num_bytes}
    if segment.name.startswith(LEFTOVER_PREFIX):
        return {**entry, "state": "leftover"}
    if not segment.header:
        return entry
    try:
        observer = _core.Observer(segment.name)
        groups, lanes = observer.groups(), lanes_of(observer, observer.header())
    except UerlError:
        return None
    return {
        **entry,
        "simulators": attached(lanes),
        "lanes": len(lanes),
        "rows": sum(rows for _, _, rows in groups),
        "slots": segment.header["num_slots"],
        "steps": segment.header["steps"],
    }


def _row(entry: dict[str, Any]) -> list[str]:
    size = bytes_text(entry["num_bytes"])
    if "lanes" not in entry:
        return [entry["name"], entry["state"].partition(":")[0], "", "", "", size, ""]
    return [
        entry["name"],
        entry["state"],
        f"{entry['simulators']}/{entry['lanes']}",
        count_text(entry["rows"]),
        count_text(entry["slots"]),
        size,
        count_text(entry["steps"]),
    ]
