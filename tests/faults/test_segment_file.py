"""What others do to the file: nobody dies, the error names it, a new env works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from faults.conftest import PROBE, step, valid_of
from uerl_shm import SegmentCorrupt, SimulatorLost, VecEnv, _core


def path_of(env: VecEnv) -> Path:
    return Path("/dev/shm") / env.segment_name


def step_until_it_raises(env: VecEnv) -> BaseException:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            step(env)
        except (SegmentCorrupt, SimulatorLost) as error:
            return error
    raise AssertionError("nothing was noticed")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_segment_kills_no_learner_and_the_error_names_the_file(make, share):
    env = make(on_death="mask")
    env.reset(seed=0)
    kept = step(env)[0]
    os.truncate(path_of(env), int(path_of(env).stat().st_size * share))
    error = step_until_it_raises(env)
    assert isinstance(error, SegmentCorrupt)
    assert f"segment file {path_of(env)} was truncated" in str(error)
    assert np.isfinite(np.asarray(kept, np.float64)).all()  # zeros at worst, no crash
    with pytest.raises(SegmentCorrupt):
        step(env)
    env.close()
    again = make(name=env.segment_name)
    again.reset(seed=0)
    assert valid_of(step(again)[4]) == [True] * 4


def test_truncation_at_any_time_under_load_kills_no_learner(make):
    for number in range(10):
        env = make(2, on_death="mask")
        env.reset(seed=0)
        for _ in range(number * 20):
            step(env)
        os.truncate(path_of(env), 4096 * number)
        step_until_it_raises(env)
        env.close()


def test_punched_segment_is_an_error_that_names_the_file(make):
    env = make(on_death="mask")
    env.reset(seed=0)
    with path_of(env).open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        subprocess.run(["fallocate", "--punch-hole", "--length", str(size), file.name], check=True)
    error = step_until_it_raises(env)
    assert isinstance(error, SegmentCorrupt)
    assert str(path_of(env)) in str(error)


def test_unlinked_segment_goes_on(make):
    env = make()
    env.reset(seed=0)
    path_of(env).unlink()
    for _ in range(100):
        assert valid_of(step(env)[4]) == [True] * 4
    env.close()
    again = make(name=env.segment_name)
    again.reset(seed=0)


def test_close_does_not_remove_the_file_of_somebody_else(make):
    env = make(1)
    env.reset(seed=0)
    path = path_of(env)
    path.unlink()
    path.write_bytes(b"mine")
    env.close()
    assert path.read_bytes() == b"mine"
    path.unlink()


FOREIGN = """
    import faulthandler, mmap, os, signal, sys, tempfile
    if sys.argv[1] == "before":
        faulthandler.enable()
    if sys.argv[1] == "ignored":
        signal.signal(signal.SIGBUS, signal.SIG_IGN)
    import uerl_shm
    env = uerl_shm.VecEnv(sys.argv[2], 1, name=sys.argv[3])
    env.reset(seed=0)
    if sys.argv[1] == "between":
        faulthandler.enable()
        other = uerl_shm.VecEnv(sys.argv[2], 1, name=sys.argv[3] + "-b")
    if len(sys.argv) > 4:
        os.kill(os.getpid(), signal.SIGBUS)
        sys.exit(0)
    with tempfile.TemporaryFile() as file:
        file.truncate(4096)
        memory = mmap.mmap(file.fileno(), 4096)
        file.truncate(0)
        memory[0]
"""


def bus_error(enabled: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a process that meets a bus error of its own; a loop ends with an error."""
    name = f"uerl-bus-{os.getpid()}"
    try:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(FOREIGN), enabled, PROBE, name, *words],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    finally:
        for left in (name, f"{name}-b"):
            if Path("/dev/shm", left).exists():
                _core.clean(left)  # its learner is dead


@pytest.mark.parametrize("enabled", ["before", "between", "never", "ignored"])
def test_bus_error_elsewhere_goes_to_the_handler_that_was_there(enabled):
    done = bus_error(enabled)
    assert done.returncode == -signal.SIGBUS
    reports = int(enabled in ("before", "between"))
    assert done.stderr.count("Fatal Python error: Bus error") == reports


@pytest.mark.parametrize("enabled", ["before", "between", "never", "ignored"])
def test_bus_error_that_was_sent_goes_to_the_handler_that_was_there(enabled):
    assert bus_error(enabled, "sent").returncode == (0 if enabled == "ignored" else -signal.SIGBUS)
