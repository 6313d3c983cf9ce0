"""Faults at odd moments: while the learner is busy, stopped or interrupted, one after the other."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import time

import numpy as np
import pytest

from faults.conftest import PROBE, hurt, pid_of, step, step_until_valid, valid_of
from faults.test_table_machine import lane_offset, path_of
from processes import eventually
from support.bundled import UERL_SIM, random_actions
from uerl_shm import StepTimeout, _core

HANGS = f"{UERL_SIM} probe --episode-steps 0 --step-us 10000000"


def actions_of(env):
    return random_actions(env, np.random.default_rng(0))


def state_of(env, lane):
    return env._simulators._keeper._cases[lane].state


def test_a_simulator_that_always_hangs_is_given_up_after_max_restarts(make, caplog):
    env = make(1, HANGS, max_restarts=1, step_deadline_s=0.1, kill_after_s=0.1, min_valid=0)
    env.reset()
    pids = set()

    def given_up():
        step(env)
        pids.add(pid_of(env, 0))
        return state_of(env, 0) == "given up"

    assert eventually(given_up, 20)
    assert len(pids) == 2
    assert caplog.records[-1].levelname == "ERROR"
    assert "its rows stay masked: it was started 1 times in 10 minutes" in caplog.text


def test_one_that_answered_is_not_killed_while_the_learner_is_busy(make):
    env = make(2, step_deadline_s=0.2, kill_after_s=0.4)
    env.reset()
    pid = pid_of(env, 1)
    hurt(env, 1, signal.SIGSTOP)
    assert valid_of(step(env)[4]) == [True, False]
    hurt(env, 1, signal.SIGCONT)
    time.sleep(1.5)  # the learner trains
    step_until_valid(env)
    assert pid_of(env, 1) == pid


def test_one_that_was_started_again_is_not_killed_while_the_learner_is_busy(make):
    env = make(2, startup_timeout_s=1.0)
    env.reset()
    killed = pid_of(env, 1)
    hurt(env, 1, signal.SIGKILL)
    step(env)
    assert eventually(lambda: state_of(env, 1) == "starting" and pid_of(env, 1) != killed)
    pid = pid_of(env, 1)
    time.sleep(2.0)  # the learner trains
    step_until_valid(env)
    assert pid_of(env, 1) == pid


def test_one_that_hangs_is_late_although_the_learner_looks_now_and_then(make):
    env = make(2, step_deadline_s=1.0, on_death="mask")
    env.reset()
    hurt(env, 1, signal.SIGSTOP)
    env.send(actions_of(env))
    env.recv(min_envs=1)

    def is_late():
        time.sleep(0.7)
        try:
            return valid_of(env.recv(min_envs=1, timeout_s=0).info) == [False]
        except StepTimeout:
            return False

    assert eventually(is_late, 20)
    assert env.stats()["late"] == 1
    hurt(env, 1, signal.SIGCONT)


def test_nobody_is_late_after_everybody_stood_still_between_two_calls(make):
    env = make(2, f"{PROBE} --wait-us 200000", step_deadline_s=1.0, on_death="mask")
    env.reset()
    env.send(actions_of(env)[:1], [0])
    env.recv()
    env.send(actions_of(env)[1:], [1])
    for lane in range(2):
        hurt(env, lane, signal.SIGSTOP)
    time.sleep(2.0)  # stands for a frozen container
    for lane in range(2):
        hurt(env, lane, signal.SIGCONT)
    env.send(actions_of(env)[:1], [0])
    assert valid_of(env.recv(min_envs=2).info) == [True, True]
    assert env.stats()["late"] == 0


def test_late_comes_before_timed_out_after_a_pause_of_the_learner(make):
    env = make(2, step_deadline_s=1.5, timeout_s=1.5, on_death="mask")
    env.reset()
    hurt(env, 1, signal.SIGSTOP)
    me = os.getpid()
    pause = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -STOP {me}; sleep 1; kill -CONT {me}"])
    assert valid_of(step(env)[4]) == [True, False]
    pause.wait()
    hurt(env, 1, signal.SIGCONT)


def test_a_restart_that_fails_is_told_and_tried_again(make, tmp_path, caplog):
    logs = tmp_path / "its own"
    env = make(2, log_dir=logs, max_restarts=2)
    env.reset()
    shutil.rmtree(logs)
    hurt(env, 1, signal.SIGKILL)
    assert eventually(lambda: (step(env), "No such file or directory" in caplog.text)[1])
    logs.mkdir()
    step_until_valid(env)


def test_an_interrupt_while_one_loss_is_told_loses_no_other(make, monkeypatch):
    env = make(3)
    env.reset()
    step(env)
    keeper = env._simulators._keeper
    take_loss, first = keeper._take_loss, [True]

    def interrupted(*words):
        if first.pop() if first else False:
            raise KeyboardInterrupt
        take_loss(*words)

    monkeypatch.setattr(keeper, "_take_loss", interrupted)
    for lane in (1, 2):
        hurt(env, lane, signal.SIGKILL)
    assert eventually(lambda: not _core.Observer(env.segment_name).lane(2)["locked"])
    with pytest.raises(KeyboardInterrupt):
        step(env)
    env.recv()
    step_until_valid(env)


def test_garbage_in_the_generation_of_a_barred_simulator_does_not_bring_it_back(make):
    env = make(2, on_death="mask", step_deadline_s=30)
    env.reset()
    step(env)
    at = lane_offset(env, 1)
    hurt(env, 1, signal.SIGSTOP)
    env.send(actions_of(env))
    with path_of(env).open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), struct.pack("<I", 0xDEAD0000), at)
        info = env.recv().info
        assert valid_of(info) == [True, False]
        assert "wrote impossible values 3 times" in info["lost"][1]
        lane = _core.Observer(env.segment_name).lane(1)
        assert lane["fence"] == lane["generation"]  # it is to leave
        os.pwrite(file.fileno(), struct.pack("<I", 0x12345678), at + 8)
        for _ in range(5):
            assert valid_of(step(env)[4]) == [True, False]
    assert env.stats()["lost"] == 1
    hurt(env, 1, signal.SIGKILL)


def test_one_that_answers_but_publishes_nonsense_as_well_is_barred(make):
    env = make(1, on_death="mask", min_valid=0)
    env.reset()
    at = lane_offset(env, 0)
    hurt(env, 0, signal.SIGSTOP)
    seen = []
    with path_of(env).open("r+b", buffering=0) as file:
        for number in range(4):
            env.send(actions_of(env))
            index, _, generation = struct.unpack("<III", os.pread(file.fileno(), 12, at))
            for sequence in (12345, number + 2):  # one that nobody asked for, then the right one
                entry = struct.pack("<QII", sequence, generation, 0)
                os.pwrite(file.fileno(), entry, at + 64 + (index % 4) * 16)
                index += 1
            os.pwrite(file.fileno(), struct.pack("<I", index), at)
            seen.append(valid_of(env.recv(timeout_s=5).info)[0])
    assert seen == [True, True, False, False]
    hurt(env, 0, signal.SIGKILL)


def test_an_episode_that_was_cut_off_in_a_partial_reset_is_told_with_the_next_step(make):
    env = make(4, envs_per_simulator=2, autoreset_mode="Disabled", on_death="mask")
    env.reset()
    step(env)
    hurt(env, 1, signal.SIGKILL)
    assert eventually(lambda: not _core.Observer(env.segment_name).lane(1)["locked"])
    _, info = env.reset(options={"reset_mask": np.array([0, 0, 1, 0], bool)})
    assert valid_of(info) == [True, True, False, False]
    assert info["_valid"].all()
    told = [step(env)[3].tolist() for _ in range(3)]
    assert told == [[False, False, False, True], [False] * 4, [False] * 4]


def test_an_episode_that_had_just_begun_is_cut_off_in_same_step_mode(make):
    probe = f"{UERL_SIM} probe --observation state:float32:8 --episode-steps 5"
    env = make(2, probe, autoreset_mode="SameStep", on_death="mask")
    env.reset()
    ended = False
    while not ended:
        _, _, terminated, truncated, _ = step(env)
        ended = bool((terminated | truncated)[1])
    hurt(env, 1, signal.SIGKILL)
    assert eventually(lambda: not _core.Observer(env.segment_name).lane(1)["locked"])
    _, _, _, truncated, info = step(env)
    assert valid_of(info) == [True, False]
    assert truncated[1]


def test_a_late_simulator_is_said_to_be_stopped_or_busy(make, caplog):
    env = make(2, step_deadline_s=0.8, on_death="mask")
    env.reset()
    hurt(env, 1, signal.SIGSTOP)
    step(env)
    assert "its process stands still: it is stopped" in caplog.text
    assert "its last committed step was command 1" in caplog.text
    hurt(env, 1, signal.SIGCONT)
    caplog.clear()
    env = make(1, HANGS, step_deadline_s=0.8, on_death="mask", min_valid=0)
    env.reset()
    step(env)
    assert "its process runs: it is busy, or hangs" in caplog.text
