"""The executables that the package brings along."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "bin"


def become(name: str, arguments: list[str]) -> None:
    """Becomes the packaged executable ``name``; returns never."""
    path = FOLDER / name
    if not path.exists():
        sys.exit(f"{name} is missing, expected {path}: run `make build`, or reinstall uerl_shm")
    sys.stdout.flush()
    os.execv(path, [str(path), *arguments])


def uerl_sim() -> None:
    """Becomes the packaged ``uerl-sim`` with this process's arguments."""
    become("uerl-sim", sys.argv[1:])
