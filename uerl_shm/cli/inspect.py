"""`uerl-shm inspect`: what stands in one segment."""

from __future__ import annotations

import json
from typing import Any

import typer

from uerl_shm.cli.options import JsonOption, NameArgument
from uerl_shm.cli.output import (
    BAD_EXIT,
    bytes_text,
    count_text,
    print_json,
    print_table,
    say,
    seconds_text,
    shape_text,
    warn,
)


def inspect(name: NameArgument, as_json: JsonOption = False) -> None:
    """Print one segment: header, groups, arrays, lanes and rings.

    Examples:
        uerl-shm inspect train
        uerl-shm inspect train --json | jq .text.spec > spec.json

    The exit code is 1 when the size that the header states is not that of the file.
    """
    data = _read(name)
    if as_json:
        print_json(data)
    else:
        _print(data)
    stated, found = data["header"]["segment_bytes"], data["file_bytes"]
    if stated != found:
        warn(
            f"uerl-shm: file of segment {name} has {found} bytes, its header says {stated}: "
            "the segment is damaged, restart the learner"
        )
        raise typer.Exit(BAD_EXIT)


def _read(name: str) -> dict[str, Any]:
    from uerl_shm import _core
    from uerl_shm.cli.segments import MODE_NAMES, ROLE_NAMES, file_bytes, lanes_of

    observer = _core.Observer(name)
    header = observer.header()
    header["autoreset_mode"] = MODE_NAMES.get(header["autoreset_mode"], header["autoreset_mode"])
    groups = [
        {"name": group, "rows_per_env": per_env, "num_rows": rows}
        for group, per_env, rows in observer.groups()
    ]
    fields = observer.fields()
    for field in fields:
        field["group"] = groups[field["group"]]["name"]
        field["role"] = ROLE_NAMES.get(field["role"], field["role"])
        field["num_bytes"] = field["slot_stride"] * header["num_slots"]
    return {
        "header": header,
        "file_bytes": file_bytes(name),
        "groups": groups,
        "fields": fields,
        "lanes": lanes_of(observer, header),
        "text": _parsed(observer.text()),
    }


def _parsed(text: bytes) -> Any:
    """Return the spec and the launch configuration; as they are where they are not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text.decode(errors="replace")


def _print(data: dict[str, Any]) -> None:
    header = data["header"]
    state = "alive" if header["owner_alive"] else "dead"
    say(f"[bold]segment {header['name']}[/bold]  {state}{', closed' if header['closed'] else ''}")
    for key, value in (
        ("size", f"{header['segment_bytes']:,} bytes ({bytes_text(header['segment_bytes'])}), "
                 f"file {data['file_bytes']:,}"),
        ("layout", f"{header['layout_version']}, hash {header['layout_hash']:016x}"),
        ("run", f"{header['run_id']:016x}"),
        ("lanes", f"{header['num_lanes']:,} of {header['envs_per_lane']:,} envs"),
        ("slots", f"{header['num_slots']:,}, last batch in {_slot(header['slot'], header)}"),
        ("autoreset", header["autoreset_mode"]),
        ("messages", f"{header['message_bytes']:,} bytes each way"),
        ("steps", f"{header['steps']:,} rows in {header['batches']:,} batches, "
                  f"{header['copied_batches']:,} copied"),
        ("waited", seconds_text(header["wait_s"])),
    ):  # fmt: skip
        say(f"  {key:<10} {value}")
    say("")
    rows = [(g["name"], g["rows_per_env"], count_text(g["num_rows"])) for g in data["groups"]]
    print_table(["GROUP", ">ROWS PER ENV", ">ROWS"], rows)
    say("")
    columns = ["ARRAY", "GROUP", "ROLE", "DTYPE", "SHAPE", ">OFFSET", ">ROW", ">SLOT", ">BYTES"]
    print_table(columns, (_field_row(field, header) for field in data["fields"]))
    say("")
    print_table(
        ["LANE", "STATE", ">GENERATION", ">COMMANDS", ">READ", ">RESULTS", ">READ", ">SLOT",
         ">STEPS", ">WAITED"],
        (_lane_row(lane, header) for lane in data["lanes"]),
    )  # fmt: skip


def _field_row(field: dict[str, Any], header: dict[str, Any]) -> list[Any]:
    shape = [header["num_slots"], field["num_rows"], *field["shape"]]
    strides = (field["offset"], field["row_stride"], field["slot_stride"], field["num_bytes"])
    return [
        field["name"], field["group"], field["role"], field["dtype"], shape_text(shape),
        *(f"{number:,}" for number in strides),
    ]  # fmt: skip


def _lane_row(lane: dict[str, Any], header: dict[str, Any]) -> list[Any]:
    counts = ("commands", "commands_read", "results", "results_read")
    return [
        lane["lane"],
        lane["state"] + (", pending" if lane["pending"] else ""),
        lane["generation"],
        *(f"{lane[key]:,}" for key in counts),
        _slot(lane["slot"], header),
        f"{lane['steps']:,}",
        seconds_text(lane["wait_s"]),
    ]


def _slot(slot: int, header: dict[str, Any]) -> str:
    return str(slot) if slot < header["num_slots"] else "-"
