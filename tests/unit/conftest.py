"""Fixtures of tests that start processes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from uerl_shm import launcher_process
from uerl_shm.launcher import Launcher

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def uerl_launch(tmp_path_factory) -> str:
    """Path of uerl-launch: the package's, or one compiled here when that is missing or old."""
    packaged = Path(launcher_process.UERL_LAUNCH)
    source = ROOT / "csrc" / "launch" / "uerl_launch.c"
    if packaged.exists() and packaged.stat().st_mtime >= source.stat().st_mtime:
        return str(packaged)
    path = tmp_path_factory.mktemp("launch") / "uerl-launch"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    subprocess.run([*compiler, "-std=c17", "-O1", "-o", path, source], check=True)
    return str(path)


@pytest.fixture
def launched(uerl_launch, tmp_path, monkeypatch) -> Path:
    """A folder for scripts, with uerl-launch in place and temporary files kept to the test."""
    monkeypatch.setattr(launcher_process, "UERL_LAUNCH", uerl_launch)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "scripts"
    folder.mkdir()
    return folder


@pytest.fixture
def launch(launched) -> Iterator[Callable[..., Launcher]]:
    """A function that makes launchers, which are all closed in the end."""
    made = []

    def make(simulator, num_lanes=1, **rest) -> Launcher:
        made.append(Launcher(simulator, name="train", num_lanes=num_lanes, **rest))
        return made[-1]

    yield make
    for launcher in made:
        launcher.close(0)


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that other users may use."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/tmp")))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)
