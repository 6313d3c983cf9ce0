"""`uerl-shm top`: rates, shares and lanes, judged from outside."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from contextlib import closing

import pytest

import uerl_shm
from command_line import ENVIRONMENT, PROGRAM, kill, start_learner


def look(run, name: str, interval_s: float = 0.4) -> dict:
    return json.loads(run("top", name, "--json", "--interval-s", interval_s).stdout)


@pytest.fixture
def stepping(name):
    learner = start_learner(
        "step", simulator="uerl-sim tennis", num_envs=8, envs_per_simulator=2, name=name
    )
    yield learner
    kill(learner)
    os.unlink(f"/dev/shm/{name}")


def test_top_counts_what_a_learner_steps(run, stepping, name):
    before = uerl_shm.segment._core.Observer(name).header()["steps"]
    begin = time.monotonic()
    found = look(run, name)
    seconds = time.monotonic() - begin
    most = (uerl_shm.segment._core.Observer(name).header()["steps"] - before) / found["seconds"]
    assert seconds > found["seconds"] > 0.4
    assert 0 < found["rows_per_s"] <= most
    assert found["env_steps_per_s"] == pytest.approx(found["rows_per_s"] / 2)  # two agents
    assert found["batches_per_s"] == pytest.approx(found["rows_per_s"] / 8)
    assert (found["simulators"], found["rows"], found["state"]) == (2, 8, "alive")


def test_top_shows_each_lane(run, stepping, name):
    found = look(run, name)
    assert [lane["lane"] for lane in found["lanes"]] == [0, 1]
    for lane in found["lanes"]:
        assert (lane["state"], lane["generation"]) == ("ready", 1)
        assert 0.0 <= lane["wait_share"] <= 1.0
    # Commands of a lane step its two worlds; a batch may be under way at either look.
    total = sum(lane["env_steps_per_s"] for lane in found["lanes"])
    slack = 8 / found["seconds"]
    assert total == pytest.approx(found["env_steps_per_s"], abs=slack)


def test_simulators_of_an_idle_learner_wait_all_the_time(run, env, name):
    found = look(run, name)
    assert found["env_steps_per_s"] == 0
    assert found["learner_wait_share"] == 0
    assert [(lane["wait_share"], lane["pending_s"]) for lane in found["lanes"]] == [(1.0, None)] * 2


def test_simulator_that_is_busy_is_pending_since_it_was_first_seen_so(run, name):
    slow = uerl_shm.VecEnv("uerl-sim basic --wait-us 1500000", num_envs=1, name=name)
    with closing(slow) as env:
        env.reset()
        env.send(env.action_space.sample())
        (lane,) = look(run, name)["lanes"]
        assert (lane["wait_share"], lane["env_steps_per_s"]) == (0.0, 0.0)
        assert 0.4 <= lane["pending_s"] < 1.5
        env.recv()


def test_lost_simulator_is_called_lost(run, env, name):
    os.kill(env._simulators.launcher.pid(1), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while look(run, name, 0.05)["simulators"] == 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    found = look(run, name, 0.05)
    assert [lane["state"] for lane in found["lanes"]] == ["ready", "lost"]
    assert found["lanes"][1]["wait_share"] is None


def test_once_prints_one_picture(run, env, name):
    lines = run("top", name, "--once", "--interval-s", 0.1).stdout.splitlines()
    assert lines[0].startswith(f"segment {name}  alive   2/2 simulators   4 rows")
    assert lines[1].startswith("env steps/s 0   batches/s 0   learner waits 0 %")
    assert lines[3].split() == ["LANE", "STATE", "GENERATION", "ENV", "STEPS/S", "WAITS",
                                "PENDING", "FOR"]  # fmt: skip
    assert lines[4].split() == ["0", "ready", "1", "0", "100", "%", "-"]


def test_live_picture_ends_with_the_learner(name):
    learner = start_learner("step", simulator="uerl-sim basic", num_envs=1, name=name)
    terminal, other_end = pty.openpty()
    top = subprocess.Popen(
        [*PROGRAM, "top", name, "--interval-s", "0.1"],
        stdin=other_end, stdout=other_end, stderr=other_end,
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
    )  # fmt: skip
    os.close(other_end)
    said = b""
    while b"env steps/s" not in said:
        said += os.read(terminal, 4096)
    kill(learner)
    os.unlink(f"/dev/shm/{name}")  # as a learner does that ends in order
    try:
        while part := os.read(terminal, 4096):
            said += part
    except OSError:
        pass  # a terminal whose other end is closed says so with an error
    os.close(terminal)
    assert top.wait(timeout=30) == 0
    assert b"its learner has ended" in said


def test_top_follows_the_next_learner_of_the_same_name(name):
    from uerl_shm.cli.samples import Watch, rates

    kill(start_learner("step", simulator="uerl-sim basic", num_envs=1, name=name))
    watch = Watch(name)
    dead = watch.sample()
    assert dead.header["owner_alive"] is False
    with closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=3, name=name)) as env:
        env.reset()
        env.step(env.action_space.sample())
        found = rates(watch, dead, watch.sample())
    assert (found["state"], found["steps"], len(found["lanes"])) == ("alive", 3, 3)
    assert found["rows_per_s"] == pytest.approx(3 / found["seconds"])


def test_top_without_a_terminal_prints_one_picture_after_the_other(env, name):
    top = subprocess.Popen(
        [*PROGRAM, "top", name, "--interval-s", "0.05"],
        stdout=subprocess.PIPE, env=ENVIRONMENT, text=True,
    )  # fmt: skip
    assert top.stdout is not None
    pictures = 0
    while pictures < 3:
        pictures += top.stdout.readline().startswith(f"segment {name}")
    env.close()
    said, _ = top.communicate(timeout=30)
    assert top.returncode == 0
    assert said.splitlines()[-1].endswith("its learner has ended")
