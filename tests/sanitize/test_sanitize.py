"""A miniature of `make sanitize` and of `make fuzz`, where clang and its runtime are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sanitize.mutants import MUTANTS
from sanitize.programs import FUZZER, ROOT, THREADS

SANITIZE = Path(__file__).with_name("run.py")
FUZZ = ROOT / "tests/fuzz/run.py"
REASON = THREADS.missing() or FUZZER.missing()

needs_clang = pytest.mark.skipif(bool(REASON), reason=REASON)
# The first run compiles the core and the learner for each sanitizer.
compiles = pytest.mark.timeout(600)


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program), *arguments], capture_output=True, text=True, check=False
    )


def figures(said: str) -> dict[str, str]:
    last = said.splitlines()[-1]
    assert last.startswith("RESULT "), said
    return dict(re.findall(r"(\w+)=(\S+)", last))


@pytest.mark.slow
@needs_clang
@compiles
def test_threads_over_one_mapping_have_no_race_and_a_relaxed_publish_is_one():
    ran = run(SANITIZE, "--batches", "1000", "thread", "thread:publish_is_relaxed")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = figures(ran.stdout)
    assert int(found["tsan_steps"]) > 1000
    assert (found["races"], found["mutants_caught"]) == ("0", "1")


@pytest.mark.slow
@needs_clang
@compiles
def test_the_kept_inputs_find_nothing():
    ran = run(FUZZ, "--duration-s", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = figures(ran.stdout)
    assert int(found["attach_runs"]) > 100 and int(found["scribble_runs"]) > 40
    assert (found["crashes"], found["hangs"]) == ("0", "0")


def test_every_mutant_fits_the_code():
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert text.count(mutant.right) == 1, f"{mutant.name}: adapt tests/sanitize/mutants.py"


def test_the_runners_refuse_a_name_that_nothing_has():
    for program in (SANITIZE, FUZZ):
        ran = run(program, "nothing")
        assert ran.returncode != 0
        assert "nothing is unknown, expected one of" in ran.stderr
