"""The tables of docs/layout.md, from layout.h and the compiler. Run as a program: rewrites them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "csrc/include/uerl_shm/layout.h"
PAGE = ROOT / "docs/layout.md"
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};", re.DOTALL | re.MULTILINE)
ENUM = re.compile(r"^enum (\w+)? ?\{(.*?)\};", re.DOTALL | re.MULTILINE)
COMMENT = r"(?: */\* ((?:[^*]|\*[^/])*) \*/)?"  # behind a member, on one line or several
MEMBER = re.compile(r"^ +([\w ]+?)\s+(\w+)(\[\w+\])?;" + COMMENT, re.MULTILINE)
VALUE = re.compile(r"(UERL_\w+) =\s+[^,/}\n]*,?" + COMMENT)


def tables(ffi: Any, lib: Any) -> dict[str, str]:
    """Table of every struct and enum of layout.h, by name.

    Args:
        ffi: Of ``uerl_shm._simulator``: the compiler has checked its offsets.
        lib: Of the same module: knows the values of the constants.
    """
    text = HEADER.read_text()
    found = {name: _struct_table(ffi, name, body) for name, body in STRUCT.findall(text)}
    for index, (name, body) in enumerate(ENUM.findall(text)):
        found[name or f"constants_{index}"] = _enum_table(lib, body)
    return found


def _struct_table(ffi: Any, name: str, body: str) -> str:
    ctype = f"struct {name}"
    offsets = {member: field.offset for member, field in ffi.typeof(ctype).fields}
    members = MEMBER.findall(body)
    assert [member for _, member, _, _ in members] == list(offsets), f"cannot read {ctype}"
    rows = ["| offset | bytes | field | type | meaning |", "|---:|---:|---|---|---|"]
    ends = [*list(offsets.values())[1:], ffi.sizeof(ctype)]
    for (kind, member, length, meaning), end in zip(members, ends, strict=True):
        meaning = _one_line(meaning) or ("zero" if member.startswith("reserved") else "")
        size = end - offsets[member]
        rows.append(f"| {offsets[member]} | {size} | `{member}` | `{kind}{length}` | {meaning} |")
    return "\n".join([*rows, f"| {ffi.sizeof(ctype)} | | | | the end |"]) + "\n"


def _enum_table(lib: Any, body: str) -> str:
    rows = ["| value | name | meaning |", "|---:|---|---|"]
    for name, meaning in VALUE.findall(body):
        rows.append(f"| {getattr(lib, name)} | `{name}` | {_one_line(meaning)} |")
    return "\n".join(rows) + "\n"


def _one_line(comment: str) -> str:
    return re.sub(r"\s*\n\s*\*?\s*", " ", comment)


def rewritten(page: str, ffi: Any, lib: Any) -> str:
    """The page with every marked table made anew."""
    made = tables(ffi, lib)
    return TABLE.sub(lambda found: found[1] + made[found[2]] + found[3], page)


if __name__ == "__main__":
    from uerl_shm._simulator import ffi, lib

    PAGE.write_text(rewritten(PAGE.read_text(), ffi, lib))
