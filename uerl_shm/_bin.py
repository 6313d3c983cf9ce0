"""The executables that the package brings along, as console scripts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "bin"


def uerl_sim() -> None:
    """Becomes the packaged ``uerl-sim`` with this process's arguments."""
    path = FOLDER / "uerl-sim"
    if not path.exists():
        sys.exit(f"uerl-sim is missing, expected {path}: run `make build`, or reinstall uerl_shm")
    os.execv(path, [str(path), *sys.argv[1:]])
