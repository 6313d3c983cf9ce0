"""The soak in small, and its checker on journals that were made up."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

from check import JOURNAL, LOG, Verdict, check


def soak(*words: str) -> tuple[int, dict[str, str]]:
    """Run the soak; return its exit code and the words of its last line."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / "soak.py"), "--num-envs", "6", "--step-us", "200", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("RESULT "), done.stdout + done.stderr
    return done.returncode, dict(re.findall(r"(\w+)=(\S+)", last))


@pytest.mark.slow
def test_short_soak_loses_nothing():
    _, found = soak("--duration-s", "10", "--learner-kill-s", "5", "--seed", "3")
    assert int(found["faults"]) >= 20
    assert int(found["learner_kills"]) >= 2
    for key in ("lost", "repeated", "torn", "hangs", "left_behind", "bad_exits", "learner_ends"):
        assert found[key] == "0", found


@pytest.mark.slow
def test_learner_that_drops_steps_is_found():
    exit_code, found = soak("--duration-s", "6", "--seed", "3", "--bug", "lost")
    assert exit_code == 1
    assert int(found["lost"]) > 0


def judge(folder: Path, journal: list[tuple], log: list[tuple]) -> Verdict:
    (folder / "0-1.journal").write_bytes(np.array(journal, JOURNAL).tobytes() + b"half")
    (folder / "1.log").write_bytes(np.array(log, LOG).tobytes())
    return check(folder)


STEPS = [(1, 1, sequence, 100 + sequence) for sequence in range(1, 6)]
ALL = [(1, 0, 1, sequence, 100 + sequence, 0) for sequence in range(1, 6)]


@pytest.mark.parametrize(
    ("journal", "log", "wrong"),
    [
        (STEPS, ALL, {}),
        (STEPS, ALL[:4], {}),  # its learner was killed
        (STEPS, ALL[:3], {"lost": 1}),
        (STEPS, [*ALL[:2], *ALL[3:]], {"lost": 1}),
        (STEPS, [*ALL[:2], (1, 0, 1, 2, 0, 1), *ALL[3:]], {}),  # it was given up
        (STEPS, [*ALL, ALL[2]], {"repeated": 1}),
        (STEPS, [*ALL[:4], (1, 0, 1, 5, 7, 0)], {"torn": 1}),
        (STEPS[:4], ALL, {"torn": 1}),  # nobody committed it
    ],
)
def test_checker_finds_what_is_wrong(tmp_path, journal, log, wrong):
    verdict = judge(tmp_path, journal, log)
    found = {key: getattr(verdict, key) for key in ("lost", "repeated", "torn")}
    assert found == {"lost": 0, "repeated": 0, "torn": 0, **wrong}
    assert verdict.is_good() == (not wrong)
