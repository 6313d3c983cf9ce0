"""Simulators that run as another user. All are real."""

from __future__ import annotations

import os
import re

import pytest

from processes import FAMILY_SIZE, ended, family, is_alive, log, pids_in, script
from uerl_shm.errors import SimulatorLost, SpecError, UerlError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change to another user")


@needs_root
def test_log_folder_of_somebody_else_is_refused(launch, tmp_path):
    folder = tmp_path / f"uerl_shm-{os.geteuid()}"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(UerlError, match="belongs to uid 65534 or is no folder, expected a folder"):
        launch("sleep 1000")


@needs_root
@pytest.mark.parametrize("user", ["nobody", 65534, "65534"])
def test_simulator_runs_as_the_user_that_was_asked_for(launch, readable, user, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    text = 'id -u; id -g; id -G; echo "$USER $HOME $XDG_RUNTIME_DIR"; exit 1'
    launcher = launch(["sh", "-c", text], run_as_user=user)
    launcher.start(0)
    ended(launcher)
    uid, gid, groups, login = log(launcher).splitlines()
    assert (uid, gid, groups) == ("65534", "65534", "65534")
    assert re.fullmatch("nobody /nonexistent ?", login)


@needs_root
def test_simulator_runs_as_a_user_without_an_account_when_a_group_is_given(launch, readable):
    launcher = launch(["sh", "-c", "id -u; id -g; id -G; exit 1"], run_as_user=3456, run_as_group=7)
    launcher.start(0)
    ended(launcher)
    assert log(launcher).split() == ["3456", "7", "7"]


@needs_root
def test_simulator_of_another_user_is_killed_like_any_other(launch, readable):
    game, pids = family(readable)
    launcher = launch(game, run_as_user="nobody")
    launcher.start(0)
    members = pids_in(pids, FAMILY_SIZE)
    launcher.close(0)
    assert not any(map(is_alive, members))


@needs_root
def test_executable_that_the_other_user_cannot_reach_is_an_error_that_says_so(launch, launched):
    game = script(launched / "game", "true")
    launched.chmod(0o700)
    launcher = launch(game, run_as_user="nobody")
    with pytest.raises(SimulatorLost, match=r"could not be run, .*: Permission denied \(may this"):
        launcher.start(0)


def test_unknown_user_is_refused_before_anything_starts(launch):
    with pytest.raises(SpecError, match="run_as_user 'no-such-user' is unknown"):
        launch("sleep 1000", run_as_user="no-such-user")
