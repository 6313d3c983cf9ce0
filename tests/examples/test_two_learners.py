"""Two learners of one simulation, as short as they can be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "examples/two_learners.py", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_both_learners_take_the_same_steps_and_the_same_games_end_for_both() -> None:
    done = run("--total-steps", "12288")  # six rollouts; a game has at most 200 steps
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("RESULT ")
    result = dict(word.split("=") for word in last.split()[1:])
    assert result["red_steps"] == result["blue_steps"] == "12288"
    assert int(result["red_games"]) == int(result["blue_games"]) >= 32
    assert {"red_return", "blue_return"} <= result.keys()


def test_a_learner_that_fails_is_the_failure_of_all() -> None:
    done = run("--total-steps", "4096", "--seed", "-1")  # NumPy has no generator of that seed
    assert done.returncode == 1
    assert "RESULT" not in done.stdout
