"""`uerl-shm` as a whole: help, errors, signals, pipes; `describe`, `bench` and `train`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import uerl_shm
from command_line import ENVIRONMENT, PROGRAM, call_program
from uerl_shm.cli import train as training
from uerl_shm.cli.app import app

COMMANDS = [command.name for command in app.registered_commands]


def test_help_lists_every_command(run):
    said = run("--help").stdout
    assert COMMANDS == [
        *("train", "export", "serve", "check", "bench", "tune", "describe"),
        *("ls", "inspect", "top", "view", "probe", "serve-metrics", "bridge", "record"),
        *("replay", "clean", "doctor", "shm-init"),
    ]
    for command in COMMANDS:
        assert f"\n  {command} " in said


@pytest.mark.parametrize(
    "command", [(), *((name,) for name in COMMANDS), ("k8s",), ("k8s", "render")]
)
def test_help_begins_with_examples_and_then_has_the_usage(run, command):
    said = run(*command, "--help").stdout.splitlines()
    assert said[2] == "Examples:"
    assert said[3].strip().startswith("uerl-shm ")
    assert any(line.startswith("Usage: ") for line in said[4:])
    assert max(map(len, said)) <= 100


def test_version_names_the_layout(run):
    assert run("--version").stdout == f"uerl_shm {uerl_shm.__version__}, layout 1\n"


def test_error_is_one_clear_line_and_a_traceback_only_for_those_who_want_it():
    result = call_program("bench", "--simulator", "no-such-program")
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("uerl-shm: simulator 'no-such-program' does not exist")
    result = call_program("--debug", "bench", "--simulator", "no-such-program")
    assert "Traceback" in result.stderr
    assert "SimulatorNotFound" in result.stderr


def test_file_that_cannot_be_written_is_one_clear_line(run, tmp_path):
    path = tmp_path / "no-folder" / "spec.json"
    result = run("describe", "uerl-sim basic", "-o", path)
    assert result.exit_code == 2
    assert result.stderr == f"uerl-shm: {path}: no such file or directory\n"


def test_start_loads_neither_torch_nor_rich():
    code = (
        "import sys, uerl_shm.cli.app\n"
        "print([name for name in ('torch', 'rich', 'matplotlib') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_signal_ends_a_command_quietly_and_nothing_stays(number, code):
    command = ["bench", "--simulator", "uerl-sim basic", "--seconds", "1000"]
    bench = subprocess.Popen(
        [*PROGRAM, *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True,
    )  # fmt: skip
    maps = Path(f"/proc/{bench.pid}/maps")
    while not (mapped := re.findall("/dev/shm/uerl-.*", maps.read_text())):
        time.sleep(0.01)
    bench.send_signal(number)
    said, complained = bench.communicate()
    assert (bench.returncode, said, complained) == (code, "", "")
    assert not Path(mapped[0]).exists()


def test_pipe_that_is_closed_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [*PROGRAM, "describe", "uerl-sim apples"],
        stdout=writing, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert result.stderr == ""


def test_terminal_that_knows_only_ascii_gets_words():
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(
        [*PROGRAM, "check", "--simulator", "uerl-sim basic", "--steps", "30", "--no-randomness"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("ok spec")


# describe -----------------------------------------------------------------------------------------


def test_describe_prints_the_spec_as_json(run):
    spec = uerl_shm.EnvSpec.from_json(run("describe", "uerl-sim apples --depth").stdout)
    assert list(spec.group.observation) == ["camera", "depth"]


def test_describe_takes_a_command_of_several_words(run):
    one = run("describe", "uerl-sim tennis").stdout
    assert run("describe", "--", "uerl-sim", "tennis").stdout == one


def test_describe_writes_a_file_that_a_learner_can_read(run, tmp_path):
    result = run("describe", "uerl-sim gather", "-o", tmp_path / "spec.json")
    assert result.exit_code == 0
    assert [group.name for group in uerl_shm.EnvSpec.load(tmp_path / "spec.json").groups] == [
        "red",
        "blue",
    ]


def test_describe_prints_a_table(run):
    said = run("describe", "uerl-sim basic", "--table").stdout
    assert "basic  1 group: agent (1 agent)" in said
    row = next(line.split() for line in said.splitlines() if " action " in line)
    assert row == ["agent", "action", "move", "int64", "()", "discrete,", "0", "to", "2", "8",
                   "bytes"]  # fmt: skip


# bench --------------------------------------------------------------------------------------------


def test_bench_measures_and_the_parts_of_a_step_add_up(run):
    command = ["bench", "--simulator", "uerl-sim basic --wait-us 2000", "--num-envs", "2"]
    found = json.loads(run(*command, "--seconds", "0.5", "--json").stdout)
    assert (found["num_envs"], found["num_worlds"], found["num_simulators"]) == (2, 2, 2)
    assert found["seconds"] >= 0.5
    assert found["env_steps_per_s"] == pytest.approx(2 * found["batches_per_s"])
    assert 0.002 <= found["step_s"]["p50"] <= found["step_s"]["p99"] <= found["step_s"]["max"]
    assert found["learner_share"] + found["wait_share"] == pytest.approx(1.0)
    assert found["simulator_share"] > 0.3  # they sleep 2 ms in each step


def test_bench_prints_a_table(run):
    command = ["bench", "--simulator", "uerl-sim gather", "--envs-per-simulator", "2"]
    said = run(*command, "--num-envs", "2", "--seconds", "0.1").stdout
    assert said.startswith("gather  2 envs in 1 simulators")
    for line in ("env steps/s", "step, p50", "learner waits", "hand-over"):
        assert f"\n{line} " in said


def test_bench_names_a_wrong_number_of_envs(run):
    result = run("bench", "--simulator", "uerl-sim tennis", "--num-envs", "3")
    assert result.exit_code == 2
    assert "num_envs 3" in result.stderr


# train --------------------------------------------------------------------------------------------


@pytest.fixture
def executed(monkeypatch) -> Iterator[list[list[str]]]:
    commands: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda path, argv: commands.append(argv))
    monkeypatch.setattr(training, "find_spec", lambda name: name)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield commands
    signal.pthread_sigmask(signal.SIG_SETMASK, before)  # train blocks what the example unblocks


def test_train_becomes_the_example_with_all_options(run, executed):
    options = ["--simulator", "./Game.sh -nullrhi", "--num-envs", "4", "--total-steps", "9", "-x"]
    assert run("train", *options).exit_code == 0
    (argv,) = executed
    assert Path(argv[1]).name == "train_ppo.py"
    assert Path(argv[1]).is_file()
    assert argv[2:] == options


def test_train_passes_help_on_when_it_is_asked_to(run, executed):
    run("train", "--", "--help")
    assert executed[0][2:] == ["--help"]


def test_train_says_what_is_missing(run, executed, monkeypatch):
    monkeypatch.setattr(training, "find_spec", lambda name: None if name == "torch" else name)
    result = run("train")
    assert result.exit_code == 2
    assert "torch not found" in result.stderr
    assert "pip install 'uerl_shm[train]'" in result.stderr
    monkeypatch.setattr(training, "FOLDERS", (Path("nowhere"),))
    result = run("train")
    assert result.exit_code == 2
    assert "train_ppo.py not found, expected nowhere/train_ppo.py" in result.stderr
    assert not executed


def test_wheels_copy_of_the_example_wins_over_a_folder_beside_the_package(tmp_path, monkeypatch):
    for folder in ("_examples", "examples"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train_ppo.py").touch()
    folders = (tmp_path / "_examples", tmp_path / "examples")
    assert [path.name for path in training.FOLDERS] == [path.name for path in folders]
    monkeypatch.setattr(training, "FOLDERS", folders)
    assert training.find_script("train_ppo.py") == folders[0] / "train_ppo.py"
