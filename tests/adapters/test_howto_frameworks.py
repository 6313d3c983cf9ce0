"""Every block of docs/howto/frameworks.md runs; every adapter stands there with its example."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/howto/frameworks.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: Section to the package that its block needs.
NEEDS = {
    "Stable-Baselines3": "stable_baselines3",
    "TorchRL": "torchrl",
    "RLlib": "ray",
    "PettingZoo": "pettingzoo",
    "dm_env": "dm_env",
    "PufferLib's manner": "numpy",
    "CleanRL's manner": "gymnasium",
}


@pytest.mark.parametrize("section", NEEDS)
def test_a_block_runs(section, tmp_path):
    if importlib.util.find_spec(NEEDS[section]) is None:
        pytest.skip(f"{NEEDS[section]} is not installed")
    (block,) = BLOCK.findall(SECTIONS[section])
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert "no slot is free" not in done.stderr, "the number of slots that the page gives is short"


def test_every_block_is_run():
    assert len(BLOCK.findall(PAGE)) == len(NEEDS)


def test_every_adapter_and_example_stands_on_the_page():
    modules = {path.stem for path in (ROOT / "uerl_shm/integrations").glob("*.py")}
    for module in modules - {"__init__", "rows"}:
        assert f"`uerl_shm.integrations.{module}." in PAGE
    for example in re.findall(r"`(examples/\w+\.py)`", PAGE):
        assert (ROOT / example).exists(), example
