"""Processes of one Pod take segments that are free, one each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from processes import eventually
from support.bundled import UERL_SIM
from support.sidecars import Sidecars
from uerl_shm import SegmentExists, SpecError, VecEnv
from uerl_shm.claim import make_env
from uerl_shm.launcher import describe
from uerl_shm.segment import new_name

SCENE = f"{UERL_SIM} basic"


@pytest.fixture
def names(monkeypatch, tmp_path):
    """Two names that UERL_SHM_NAME lists, each with a sidecar that waits for its learner."""
    names = [new_name(), new_name()]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UERL_SHM_NAME", ", ".join(names))
    with closing(Sidecars(SCENE, dict.fromkeys(names, 1))):
        yield names


def claim(**options) -> VecEnv:
    return make_env(spec=describe(SCENE), **options)


def test_each_env_takes_the_first_name_that_is_free(names):
    with closing(claim()) as first, closing(claim()) as second:
        assert [first.segment_name, second.segment_name] == names
        for env in (first, second):
            env.reset(seed=0)
            assert env.step(env.action_space.sample())[4]["valid"].all()


def test_a_name_that_was_given_up_is_taken_again(names):
    with closing(claim()), closing(claim()) as second:
        second.close()
        with closing(claim()) as third:
            assert third.segment_name == names[1]


def test_an_env_waits_for_a_name_to_become_free(names):
    with closing(claim()) as first, closing(claim()):
        soon = threading.Timer(0.5, first.close)
        soon.start()
        with closing(claim()) as third:
            assert third.segment_name == names[0]
        soon.join()


def test_names_that_stay_in_use_are_told(names):
    with closing(claim()), closing(claim()):
        with pytest.raises(SegmentExists, match=f"segments {names[0]}, {names[1]} are all in use"):
            claim(startup_timeout_s=0.2)


def test_an_env_without_simulators_and_names_is_refused(monkeypatch):
    for text in (None, "", " , "):
        monkeypatch.delenv("UERL_SHM_NAME", raising=False)
        if text is not None:
            monkeypatch.setenv("UERL_SHM_NAME", text)
        with pytest.raises(SpecError, match="no simulator and UERL_SHM_NAME"):
            make_env(spec={})


def test_a_name_of_ones_own_is_left_alone(names):
    with closing(claim(name=names[1])) as env:
        assert env.segment_name == names[1]


def test_a_command_without_names_gets_a_new_name(monkeypatch):
    monkeypatch.delenv("UERL_SHM_NAME", raising=False)
    with closing(make_env(SCENE)) as first, closing(make_env(SCENE)) as second:
        assert first.segment_name != second.segment_name


def test_the_segment_of_a_killed_process_is_taken_over(monkeypatch):
    name = new_name()
    monkeypatch.setenv("UERL_SHM_NAME", name)
    lines = (
        "from uerl_shm.claim import make_env",
        f"env = make_env({SCENE!r})",
        "print(1)",
        "input()",
    )
    with subprocess.Popen(
        [sys.executable, "-uc", "\n".join(lines)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"1\n"
        process.kill()
    assert Path(f"/dev/shm/{name}").exists(), "a process that is killed unlinks nothing"
    with closing(make_env(SCENE)) as env:
        assert env.segment_name == name
    assert not Path(f"/dev/shm/{name}").exists()


def test_a_sidecar_that_was_killed_is_started_again(names):
    with closing(Sidecars(SCENE, {names[0]: 1})) as sidecars:
        first = sidecars.pids(names[0])
        os.kill(first[0], signal.SIGKILL)
        assert eventually(lambda: sidecars.restarts == 1 and sidecars.pids(names[0]) != first)
        assert not Path(f"/proc/{first[0]}").exists()
