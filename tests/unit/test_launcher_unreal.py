"""Unreal Engine refuses to run as root; so do we, before it is started, and we say what helps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from processes import script
from uerl_shm import VecEnv
from uerl_shm.describe import describe
from uerl_shm.errors import SpecError
from uerl_shm.launcher import Launcher
from uerl_shm.launcher_command import User
from uerl_shm.launcher_unreal import check_unreal_user, is_unreal

REFUSED = r"refuses to run as root: give run_as_user= .* shm_group= .* shm_mode=0o660"


@pytest.fixture
def packaged(tmp_path):
    """The start script of a packaged game, beside the engine's folders."""
    (tmp_path / "Engine" / "Binaries" / "Linux").mkdir(parents=True)
    return script(tmp_path / "MyGame.sh", "exit 3")


@pytest.fixture
def root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.parametrize(
    "command",
    [
        "/opt/UE/UnrealEditor",
        "/opt/UE/UnrealEditor-Cmd /x/My.uproject",
        "/opt/UE/UnrealEditor-Linux-DebugGame",
        "/opt/UE4/UE4Editor",
        "/opt/game/MyGame-Linux-Shipping",
        "/opt/game/MyGame-Linux-Test",
        "/opt/game/MyGame-LinuxArm64-Shipping",
        "/opt/game/MyGame/Binaries/Linux/MyGame",
        "/usr/bin/xvfb-run -a /opt/game/MyGame/Binaries/Linux/MyGame -nullrhi",
        "/opt/run /x/My.uproject",
    ],
)
def test_programs_of_unreal_are_known_by_name_folder_or_project(command):
    assert is_unreal(command.split())


@pytest.mark.parametrize(
    "command",
    [
        "/usr/bin/uerl-sim apples",
        "/usr/bin/python3 simulator.py --log=/opt/game/MyGame/Binaries/Linux/log",
        "/opt/Binaries/Linuxish/game",
        "/usr/bin/sudo -u ue /opt/UE/UnrealEditor",
        "/usr/bin/MyUnrealEditorHelper",
    ],
)
def test_other_programs_and_those_that_change_the_user_are_not(command):
    assert not is_unreal(command.split())


def test_start_script_of_a_packaged_game_is_known_by_the_folders_beside_it(packaged, tmp_path):
    assert is_unreal([packaged])
    link = tmp_path / "elsewhere" / "game"
    link.parent.mkdir()
    link.symlink_to(packaged)
    assert is_unreal([str(link)])
    assert not is_unreal([script(link.parent / "MyGame.sh", "true")])


def test_it_is_refused_to_root_and_run_as_anybody_else(root, packaged):
    for user in (User(), User(uid=0)):
        with pytest.raises(SpecError, match=REFUSED) as error:
            check_unreal_user([packaged, "-nullrhi"], user)
        assert f"{packaged} -nullrhi" in str(error.value)
    check_unreal_user([packaged], User(uid=65534))


def test_it_is_not_refused_to_a_learner_that_is_not_root(monkeypatch, packaged):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    check_unreal_user([packaged], User())


def test_env_launcher_and_describe_refuse_it_before_it_is_launched(root, packaged, tmp_path):
    started = script(Path(packaged), f"touch {tmp_path}/started; exit 3")
    before = set(os.listdir("/dev/shm"))
    with pytest.raises(SpecError, match=REFUSED):
        VecEnv(started, 1)
    with pytest.raises(SpecError, match=REFUSED):
        describe(started)
    with pytest.raises(SpecError, match=REFUSED):
        Launcher(started, name="n", num_lanes=1)
    assert not (tmp_path / "started").exists()
    assert set(os.listdir("/dev/shm")) == before
