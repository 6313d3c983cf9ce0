"""Whatever is opened, mapped, started or made is gone again, however often it is done."""

from __future__ import annotations

import gc
import os
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest

import uerl_shm
from command_line import call_program

RESETS = 10_000
CYCLES = 1_000


def traces() -> Counter[str]:
    """What this process has: files, mappings of segments, threads, children; and all segments."""
    found = Counter({"threads": threading.active_count()})
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found["fd " + os.readlink(entry).split(":")[0]] += 1
        except FileNotFoundError:
            continue  # the folder's own
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "/dev/shm/" in line:
            found["mapping " + line.split(maxsplit=5)[5]] += 1
    found["children"] = len(psutil.Process().children(recursive=True))
    for path in Path("/dev/shm").iterdir():
        found[f"file {path.name}"] += 1
    return found


def make() -> uerl_shm.VecEnv:
    return uerl_shm.VecEnv("uerl-sim basic", num_envs=2, log_dir="logs")


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gc.collect()  # what other tests have left


def test_ten_thousand_resets_leave_nothing():
    with closing(make()) as env:
        env.reset(seed=0)
        mask = np.array([True, False])
        before, memory = traces(), psutil.Process().memory_info().rss
        for number in range(RESETS):
            env.reset(seed=number, options={"reset_mask": mask} if number % 2 else None)
        assert traces() == before
        assert psutil.Process().memory_info().rss < memory + 8 * 2**20


@pytest.mark.slow
def test_a_thousand_envs_leave_nothing():
    with closing(make()) as env:
        env.reset(seed=0)  # whatever is made once is made now
    before, memory = traces(), psutil.Process().memory_info().rss
    for number in range(CYCLES):
        env = make()
        observation, _ = env.reset(seed=number)
        if number % 2:
            env.close()
        del env, observation
    assert traces() == before
    assert psutil.Process().memory_info().rss < memory + 32 * 2**20


def test_segment_has_the_size_that_inspect_says():
    with closing(uerl_shm.VecEnv("uerl-sim apples", num_envs=3)) as env:
        said = call_program("inspect", env.segment_name, "--json")
        assert said.returncode == 0, said.stderr
        size = (Path("/dev/shm") / env.segment_name).stat()
        assert f'"segment_bytes": {size.st_size}' in said.stdout
        assert size.st_blocks * 512 == size.st_size  # every page is there: no SIGBUS later
        assert env.stats()["segment_bytes"] == size.st_size
