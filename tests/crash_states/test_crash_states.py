"""One operation and a seeded bug of it, as `make crash-states` walks through them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [sys.executable, str(RUN), *arguments], capture_output=True, text=True, check=False
    )
    if "single steps are not allowed here" in ran.stderr:
        pytest.skip(ran.stderr.strip())
    return ran


@pytest.mark.slow
@pytest.mark.timeout(300)  # it compiles the core first
def test_publish_survives_death_anywhere_and_its_seeded_bug_does_not():
    ran = run("publish", "--rows", "20", "--others", "10")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "found: killed" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("RESULT operations=1 instructions=")


def test_the_runner_refuses_a_name_that_no_operation_has():
    ran = run("nothing")
    assert ran.returncode != 0
    assert "nothing" in ran.stderr
