"""Silent is not dead: a simulator's own thread says so, and makes it leave when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from faults.conftest import PROBE, hurt, pid_of, step, step_until_valid, valid_of
from processes import eventually
from support.bundled import UERL_SIM
from uerl_shm import _core
from uerl_shm.launcher import describe

FENCED_EXIT = 70  # csrc/core/watch.h
SPEC = describe(PROBE)


@contextmanager
def simulators(
    name: str, count: int, *more: str, scene: str | None = None
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Simulators that nobody's learner has started: small probes, or of another scene."""
    command = [*(PROBE.split() if scene is None else [UERL_SIM, scene]), *more, "--name", name]
    started = [
        subprocess.Popen([*command, "--lane", str(lane)], stderr=subprocess.PIPE)
        for lane in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_a_busy_simulator_is_alive_and_makes_no_progress(make):
    env = make(1, f"{UERL_SIM} probe --step-us 600000", step_deadline_s=0.1, kill_after_s=60)
    env.reset(seed=0)
    observer = _core.Observer(env.segment_name)
    assert valid_of(step(env)[4]) == [False]
    before = observer.lane(0)
    assert eventually(lambda: observer.lane(0)["alive"] > before["alive"])
    assert observer.lane(0)["progress"] == before["progress"]


def test_a_stopped_simulator_is_not_alive(make):
    env = make(1)
    env.reset(seed=0)
    observer = _core.Observer(env.segment_name)
    hurt(env, 0, signal.SIGSTOP)
    stopped = observer.lane(0)["alive"]
    assert not eventually(lambda: observer.lane(0)["alive"] > stopped + 1, 0.5)
    hurt(env, 0, signal.SIGCONT)
    assert eventually(lambda: observer.lane(0)["alive"] > stopped + 1)


def test_a_foreign_simulator_that_stays_late_is_told_to_leave_and_its_successor_taken(make):
    name = f"uerl-fence-{os.getpid()}"
    with simulators(name, 2) as started:
        env = make(2, None, spec=SPEC, name=name, step_deadline_s=0.1, kill_after_s=0.2)
        env.reset(seed=0)
        started[1].send_signal(signal.SIGSTOP)
        assert valid_of(step(env)[4]) == [True, False]
        assert eventually(lambda: _core.Observer(name).lane(1)["fence"] != 0)
        started[1].send_signal(signal.SIGCONT)
        _, error = started[1].communicate(timeout=10)
        assert started[1].returncode == FENCED_EXIT
        assert b"was fenced by its learner" in error
        assert valid_of(step(env)[4]) == [True, False]
        started[1] = subprocess.Popen(started[1].args, stderr=subprocess.PIPE)
        info = step_until_valid(env)[4]
        assert info["episode"].tolist() == [0, 0]
        env.close()


def test_nobody_is_fenced_who_answers_in_time(make):
    env = make(2, step_deadline_s=0.1, kill_after_s=30)
    env.reset(seed=0)
    pid = pid_of(env, 0)
    hurt(env, 0, signal.SIGSTOP)
    step(env)
    hurt(env, 0, signal.SIGCONT)
    step_until_valid(env)
    assert _core.Observer(env.segment_name).lane(0)["fence"] == 0
    assert pid_of(env, 0) == pid
