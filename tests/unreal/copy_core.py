"""Copies into the Unreal plugin what a simulator needs of the C core.

    copy_core.py [--check]

An engine's build sees nothing outside of its plugins, so the plugin carries copies; ``--check``
changes nothing and fails when they are stale. In the public headers the copy makes every call
visible: the engine's build hides what is not marked, and the editor links modules as libraries. The
last line is ``RESULT copied=N stale=N``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = "unreal/UerlShm/Source/ThirdParty/UerlShmCore"
PUBLIC = "csrc/include/uerl_shm"
CORE = "csrc/core"
#: What only a learner does: making segments, and reading those that engines made.
NOT_COPIED = {"birth.c", "memory_limit.c", "memory_limit.h", "region.c", "region.h"}

#: Whose calls the plugin's other modules make.
VISIBLE = {"uerl_shm.h", "bridge.h"}


def copies(root: Path = ROOT) -> dict[Path, str]:
    """Return the text that every copied file has to have, by its path."""
    wanted = {}
    for folder, target in ((PUBLIC, "include/uerl_shm"), (CORE, "core")):
        for path in sorted((root / folder).iterdir()):
            if path.suffix not in {".c", ".h"} or path.name in NOT_COPIED:
                continue
            head = (
                f"/* A copy of {folder}/{path.name}, made by `make unreal`: change that one. */\n"
            )
            wanted[root / HERE / target / path.name] = head + visible(path)
    return wanted


def visible(path: Path) -> str:
    """Return the text of a file, its calls marked as visible if it is a public header."""
    if path.name not in VISIBLE:
        return path.read_text()
    return f"#pragma GCC visibility push(default)\n{path.read_text()}#pragma GCC visibility pop\n"


def stale(root: Path = ROOT) -> list[Path]:
    """Return the copies that are missing, of another text, or of a file that is gone."""
    wanted = copies(root)
    found = [path for folder in ("core", "include") for path in (root / HERE / folder).rglob("*.*")]
    gone = [path for path in found if path not in wanted]
    return gone + [
        path for path, text in wanted.items() if not path.exists() or path.read_text() != text
    ]


def main() -> None:
    """Copy, or check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true")
    changed = stale()
    wanted = copies()
    if not parser.parse_args().check:
        for path in changed:
            if path in wanted:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(wanted[path])
            else:
                path.unlink()
        changed = []
    for path in changed:
        print(f"{path.relative_to(ROOT)} is stale, expected a copy of today's core: `make unreal`")
    print(f"RESULT copied={len(wanted)} stale={len(changed)}")
    sys.exit(bool(changed))


if __name__ == "__main__":
    main()
