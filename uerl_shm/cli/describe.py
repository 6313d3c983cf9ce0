"""`uerl-shm describe`: the spec of a simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from uerl_shm.cli.output import bytes_text, print_table, say, shape_text


def describe(
    command: Annotated[
        list[str],
        typer.Argument(metavar="CMD", help="Command line of a simulator, in quotes or after --."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the JSON here.")
    ] = None,
    as_table: Annotated[bool, typer.Option("--table", help="Print a table, for people.")] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=0.0, help="Longest wait for the spec, in seconds.")
    ] = 300.0,
) -> None:
    """Ask a simulator for its spec, and print it as JSON.

    Examples:
        uerl-shm describe "uerl-sim apples --depth" --table
        uerl-shm describe ./MyGame.sh -o spec.json

    The simulator is started with UERL_SHM_DESCRIBE in its environment and must write its spec to
    the file that this names. No learner is needed.
    """
    from uerl_shm.launcher import describe as ask

    spec = ask(command[0] if len(command) == 1 else command, timeout_s=timeout_s)
    if output is not None:
        spec.save(output)
    if as_table:
        print_spec(spec)
    elif output is None:
        print(spec.to_json())
    else:
        say(f"wrote {output}")


def print_spec(spec: Any) -> None:
    """Print a spec as a table."""
    say(f"[bold]{spec.name or '(no name)'}[/bold]  {summary(spec)}")
    rows = [row for group in spec.groups for row in _rows(group)]
    rows += [("", "parameter", name, "float64", "()", f"default {value:g}", "8 bytes")
             for name, value in spec.parameters.items()]  # fmt: skip
    print_table(["GROUP", "ROLE", "ARRAY", "DTYPE", "SHAPE", "VALUES", ">ROW"], rows)
    total = sum(bytes_of(group) * group.agents for group in spec.groups)
    say(f"one step of one env: {bytes_text(total)}; messages up to {spec.message_bytes:,} bytes")


def summary(spec: Any) -> str:
    """Return groups and agents in a few words."""
    names = ", ".join(
        f"{group.name} ({group.agents} agent{'s' if group.agents > 1 else ''}"
        f"{', may be absent' if group.mask else ''})"
        for group in spec.groups
    )
    return f"{len(spec.groups)} group{'s' if len(spec.groups) > 1 else ''}: {names}"


def bytes_of(group: Any) -> int:
    """Return the bytes of all arrays of one agent, rewards and flags included."""
    arrays = [*group.observation.values(), *group.action.values(), *group.info.values()]
    flags = 3 if group.mask else 2
    return int(sum(array.nbytes for array in arrays) + group.reward_dtype.itemsize + flags)


def _rows(group: Any) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for role, arrays in (
        ("observation", group.observation),
        ("action", group.action),
        ("info", group.info),
    ):
        for name, array in arrays.items():
            size = f"{array.nbytes:,} bytes"
            shape = shape_text(array.shape)
            rows.append((group.name, role, name, array.dtype.name, shape, _values(array), size))
    size = f"{group.reward_dtype.itemsize} bytes"
    rows.append((group.name, "reward", "", group.reward_dtype.name, "()", "", size))
    return rows


def _values(array: Any) -> str:
    """Return what an array may hold: its choices, or its bounds."""
    low, high = array.bounds()
    smallest, largest = low.min().item(), high.max().item()
    span = f"{smallest:g} to {largest:g}"
    if array.kind == "box":
        return span
    return f"{array.kind}, {span}"
