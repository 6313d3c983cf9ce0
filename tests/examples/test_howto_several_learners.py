"""The blocks of docs/howto/several_learners.md run together as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from uerl_shm import segment as segments

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/howto/several_learners.md").read_text()


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return text


def test_the_learners_and_the_simulator_of_the_page_run_together(tmp_path: Path) -> None:
    names = f"{segments.new_name()}-"  # for tests that run side by side
    (tmp_path / "learner.py").write_text(block("python").replace("game-", names))
    folders = [ROOT / "uerl_shm" / "bin", Path(sys.executable).parent]
    done = subprocess.run(
        ["bash", "-c", "set -e\n" + block("bash").replace("game-", names)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    for team in ("red", "blue"):
        assert f"{team} (8,)" in done.stdout, done.stderr
