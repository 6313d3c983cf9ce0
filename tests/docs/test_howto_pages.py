"""Blocks of docs/howto that are marked `<!-- runs in CI -->` run, each by itself.

A mark may hold lines that run before the block and are not shown: `<!-- runs in CI, after: ...`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.bundled import UERL_SIM

ROOT = Path(__file__).resolve().parents[2]
HOWTO = ROOT / "docs/howto"
#: Run by tests of their own, in tests/unreal, tests/recording and tests/k8s.
ELSEWHERE = ("unreal", "demonstrations", "custom_data", "kubernetes")
MARK = r"<!-- (?P<mark>[\w ]+?)(?:, after:\n(?P<before>.*?))? ?-->\n"
BLOCK = re.compile(
    rf"(?:{MARK})?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
MOVES = ("uerl", "ml-agents", "learning-agents", "envpool", "asyncvectorenv")


def blocks(page: str) -> list[dict[str, str]]:
    return [each.groupdict() for each in BLOCK.finditer((HOWTO / f"{page}.md").read_text())]


RUNS = [
    pytest.param((each["before"] or "") + "\n" + each["text"], id=f"{path.stem}-{number}")
    for path in sorted(HOWTO.glob("*.md"))
    if path.stem not in ELSEWHERE
    for number, each in enumerate(blocks(path.stem))
    if each["mark"] == "runs in CI"
]


def test_every_mark_belongs_to_a_block():
    for path in HOWTO.glob("*.md"):
        marks = [each for each in blocks(path.stem) if each["mark"] == "runs in CI"]
        assert len(marks) == path.read_text().count("<!-- runs in CI"), path.name


@pytest.mark.parametrize("page", [f"from-{name}" for name in MOVES])
def test_page_for_who_comes_from_elsewhere_shows_both_sides(page):
    marks = [each["mark"] for each in blocks(page) if each["language"] in ("python", "cpp")]
    assert set(marks) <= {"theirs", "runs in CI"}
    assert marks.count("runs in CI") >= 1 and len(marks) >= 2
    text = (HOWTO / f"{page}.md").read_text()
    assert "\n|---|---|\n" in text
    for heading in ("What stays", "What changes"):
        assert f"\n## {heading}\n" in text
    assert re.search("^## What (we do not have|is not carried over)$", text, re.MULTILINE)


@pytest.mark.parametrize("program", RUNS)
def test_block_runs(program, tmp_path):
    if "torch" in program:
        pytest.importorskip("torch", reason="the block needs torch")
    (tmp_path / "uerl-sim").symlink_to(UERL_SIM)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
