"""Every block of docs/howto/many_agents.md runs, and prints what stands beside its prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/howto/many_agents.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
SCENARIOS = [
    "Single agent",
    "Simultaneous single agent",
    "Adversarial self-play",
    "Cooperative",
    "Competitive",
    "Ecosystem",
]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def promised(block: str) -> list[str]:
    """What a block says that it prints: comments beside prints, or lines of their own after one."""
    return re.findall(r"^(?: *print\(.*\)  )?# (.*)$", block, re.MULTILINE)


def test_every_scenario_has_one_block():
    assert list(SECTIONS) == SCENARIOS
    assert all(len(BLOCK.findall(text)) == 1 for text in SECTIONS.values())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_block_prints_what_it_says(scenario, tmp_path):
    (block,) = BLOCK.findall(SECTIONS[scenario])
    assert promised(block)
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == promised(block)
