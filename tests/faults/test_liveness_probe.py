"""uerl-shm-probe: what a kubelet is told about a simulator, and about a learner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import ENVIRONMENT, call_program
from faults.conftest import PROBE, hurt, pid_of, step, step_until_valid, valid_of
from faults.test_fencing import SPEC, simulators
from processes import eventually
from uerl_shm import _core
from uerl_shm._bin import FOLDER

PROGRAM = FOLDER / "uerl-shm-probe"
WELL, ILL, UNKNOWN = 0, 1, 2


def ask(*arguments: object, **environ: str) -> tuple[int, str]:
    """Exit code and what was said."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, env=environ, timeout=20
    )
    return done.returncode, done.stdout + done.stderr


def test_it_is_static_and_small():
    assert PROGRAM.stat().st_size < 1 << 20
    headers = subprocess.run(["readelf", "-lW", PROGRAM], capture_output=True, text=True).stdout
    assert "LOAD" in headers
    assert "INTERP" not in headers


def test_where_there_is_no_learner_yet_it_waits():
    name = f"uerl-probe-{os.getpid()}"
    assert ask(name, 0) == (WELL, f"lane 0 of segment {name}: waiting: there is no learner yet\n")


def test_a_fifo_of_that_name_is_refused_not_waited_for():
    name = f"uerl-probe-{os.getpid()}"
    os.mkfifo(f"/dev/shm/{name}", 0o600)
    try:
        code, said = ask(name, 0)
    finally:
        os.unlink(f"/dev/shm/{name}")
    assert code == UNKNOWN
    assert "is not a regular file, expected a segment" in said


def test_a_simulator_is_healthy_while_it_steps_and_while_it_waits(make):
    env = make(2)
    env.reset(seed=0)
    assert ask(env.segment_name, 1)[0] == WELL
    step(env)
    code, said = ask(UERL_SHM_NAME=env.segment_name, UERL_SHM_LANE="1")
    assert (code, said.split(": ")[1]) == (WELL, "healthy")


def test_a_simulator_whose_learner_died_waits(make):
    name = f"uerl-probe-{os.getpid()}"
    with simulators(name, 1, "--next-learner-s", "60"):
        env = make(1, None, spec=SPEC, name=name)
        env.reset(seed=0)
        env.close()
        assert ask(name, 0)[0] == WELL


def test_a_late_simulator_is_ill_until_it_answers(make):
    env = make(2, step_deadline_s=0.1, kill_after_s=60)
    env.reset(seed=0)
    hurt(env, 1, signal.SIGSTOP)
    assert valid_of(step(env)[4]) == [True, False]
    code, said = ask(env.segment_name, 1)
    assert (code, said.split(": ")[1]) == (ILL, "late")
    assert "deadline" in said
    assert ask(env.segment_name, 0)[0] == WELL
    hurt(env, 1, signal.SIGCONT)
    step_until_valid(env)
    assert ask(env.segment_name, 1)[0] == WELL


def test_a_process_that_stands_still_is_ill_though_nobody_asked_it_anything(make):
    env = make(1)
    env.reset(seed=0)
    hurt(env, 0, signal.SIGSTOP)
    code, said = ask(env.segment_name, 0)
    hurt(env, 0, signal.SIGCONT)
    assert code == ILL
    assert "its process has stood still for 5 s" in said


def test_a_fenced_simulator_is_ill(make):
    name = f"uerl-probe-{os.getpid()}"
    with simulators(name, 2) as started:
        env = make(2, None, spec=SPEC, name=name, step_deadline_s=0.1, kill_after_s=0.2)
        env.reset(seed=0)
        started[1].send_signal(signal.SIGSTOP)
        step(env)
        assert eventually(lambda: _core.Observer(name).lane(1)["fence"] != 0)
        code, said = ask(name, 1)
        assert (code, said.split(": ")[1]) == (ILL, "fenced")


def test_a_simulator_that_was_killed_is_no_matter_of_the_probe(make):
    env = make(1, on_death="mask", min_valid=0)
    env.reset(seed=0)
    os.kill(pid_of(env, 0), signal.SIGKILL)
    assert eventually(lambda: not _core.Observer(env.segment_name).lane(0)["locked"])
    code, said = ask(env.segment_name, 0)
    assert code == WELL
    assert "waiting: no simulator holds it" in said


def test_a_learner_that_sends_batches_is_healthy(make):
    env = make(1)
    env.reset(seed=0)
    arguments = [PROGRAM, "--learner", "20", env.segment_name]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as asked:
        assert eventually(lambda: step(env) and asked.poll() is not None)
        assert asked.returncode == WELL
        assert asked.stdout is not None and "healthy: it sends batches" in asked.stdout.read()


def test_a_learner_that_stands_still_is_ill(make):
    env = make(1)
    env.reset(seed=0)
    code, said = ask("--learner", 1, UERL_SHM_NAME=env.segment_name)
    assert code == ILL
    assert said == f"learner of segment {env.segment_name}: stalled: it sent no batch within 1 s\n"


DEAD = """
import os, sys, uerl_shm
env = uerl_shm.VecEnv(sys.argv[1], 1, name=sys.argv[2])
env.reset(seed=0)
os.kill(os.getpid(), 9)
"""


def test_a_new_learner_of_that_name_is_not_taken_for_a_batch_of_the_old_one(make):
    """It renames its segment over the dead one's, with a counter that starts anew."""
    name = f"uerl-probe-{os.getpid()}"
    subprocess.run([sys.executable, "-c", DEAD, PROBE, name], env=ENVIRONMENT, check=False)
    arguments = [PROGRAM, "--learner", "3", name]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as asked:
        assert not eventually(lambda: asked.poll() is not None, timeout_s=0.3)
        make(1, name=name)
        assert asked.wait(20) == ILL
        assert asked.stdout is not None and "stalled: it sent no batch" in asked.stdout.read()


def test_a_learner_without_a_segment_is_ill_at_last():
    code, said = ask("--learner", 1, "nobody-is-here")
    assert code == ILL
    assert said == "learner of segment nobody-is-here: missing: it made no segment within 1 s\n"


@pytest.mark.parametrize(
    "arguments", [(), ("0", "x"), ("1s", "x"), ("3601", "x"), ("", "x"), ("1",), ("1", "x", "y")]
)
def test_wrong_arguments_of_a_learners_probe_are_told(arguments):
    code, said = ask("--learner", *arguments)
    assert code == UNKNOWN
    assert "expected a name and 1 to 3600: give --learner SECONDS NAME" in said


@pytest.mark.parametrize("arguments", [(), ("x",), ("x", "-1"), ("x", "1x"), ("x", ""), "x12"])
def test_wrong_arguments_are_told(arguments):
    code, said = ask(*arguments)
    assert code == UNKNOWN
    assert "expected a name and a number from 0: give NAME and LANE" in said


def test_a_segment_that_is_none_and_a_lane_that_is_none_are_told(make):
    env = make(1, PROBE)
    code, said = ask(env.segment_name, 7)
    assert code == UNKNOWN
    assert f"lane is 7, segment {env.segment_name} has lanes 0 to 0" in said
    path = Path(f"/dev/shm/uerl-probe-{os.getpid()}")
    path.write_bytes(b"x" * 10000)
    path.chmod(0o600)
    try:
        code, said = ask(path.name, 0)
    finally:
        path.unlink()
    assert code == UNKNOWN
    assert "this is no segment of uerl_shm" in said


def test_the_command_is_the_program():
    done = call_program("probe", "nobody-is-here", "0")
    assert (done.returncode, done.stdout) == ask("nobody-is-here", 0)
    assert call_program("probe", "--path").stdout.strip() == str(PROGRAM)
