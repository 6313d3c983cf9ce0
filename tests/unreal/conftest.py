"""The stand-in engine with the plugin's sources in it, built once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import build as shim_build

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def engine() -> Path:
    """The program: ``engine LEVEL [-UerlShm=NAME ...]``; a compiler's complaint fails the test."""
    try:
        return shim_build.build(ROOT / "build" / "unreal" / "plain")
    except subprocess.CalledProcessError:
        pytest.fail("the plugin's sources do not compile: see above")
