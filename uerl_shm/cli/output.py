"""What every command prints with: tables, JSON, and numbers as people read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

BAD_EXIT = 1  # a verdict is bad
ERROR_EXIT = 2  # the command could not be carried out
_PIPE_WIDTH = 1000  # a file has no right edge: nothing is cut off there


@cache
def console() -> Console:
    """Return the console of standard output."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=width, highlight=False, soft_wrap=True)


def say(text: str, end: str = "\n") -> None:
    """Print to standard output; ``[bold]`` and the like are markup."""
    console().print(text, end=end)


def warn(text: str) -> None:
    """Print one line to standard error, as it is."""
    print(text, file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table without boxes; columns that begin with ``>`` are aligned to the right."""
    from rich.table import Table
    from rich.text import Text

    made = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold",
        show_header=any(column.lstrip(">") for column in columns),
    )  # fmt: skip
    for column in columns:
        right = column.startswith(">")
        made.add_column(column.lstrip(">"), justify="right" if right else "left", no_wrap=right)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return made


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; see `table`."""
    console().print(table(columns, rows))


def print_json(data: Any) -> None:
    """Print JSON that any reader takes: NaN and infinity become null."""
    print(json.dumps(_plain(data), indent=2, allow_nan=False, ensure_ascii=False))


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(value) for value in data]
    if isinstance(data, float):
        return data if data - data == 0.0 else None
    return data


def bytes_text(num_bytes: float) -> str:
    """Return a size as people read it, such as ``35.2 MiB``."""
    size, unit = float(num_bytes), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def count_text(number: float) -> str:
    """Return a count or a rate with separators: ``12,345``, ``81.3``, ``0.25``."""
    if number >= 100 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def share_text(share: float | None) -> str:
    """Return a share of the whole, such as ``35 %``; ``-`` when unknown."""
    return "-" if share is None else f"{100 * share:.0f} %"


def seconds_text(seconds: float) -> str:
    """Return a time with the unit that suits it: ``830 ns``, ``12.4 us``, ``3.10 ms``, ``2 s``."""
    for factor, unit, digits in ((1e9, "ns", 0), (1e6, "us", 1), (1e3, "ms", 2)):
        if seconds * factor < 999.5:
            return f"{seconds * factor:.{digits}f} {unit}"
    return f"{seconds:.2f} s"


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as NumPy prints it, such as ``(42, 42, 3)``."""
    return str(tuple(shape))


def plural(number: int, noun: str) -> str:
    """Return ``1 segment`` or ``3 segments``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def mark(good: bool | None) -> str:
    """Return the mark of a line: ``✓``, ``✗``, or ``!`` for None; letters where these cannot be."""
    marks = {True: ("✓", "ok"), False: ("✗", "BAD"), None: ("!", "!")}
    sign, word = marks[good]
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return word
    return sign


def marked(good: bool | None) -> str:
    """Return `mark` in green, red or yellow, as rich's markup."""
    colour = {True: "green", False: "red", None: "yellow"}[good]
    return f"[{colour}]{mark(good)}[/{colour}]"
