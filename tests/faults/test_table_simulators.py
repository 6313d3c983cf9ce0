"""Rows of the fault table that begin in a simulator. Each name begins with the row's number."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from faults.conftest import (
    BE_SLOW,
    CRASH_SLOWLY,
    FAIL,
    FORK_AND_DIE,
    LEAVE,
    LOOP,
    PROBE,
    do,
    go_until_valid,
    hurt,
    others_go_on,
    pid_of,
    step,
    step_until_valid,
    valid_of,
)
from processes import eventually, is_alive, script
from uerl_shm import SegmentExists, Simulator, VecEnv, _core, keeper


def test_row_01_a_simulator_is_killed_at_any_instruction(make, monkeypatch):
    monkeypatch.setattr(keeper, "_BACKOFF_S", 0.0)
    env = make(4, max_restarts=1000)
    env.reset(seed=0)
    rng = random.Random(0)
    for _ in range(25):
        killer = subprocess.Popen(
            ["sh", "-c", f"sleep {rng.uniform(0, 0.02):.4f}; kill -9 {pid_of(env, 2)}"]
        )
        while killer.poll() is None:
            info = step(env)[4]
            assert info["valid"][[0, 1, 3]].all()
        step_until_valid(env)
    assert env.stats()["lost"] >= 20


def test_row_02_a_crash_handler_takes_its_time(make, puppet):
    env = make(3, puppet, step_deadline_s=0.2)
    env.reset(seed=0)
    start = time.monotonic()
    assert valid_of(do(env, CRASH_SLOWLY)[4]) == [True, False, True]
    assert time.monotonic() - start < 0.45  # at the deadline, not at the end of the handler
    others_go_on(env)
    go_until_valid(env)


def test_row_03_a_simulator_is_stopped_and_goes_on(make):
    env = make(step_deadline_s=0.2)
    env.reset(seed=0)
    hurt(env, 1, signal.SIGSTOP)
    assert valid_of(step(env)[4]) == [True, False, True, True]
    hurt(env, 1, signal.SIGCONT)
    step_until_valid(env)


def test_row_04_a_simulator_that_was_stopped_with_a_command_in_hand_harms_no_held_row(make):
    env = make(step_deadline_s=0.1, slots=12)
    env.reset(seed=0)
    for _ in range(5):
        hurt(env, 1, signal.SIGSTOP)
        held = [step(env)[0] for _ in range(4)]
        copies = [batch.copy() for batch in held]
        hurt(env, 1, signal.SIGCONT)
        step_until_valid(env)
        assert all(map(np.array_equal, held, copies))


def test_row_05_an_endless_loop_is_late_then_killed_then_started_again(make, puppet):
    env = make(3, puppet, step_deadline_s=0.1, kill_after_s=0.5)
    env.reset(seed=0)
    old = pid_of(env, 1)
    assert valid_of(do(env, LOOP)[4]) == [True, False, True]
    observer = _core.Observer(env.segment_name)
    before = observer.lane(1)
    assert eventually(lambda: observer.lane(1)["alive"] > before["alive"])
    assert observer.lane(1)["progress"] == before["progress"]
    others_go_on(env)
    go_until_valid(env)
    assert not is_alive(old)


def test_row_06_a_slow_start_is_no_death(make, tmp_path):
    slow = script(tmp_path / "slow", f"sleep 2; exec {PROBE}")
    env = make(2, slow, step_deadline_s=0.2, startup_timeout_s=30, spec=make(1).spec)
    env.reset(seed=0)
    assert env.stats()["lost"] == env.stats()["late"] == 0


def test_row_07_a_child_that_a_dead_simulator_left_holds_no_lock(make, puppet):
    env = make(3, puppet, on_death="mask")
    env.reset(seed=0)
    start = time.monotonic()
    assert valid_of(do(env, FORK_AND_DIE)[4]) == [True, False, True]
    assert time.monotonic() - start < 1.0
    assert not _core.Observer(env.segment_name).lane(1)["locked"]


def test_row_08_a_simulator_is_started_again_while_the_old_one_is_dying(make, monkeypatch):
    monkeypatch.setattr(keeper, "_BACKOFF_S", 0.0)
    env = make(2, max_restarts=1000)
    env.reset(seed=0)
    launcher = env._simulators.launcher
    for _ in range(50):
        os.kill(pid_of(env, 1), signal.SIGKILL)
        launcher.restart(1)
        step_until_valid(env)


def test_row_09_two_simulators_want_one_lane(make):
    env = make(2)
    env.reset(seed=0)
    with pytest.raises(SegmentExists, match="lane 1"):
        Simulator(env.segment_name, lane=1, timeout_s=0.1)
    assert valid_of(step(env)[4]) == [True, True]


@pytest.mark.parametrize("action", [LEAVE, FAIL])
def test_row_29_a_command_that_is_never_answered_is_given_up_once(make, puppet, action):
    env = make(3, puppet)
    env.reset(seed=0)
    _, _, _, truncated, info = do(env, action)
    assert (valid_of(info), truncated.tolist()) == ([True, False, True], [False, True, False])
    go_until_valid(env)
    assert env.stats()["lost"] == 1


def test_row_34_more_simulators_than_cores_and_a_busy_machine_kill_nobody(make):
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(4)]
    try:
        env = make(48, step_deadline_s=20)
        env.reset(seed=0)
        for _ in range(100):
            assert step(env)[4]["valid"].all()
        assert env.stats()["lost"] == env.stats()["late"] == 0
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_row_35_one_slow_simulator_is_waited_for_or_left_out_as_one_likes(make, puppet):
    env = make(3, puppet, step_deadline_s=5)
    env.reset(seed=0)
    assert valid_of(do(env, BE_SLOW)[4]) == [True, True, True]  # waited for
    env.send(np.array([0, BE_SLOW, 0]))
    assert env.recv(min_envs=2).env_ids.tolist() == [0, 2]  # left out for now
    assert env.recv().env_ids.tolist() == [1]
    impatient = make(3, puppet, step_deadline_s=0.1)
    impatient.reset(seed=0)
    assert valid_of(do(impatient, BE_SLOW)[4]) == [True, False, True]  # given up
    go_until_valid(impatient)


LOCK_ALL = """
import fcntl, struct, sys, time
file = open(sys.argv[1], "r+b")
fcntl.fcntl(file, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 16, 1000, 0))  # F_OFD_SETLK
print("locked", flush=True)
time.sleep(60)
"""


def test_row_40_somebody_who_locks_every_lane_is_found_at_start_up(make):
    name = f"uerl-locks-{os.getpid()}"
    result: list[BaseException] = []

    def learn() -> None:
        try:
            VecEnv(None, 2, spec=spec, name=name, startup_timeout_s=3)
        except BaseException as error:
            result.append(error)

    spec = make(1).spec
    learner = threading.Thread(target=learn)
    learner.start()
    path = Path("/dev/shm", name)
    assert eventually(path.exists)
    locker = subprocess.Popen([sys.executable, "-c", LOCK_ALL, str(path)], stdout=subprocess.PIPE)
    assert locker.stdout is not None
    locker.stdout.readline()
    learner.join()
    locker.kill()
    locker.communicate()
    assert "0 of 2 simulators attached" in str(result[0])
    assert "lane 0, 1 is held by somebody who never registered: end the process" in str(result[0])
