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
from uerl_shm.cli.top_shares import time_shares


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
        assert lane["time"]["simulator"] == 1.0 and lane["time"]["learner"] is None
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
    assert lines[2] == "time goes to simulators 0 %   turns 0 %   transport 0 %   learner 100 %"
    assert lines[4].split() == ["LANE", "STATE", "GENERATION", "ENV", "STEPS/S", "SIMULATOR",
                                "OTHERS", "TRANSPORT", "LEARNER", "PENDING", "FOR"]  # fmt: skip
    assert lines[5].split() == [*("0", "ready", "1", "0"), *("0 % 0 % 0 % 100 % -").split()]


def test_shares_of_a_loop_add_up_and_say_who_waited_for_whom():
    # Of a second, the learner waits 0.6 s; one simulator works 0.5 s, the other one 0.2 s.
    found = time_shares(0.6, [0.5, 0.8, None], num_cores=8)
    assert found.total == pytest.approx(
        {"simulators": 0.5, "turns": 0.0, "transport": 0.1, "learner": 0.4}
    )
    slow, quick, lost = found.lanes
    assert slow == pytest.approx(
        {"simulator": 0.5, "others": 0.0, "transport": 0.1, "learner": 0.4}
    )
    assert quick == pytest.approx(
        {"simulator": 0.2, "others": 0.3, "transport": 0.1, "learner": 0.4}
    )
    assert lost is None


def test_simulators_that_take_turns_on_the_cores_are_not_called_transport():
    # Four that work 0.4 s each need 0.8 s on two cores: more than the busiest one alone.
    found = time_shares(0.9, [0.6] * 4, num_cores=2)
    assert found.total == pytest.approx(
        {"simulators": 0.4, "turns": 0.4, "transport": 0.1, "learner": 0.1}
    )
    assert found.lanes[0] == pytest.approx(
        {"simulator": 0.4, "others": 0.4, "transport": 0.1, "learner": 0.1}
    )


def test_simulators_that_work_beside_the_learner_leave_no_negative_share():
    found = time_shares(0.2, [0.1, 0.3], num_cores=8)
    assert found.total == pytest.approx(
        {"simulators": 0.2, "turns": 0.0, "transport": 0.0, "learner": 0.8}
    )
    for lane in found.lanes:
        assert sum(lane.values()) == pytest.approx(1.0)
        assert min(lane.values()) >= 0.0


def test_wait_that_has_not_ended_is_unknown():
    found = time_shares(None, [0.0, 1.0, None], num_cores=2)
    assert found.total is None
    unknown = {"others": None, "transport": None, "learner": None}
    assert found.lanes == [{"simulator": 1.0, **unknown}, {"simulator": 0.0, **unknown}, None]


def test_time_of_slow_simulators_is_theirs(run, name):
    simulator = "uerl-sim basic --wait-us 20000"
    learner = start_learner("step", simulator=simulator, num_envs=2, name=name)
    try:
        found = look(run, name)
    finally:
        kill(learner)
        os.unlink(f"/dev/shm/{name}")
    assert sum(found["time"].values()) == pytest.approx(1.0)
    assert found["time"]["simulators"] == max(found["time"].values())
    assert found["transport_s_per_batch"] == pytest.approx(
        found["time"]["transport"] / found["batches_per_s"]
    )
    for lane in found["lanes"]:
        assert sum(lane["time"].values()) == pytest.approx(1.0)
        assert lane["time"]["simulator"] == max(lane["time"].values())


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
