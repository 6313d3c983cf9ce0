"""The scene `probe`, once in C++, once in Python, and that one over a bridge."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from support.bundled import UERL_SIM
from uerl_shm import EnvSpec
from uerl_shm.launcher import describe

CONFORMANCE = Path(__file__).parents[1] / "conformance"
COMMANDS = {
    "cpp": [str(UERL_SIM), "probe"],
    "cffi": [sys.executable, str(CONFORMANCE / "probe.py")],
    "bridge": [sys.executable, str(CONFORMANCE / "bridged_probe.py")],
}
#: Options for one small observation and one small action.
SMALL = ["--observation", "state:float32:5", "--action", "move:float32:2"]


@lru_cache
def spec_of(command: tuple[str, ...], words: tuple[str, ...]) -> EnvSpec:
    """What the implementation says; asked once, for a Python program takes its time to start."""
    return describe([*command, *words])
