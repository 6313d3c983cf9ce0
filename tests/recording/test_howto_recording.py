"""Every block of the pages on demonstrations and custom data that says so runs, in their order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.bundled import UERL_SIM

pytest.importorskip("minari", reason="the pages read data sets with it: pip install minari")
ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:<!-- ([\w. ]+) -->\n)?```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = ("demonstrations", "custom_data")


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Mark, language and text of each block of a page."""
    return BLOCK.findall((ROOT / f"docs/howto/{page}.md").read_text())


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_python_is_run_or_is_a_file(page):
    marks = [mark for mark, language, _ in blocks(page) if language]
    assert marks and set(marks) <= {"runs in CI", "station.py"}


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_run_one_after_the_other(page, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "uerl-shm"
    program.write_text(f"#!{sys.executable}\nfrom uerl_shm.cli import main\n\nmain()\n")
    program.chmod(0o755)
    (programs / "uerl-sim").symlink_to(UERL_SIM)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    environ = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": ""}
    for mark, language, text in blocks(page):
        if mark.endswith(".py"):
            (tmp_path / mark).write_text(text)
        elif language:
            done = subprocess.run(
                [sys.executable, "-c", text], cwd=tmp_path, env=environ, capture_output=True,
                text=True, timeout=100,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
    if page == "demonstrations":
        logs = "".join(log.read_text() for log in (tmp_path / "runs/replay-logs").iterdir())
        assert logs.count("with another action than the recorded one") == 4
