"""One model and one mutant of `make models`, where Spin is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
WITHOUT_SPIN = shutil.which("spin") is None

needs_spin = pytest.mark.skipif(WITHOUT_SPIN, reason="spin is missing: run `make models` once")


def run(*only: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *only],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.mark.slow
@needs_spin
def test_a_model_holds_and_a_mutant_of_it_is_caught():
    ran = run("takeover:", "takeover:MUTANT_LATE_IS_LOST")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "holds" in ran.stdout
    assert "caught: assertion violated" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("RESULT models=1 mutants=1 states=")


def test_the_runner_says_what_is_missing(tmp_path):
    ran = run(PATH=str(tmp_path))
    assert ran.returncode != 0
    assert "spin is missing" in ran.stderr


def test_the_runner_refuses_a_name_that_no_model_has():
    if WITHOUT_SPIN:
        pytest.skip("spin is missing: run `make models` once")
    ran = run("nothing")
    assert ran.returncode != 0
    assert "nothing" in ran.stderr
