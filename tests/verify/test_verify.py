"""The verifying reader finds nothing wrong in short campaigns, and each seeded bug in one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support import probe_pattern
from verify.campaign import Configuration, configurations, run
from verify.kernel import count_wrong_bytes

PROGRAM = Path(__file__).with_name("verify.py")
ENV = 3
NAME = "agent/observation/camera"


@pytest.mark.parametrize("configuration", configurations(), ids=lambda c: c.name.replace(" ", "-"))
def test_every_byte_of_a_short_campaign_is_right(configuration: Configuration):
    small = replace(configuration, num_simulators=4)
    tally = run(small, num_steps=600, seed=1)
    assert tally.env_steps >= 600
    assert tally.num_wrong() == 0, tally


@pytest.mark.parametrize("bug", ["early", "stale", "swap"])
@pytest.mark.parametrize("drive", ["sync", "async", "rollouts"])
def test_seeded_bug_is_found(bug: str, drive: str):
    tally = run(Configuration("NextStep", drive, num_simulators=4), 1000, seed=1, bug=bug)
    assert tally.wrong_bytes > 0
    assert tally.errors == 0


def test_campaign_of_waits_that_are_too_short_times_out_and_overtakes():
    tally = run(Configuration("NextStep", "timeouts", num_simulators=4), 4000, seed=1)
    assert tally.num_wrong() == 0, tally
    assert tally.timeouts > 0
    assert tally.superseded > 0


def test_campaign_holds_more_batches_than_there_are_slots():
    tally = run(Configuration("NextStep", "sync", num_simulators=4), 4000, seed=1)
    assert tally.held > 0
    assert tally.copied > 0


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--bug", "stale"], 1)])
def test_program_ends_with_a_result_and_an_exit_code(options: list[str], code: int):
    command = [sys.executable, PROGRAM, "--env-steps", "2000", "--only", "SameStep sync", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    words = dict(word.split("=") for word in done.stdout.splitlines()[-1].split()[1:])
    assert list(words)[:5] == ["env_steps", "wrong_bytes", "lost", "repeated", "shifted"]
    assert (int(words["wrong_bytes"]) > 0) == bool(code)
    assert int(words["env_steps"]) >= 2000


def rows(dtype: str, shape: tuple[int, ...] = (7, 5)) -> tuple[np.ndarray, np.ndarray]:
    steps = np.arange(4)
    values = probe_pattern.expected(NAME, ENV, 0, steps, shape, dtype)
    return values.copy(), probe_pattern.base(NAME, ENV, 0, steps)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "float64"])
def test_kernel_knows_the_pattern(dtype: str):
    values, bases = rows(dtype)
    assert count_wrong_bytes(values, bases, *probe_pattern.masks(dtype)) == 0


@pytest.mark.parametrize("num_bytes", [1, 7, 8, 255, 256, 257, 263, 600])
def test_kernel_finds_every_single_wrong_byte(num_bytes: int):
    values, bases = rows("uint8", (num_bytes,))
    masks = probe_pattern.masks("uint8")
    for index in range(num_bytes):
        values[2, index] ^= 1
        assert count_wrong_bytes(values, bases, *masks) == 1
        values[2, index] ^= 1
    assert count_wrong_bytes(values, bases, *masks) == 0


def test_kernel_counts_the_bytes_of_rows_that_changed_places():
    values, bases = rows("uint8", (1000,))
    wrong = count_wrong_bytes(values[::-1].copy(), bases, *probe_pattern.masks("uint8"))
    assert 3900 < wrong <= 4000  # one byte in 256 is right by chance
