"""From what a caller wrote as a simulator to an argv, an environment and a user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from processes import script
from uerl_shm import launcher_command
from uerl_shm.errors import SimulatorLost, SimulatorNotFound, SpecError
from uerl_shm.launcher_command import environment, resolve_command, resolve_user


@pytest.fixture
def game(tmp_path) -> str:
    return script(tmp_path / "MyGame.sh", "true")


def test_command_line_is_divided_as_a_shell_divides_words(game):
    argv = resolve_command(f"{game} -a 'two words' \"$HOME\"", 0, "train")
    assert argv == [game, "-a", "two words", "$HOME"]


def test_name_and_lane_are_replaced_and_other_braces_stay(game):
    argv = resolve_command([game, "{name}-{lane}", "{}", "{names}", "{{lane}}"], 3, "train")
    assert argv[1:] == ["train-3", "{}", "{names}", "{3}"]


def test_braces_in_the_name_itself_are_not_replaced_again(game):
    assert resolve_command([game, "{name}"], 3, "{lane}") == [game, "{lane}"]


def test_words_are_divided_before_they_are_replaced(game):
    assert resolve_command(f"{game} {{name}}", 0, "a b") == [game, "a b"]


def test_function_gives_each_lane_a_command_of_its_own(game):
    assert resolve_command(lambda lane: [game, f"map{lane}"], 2, "n") == [game, "map2"]
    assert resolve_command(lambda lane: f"{game} {{lane}}", 2, "n") == [game, "2"]


def test_path_objects_are_arguments(game):
    assert resolve_command([Path(game), Path("/x y")], 0, "n") == [game, "/x y"]


def test_bare_name_is_looked_up_on_path_of_the_given_environment(game, tmp_path):
    environ = {"PATH": str(tmp_path)}
    assert resolve_command("MyGame.sh -x", 0, "n", environ=environ) == [game, "-x"]


def test_executables_of_the_package_are_found_whatever_path_is(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher_command, "FOLDER", tmp_path)
    path = script(tmp_path / "uerl-sim", "true")
    assert resolve_command("uerl-sim apples", 0, "n", environ={"PATH": ""}) == [path, "apples"]


def test_relative_path_counts_from_the_folder_in_which_the_simulator_starts(game, tmp_path):
    assert resolve_command("./MyGame.sh", 0, "n", cwd=tmp_path) == [game]


def test_missing_name_is_an_error_that_names_it_and_path(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        SimulatorNotFound, match=r"'no-such-game' does not exist.*/nowhere"
    ) as error:
        resolve_command("no-such-game", 0, "n")
    assert isinstance(error.value, FileNotFoundError)
    assert isinstance(error.value, SimulatorLost)


def test_missing_path_is_an_error_that_names_the_whole_path(tmp_path):
    with pytest.raises(SimulatorNotFound, match=f"simulator {tmp_path}/x.sh does not exist"):
        resolve_command("./x.sh", 0, "n", cwd=tmp_path)


def test_name_that_lies_in_the_folder_but_not_on_path_says_how_to_write_it(game, tmp_path):
    with pytest.raises(SimulatorNotFound, match=r"write \./MyGame\.sh"):
        resolve_command("MyGame.sh", 0, "n", cwd=tmp_path)


def test_file_without_the_right_to_execute_says_how_to_give_it(game):
    os.chmod(game, 0o644)
    with pytest.raises(SimulatorLost, match=f"cannot be executed, .*: chmod \\+x {game}"):
        resolve_command(game, 0, "n")


def test_folder_is_no_executable(tmp_path):
    with pytest.raises(SimulatorLost, match="cannot be executed"):
        resolve_command(f"{tmp_path}/", 0, "n")


@pytest.mark.parametrize(
    ("simulator", "text"),
    [
        ("", "simulator '' is empty, expected a command line"),
        ("  ", "is empty"),
        ([], "is empty"),
        ([""], "is empty"),
        ("sh -c 'x", "is no command line: No closing quotation"),
        (b"sh", "simulator b'sh', expected a command line"),
        (7, "simulator 7, expected a command line"),
        (["sh", 7], "simulator has the argument 7, expected text"),
        (["sh", "a\0b"], "expected no zero in it"),
        (lambda lane: None, "simulator None, expected a command line"),
    ],
)
def test_what_is_no_command_is_refused(simulator, text):
    with pytest.raises(SpecError) as error:
        resolve_command(simulator, 0, "n")
    assert text in str(error.value)


def test_environment_is_this_process_s_with_what_was_added_and_our_executables_on_path(monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("CHANGED", "1")
    monkeypatch.setenv("UERL_SHM_NAME", "of another segment")
    found = environment({"CHANGED": "2", "ADDED": "3"})
    assert (found["KEPT"], found["CHANGED"], found["ADDED"]) == ("1", "2", "3")
    assert found["PATH"] == f"{launcher_command.FOLDER}:{os.environ['PATH']}"
    assert "UERL_SHM_NAME" not in found


def test_environment_holds_only_text():
    with pytest.raises(SpecError, match="environ has 'SEED': 3, expected text for text"):
        environment({"SEED": 3})


def test_nobody_asked_for_is_whoever_we_are():
    user = resolve_user(None, None)
    assert (user.uid, user.gid, user.environ) == (None, None, {})


@pytest.mark.parametrize(
    ("user", "group", "text"),
    [
        ("no-such-user", None, "run_as_user 'no-such-user' is unknown"),
        ("no-such-user", 3, "run_as_user 'no-such-user' is unknown"),
        (0, "no-such-group", "run_as_group 'no-such-group' is unknown"),
        (3999999, None, "run_as_user 3999999 has no account, expected one: give run_as_group"),
        (-1, 0, "run_as_user -1, expected 0 to 4294967294"),
        (4294967295, 0, "run_as_user 4294967295, expected 0 to 4294967294"),
        (0, "4294967295", "run_as_group 4294967295, expected 0 to 4294967294"),
    ],
)
def test_user_or_group_that_does_not_exist_is_refused(user, group, text):
    with pytest.raises(SpecError) as error:
        resolve_user(user, group)
    assert text in str(error.value)


def test_only_root_may_ask_for_another_user(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    assert resolve_user("1000", 1000).uid is None
    with pytest.raises(SpecError, match="need root, this learner has uid 1000: start the learner"):
        resolve_user(0, None)
    with pytest.raises(SpecError, match="need root"):
        resolve_user(None, 0)
