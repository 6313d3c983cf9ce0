"""Every block of docs/howto/unreal.md is marked, and those that say so run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import build as shim_build

ROOT = shim_build.ROOT
PAGE = (ROOT / "docs/howto/unreal.md").read_text()
BLOCK = re.compile(r"(?:<!-- ([\w ]+) -->\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = BLOCK.findall(PAGE)
RUNS = [(language, text) for mark, language, text in BLOCKS if mark == "runs in CI"]


def test_every_block_says_whether_it_was_run():
    marks = [mark for mark, _, _ in BLOCKS]
    assert len(marks) == PAGE.count("```") // 2
    assert set(marks) == {"runs in CI", "needs the engine"}


@pytest.fixture
def programs(tmp_path) -> Path:
    """A folder with `uerl-shm` as an installation makes it."""
    program = tmp_path / "uerl-shm"
    program.write_text(f"#!{sys.executable}\nfrom uerl_shm.cli import main\n\nmain()\n")
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(("language", "text"), RUNS, ids=lambda each: each[:6])
def test_a_block_that_is_marked_runs(engine, programs, language, text):
    argv = {"bash": ["bash", "-euc"], "python": [sys.executable, "-c"]}[language]
    folders = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
    environ = {**os.environ, "PATH": os.pathsep.join(folders), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*argv, text], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
