"""The watch over what tests leave behind sees what it should, and only that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidy import leaks

HOLD = """
import fcntl, os, struct, sys
file = open(sys.argv[1], "r+b")
fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def planted() -> Iterator[Path]:
    """A file in /dev/shm that begins as a segment does."""
    path = leaks.SHM / f"leak-test-{os.getpid()}"
    path.write_bytes(leaks.MAGIC + bytes(4088))
    yield path
    path.unlink(missing_ok=True)


def test_segment_without_an_owner_is_found(planted):
    before = leaks.segments()
    del before[planted.name]
    assert leaks.left_behind(before, leaks.children()) == [f"segment {planted}"]


def test_segment_that_was_there_before_is_not_ours(planted):
    assert leaks.left_behind(leaks.segments(), leaks.children()) == []


def test_file_that_is_no_segment_is_not_ours(planted):
    before = leaks.segments()
    del before[planted.name]
    planted.write_bytes(b"something else")
    assert leaks.left_behind(before, leaks.children()) == []


def test_segment_of_another_living_learner_is_not_ours(planted):
    before = leaks.segments()
    del before[planted.name]
    command = [sys.executable, "-c", HOLD, planted]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as learner:
        assert learner.stdout is not None
        assert learner.stdout.readline() == b"held\n"
        assert leaks.left_behind(before, leaks.children()) == []
        learner.communicate()
    assert leaks.left_behind(before, leaks.children()) == [f"segment {planted}"]


def test_child_process_is_found_until_it_is_waited_for():
    before = leaks.segments(), leaks.children()
    with subprocess.Popen(["sleep", "60"]) as child:
        (found,) = leaks.left_behind(*before)
        assert found.startswith(f"process {child.pid}: ")
        child.kill()
    assert leaks.left_behind(*before) == []
