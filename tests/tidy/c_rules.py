"""Rules about C and C++: floors by #include, memory orders, small functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import pairwise

from tidy.tree import Source, Tree

MAX_FUNCTION_LINES = 60
C_FILES = ("csrc/*.c", "csrc/*.h", "csrc/*.cpp", "csrc/*.hpp")
# A file may include files of lower floors, and of its own floor in its own folder.
FLOORS = (
    ("include/uerl_shm/layout.*", "core/atomics.*"),
    ("include/uerl_shm/uerl_shm.*",),
    ("include/uerl_shm/bridge.*",),
    ("core/error*",),
    (
        "core/ring.*",
        "core/wait.*",
        "core/guard.*",
        "core/memory_limit.*",
        "core/lock.*",
        "core/spec.*",
        "core/pixels*",
        "core/region.*",
        "core/sha256.*",
    ),
    ("core/segment*", "core/birth.*", "core/doors.*"),
    ("core/watch.*",),
    (
        *("core/simulator*", "core/attach.*", "core/calls.*", "core/arrays.*", "core/message.*"),
        *("core/bridge*", "core/describe.*", "learner/*"),
    ),
    ("learner/binding*",),
)
SYNCHRONISES = re.compile(r"\b(load_acquire|store_release|exchange|compare|fence)_\w+\(")
ORDER = re.compile(r"__ATOMIC_\w+|__atomic_\w+|__sync_\w+|memory_order\w*|std::atomic\w*|_Atomic")
LABEL = re.compile(r"\[([A-Z])\]")
COMMENT = re.compile(r"/\*.*?\*/|(?://[^\n]*\n?[ \t]*)+", re.DOTALL)
UNREAL_MACRO = re.compile(r"^U(CLASS|STRUCT|ENUM)\(.*\)\s*(?=class|struct|enum)", re.DOTALL)
NOT_CODE = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:\\\n|[^\n])*",
    re.DOTALL | re.MULTILINE,
)


def includes_go_down(tree: Tree) -> Iterator[str]:
    """From layout and atomics up to the binding, as FLOORS says."""
    known = {source.path for source in tree.matching(*C_FILES)}
    for source in tree.matching("csrc/core/*", "csrc/learner/*", "csrc/include/*"):
        above = _floor(source.path)
        if not source.path.endswith((".c", ".h", ".cpp", ".hpp")):
            continue
        if above is None:
            yield (
                f"{source.path} stands on no floor: add it to FLOORS in tests/tidy/c_rules.py "
                "and to ARCHITECTURE.md"
            )
            continue
        for included in _includes(source, known):
            below = _floor(included)
            same_folder = included.rpartition("/")[0] == source.path.rpartition("/")[0]
            if below is None or below > above or (below == above and not same_folder):
                yield (
                    f"{source.path} includes {included}, which is not on a lower floor: move the "
                    "shared part down (ARCHITECTURE.md, Floors)"
                )


def _floor(path: str) -> int | None:
    fits = [
        floor
        for floor, patterns in enumerate(FLOORS)
        if any(fnmatch(path.removeprefix("csrc/"), pattern) for pattern in patterns)
    ]
    return max(fits, default=None)


def _includes(source: Source, known: set[str]) -> Iterator[str]:
    folder = source.path.rpartition("/")[0]
    for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', source.text, re.MULTILINE):
        if name.startswith("../"):
            name = f"{folder.rpartition('/')[0]}/{name.removeprefix('../')}"
        places = (f"{folder}/{name}", f"csrc/{name}", f"csrc/include/{name}", name)
        yield next((place for place in places if place in known), name)


def simulators_see_only_the_public_header(tree: Tree) -> Iterator[str]:
    """csrc/simulators is what anybody could write with uerl_shm.h alone."""
    known = {source.path for source in tree.matching(*C_FILES)}
    for source in tree.matching("csrc/simulators/*", "examples/*.c", "examples/*.cpp"):
        for included in _includes(source, known):
            public = included == "csrc/include/uerl_shm/uerl_shm.h"
            own = included.rpartition("/")[0] == source.path.rpartition("/")[0]
            if not public and not own and included != "uerl_shm/uerl_shm.h":
                yield (
                    f"{source.path} includes {included}, expected uerl_shm/uerl_shm.h and its own "
                    "headers: use the public calls, or add one"
                )


def memory_orders_stand_in_atomics_h(tree: Tree) -> Iterator[str]:
    """One file names memory orders."""
    for source in tree.matching("csrc/*"):
        if source.path != "csrc/core/atomics.h":
            for number, line in enumerate(_code(source.text).splitlines(), 1):
                if found := ORDER.search(line):
                    yield (
                        f"{source.path}:{number} says {found[0]}: "
                        "call what csrc/core/atomics.h offers"
                    )


def synchronisation_names_its_partner(tree: Tree) -> Iterator[str]:
    """Every acquire, release and fence says what it pairs with, in the comment above it."""
    for source in tree.matching("csrc/*"):
        if source.path == "csrc/core/atomics.h":
            continue
        lines = source.lines
        for number, line in enumerate(_code(source.text).splitlines()):
            if SYNCHRONISES.search(line) and "Pairs with" not in _paragraph(lines, number):
                yield (
                    f"{source.path}:{number + 1} synchronises without saying with whom: write "
                    "above it `[X] why. Pairs with [Y].` and the other way round at [Y]"
                )


def labels_pair(tree: Tree) -> Iterator[str]:
    """Every [Y] that somebody pairs with exists, and nobody else has that letter."""
    defined: dict[str, list[str]] = {}
    wanted: list[tuple[str, str]] = []
    for source in tree.matching("csrc/*"):
        for comment in COMMENT.findall(source.text):
            text, _, partners = re.sub(r"\s*\n\s*(\*|//)?\s*", " ", comment).partition("Pairs with")
            if partners:
                if label := re.match(r"(?:/\*|//)\s*\[([A-Z])\]", text):
                    defined.setdefault(label[1], []).append(source.path)
                wanted += [(letter, source.path) for letter in LABEL.findall(partners)]
    for letter, path in wanted:
        if letter not in defined:
            yield f"{path} pairs with [{letter}], which nobody is: label the other half"
    for letter, paths in defined.items():
        if len(paths) > 1:
            yield f"[{letter}] stands in {', '.join(paths)}, expected once: take a free letter"


def functions_are_small(tree: Tree) -> Iterator[str]:
    """A function fits on a screen."""
    for source in tree.matching("*.c", "*.h", "*.cpp", "*.hpp"):
        for name, first, last in _functions(_code(source.text)):
            if last - first + 1 > MAX_FUNCTION_LINES:
                yield (
                    f"{source.path}:{first} {name}() has {last - first + 1} lines, expected at "
                    f"most {MAX_FUNCTION_LINES}: give a part of it a name"
                )


def _code(text: str) -> str:
    """The text without comments, strings and directives, on the same lines."""
    return NOT_CODE.sub(lambda found: " " + "\n" * found[0].count("\n"), text)


def _paragraph(lines: list[str], number: int) -> str:
    """The line and those above it, up to an empty one or the end of another statement."""
    first = number
    while first > 0 and number - first < 12 and lines[first - 1].strip():
        first -= 1
        if lines[first].strip().startswith(("/*", "//")) and "*/" in "".join(lines[first:number]):
            break
    return " ".join(line.strip(" */\t") for line in lines[first : number + 1])


def _functions(code: str) -> Iterator[tuple[str, int, int]]:
    """Name, first and last line of every outermost function body."""
    starts = [0, *(found.end() for found in re.finditer(r"[;{}]", code))]
    stack: list[tuple[str | None, int]] = []  # name of the function, or None; its first line
    for start, end in pairwise(starts):
        mark, text = code[end - 1], code[start : end - 1]
        line = code.count("\n", 0, end) + 1
        if mark == "{":
            inside = any(name for name, _ in stack)
            stack.append((None if inside else _function_name(text), line))
        elif mark == "}" and stack:
            name, first = stack.pop()
            if name:
                yield name, first, line


def _function_name(head: str) -> str | None:
    """Name of the function that these words before a brace begin; None: no function."""
    head = UNREAL_MACRO.sub("", head.strip())
    if re.match(r"(inline )?(namespace|extern|enum|typedef|struct [\w ]*$|union|class)\b", head):
        return None
    if head.endswith("=") or re.search(r"=\s*$", head):
        return None
    found = re.search(r"([\w:~]+)\s*\(", head)
    return found[1] if found else None
