"""Rules about every text: widths, sizes, first lines, leftovers, and words of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidy.tree import Source, Tree

MAX_WIDTH = 100
MAX_LINES = {"README.md": 100, "ARCHITECTURE.md": 150, "setup.py": 85}
MAX_LINES_OF_CODE = 400
MAX_LINES_OF_HEADER = 600  # of a header that is mostly comment
CODE = ("*.py", "*.pyi", "*.c", "*.h", "*.cpp", "*.hpp", "*.cs", "*.sh", "*.pml")
# Spelled in halves, so that this file is clean itself.
LEFTOVER = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b"
)
HOME = re.compile(r"(?<![\w.~$}-])/(?:home|root|Users|work|mnt|private)/\w")
REGISTRY = re.compile(
    "|".join(
        (r"pypi\." + "org", r"pythonhosted\." + "org", r"download\.pytorch\." + "org")
        + (r"registry\.npmjs" + r"\.org", r"\bcrates\." + "io", r"conda\.anaconda" + r"\.org")
        + (r"--(extra-)?index" + "-url", r"--find" + "-links")
    )
)


def lines_fit(tree: Tree) -> Iterator[str]:
    """Lines have at most 100 characters; tables and addresses of Markdown may not be broken."""
    for source in tree.matching(*CODE, "*.toml", "*.yml", "*.yaml", "*Makefile", "*.md", ".ci/*"):
        for number, line in enumerate(source.lines, 1):
            unbreakable = source.path.endswith(".md") and (line.startswith("|") or "://" in line)
            if len(line) > MAX_WIDTH and not unbreakable:
                yield (
                    f"{source.path}:{number} has {len(line)} characters, expected at most "
                    f"{MAX_WIDTH}: break it"
                )


def files_are_small(tree: Tree) -> Iterator[str]:
    """One idea to a file, and a newcomer's pages short."""
    for source in tree.matching(*CODE, *MAX_LINES):
        limit = MAX_LINES.get(source.path, MAX_LINES_OF_CODE)
        if source.path.endswith((".h", ".hpp")) and _is_mostly_comment(source):
            limit = MAX_LINES_OF_HEADER
        if len(source.lines) > limit:
            yield (
                f"{source.path} has {len(source.lines)} lines, expected at most {limit}: "
                "move one of its ideas to a file of its own"
            )


def _is_mostly_comment(source: Source) -> bool:
    comment = sum(len(text) for text in re.findall(r"/\*.*?\*/|//[^\n]*", source.text, re.DOTALL))
    return comment > len(source.text) / 2


def files_say_their_purpose(tree: Tree) -> Iterator[str]:
    """The first line says what the file is for."""
    for source in tree.sources:
        lines = source.lines
        if not lines or source.path.endswith((".json", ".txt")):
            continue
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if source.path.startswith("tests/") and first.startswith(("/* ", "// ")):
            continue  # a test's own name says the rest
        if source.path.startswith("unreal/") and first.startswith("// Copyright (c) "):
            continue  # Epic's manner: what a class is for stands above the class
        if source.path.endswith((".c", ".h", ".cpp", ".hpp", ".cs", ".js")):
            expected, ok = f"`{source.name}: what it is for`", f" {source.name}: " in first[:80]
        elif source.path.endswith((".py", ".pyi")):
            expected, ok = "a docstring", re.match(r'r?"""\S', first) is not None
        elif source.path.endswith((".html", ".css", ".pml")):
            expected, ok = "a comment", re.match(r"<!--|<!doctype|/\*", first, re.I) is not None
        else:
            expected, ok = "a `# heading` or comment", first.startswith("# ")
        if not ok:
            yield (
                f"{source.path} begins with {first[:40]!r}, expected {expected}: "
                "say in one line what the file is for"
            )


def nothing_is_left_over(tree: Tree) -> Iterator[str]:
    """No notes to oneself."""
    yield from _find(tree, LEFTOVER, "do it, or open an issue, and take the note out")


def no_path_of_a_build_machine(tree: Tree) -> Iterator[str]:
    """Nothing depends on where somebody's checkout is."""
    yield from _find(tree, HOME, "use a path relative to the repository or the package")


def no_package_registry(tree: Tree) -> Iterator[str]:
    """Where packages come from is the user's pip configuration."""
    yield from _find(tree, REGISTRY, "leave the choice to the user's pip configuration")


def _find(tree: Tree, pattern: re.Pattern[str], remedy: str) -> Iterator[str]:
    for source in tree.sources:
        for number, line in enumerate(source.lines, 1):
            if found := pattern.search(line):
                yield f"{source.path}:{number} says {found[0]!r}: {remedy}"
