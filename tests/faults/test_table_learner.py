"""Rows of the fault table that begin in a learner. Each name begins with the row's number."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from command_line import ENVIRONMENT, kill, start_learner
from faults.conftest import PROBE, hurt, pid_of, step, step_until_valid, valid_of
from faults.test_fencing import SPEC, simulators
from processes import eventually, is_alive
from uerl_shm import SegmentExists, StepTimeout, VecEnv, _core, keeper
from uerl_shm.errors import SegmentError

NAME = f"uerl-table-{os.getpid()}"


@pytest.fixture
def spec_path(tmp_path: Path) -> str:
    path = tmp_path / "spec.json"
    path.write_text(SPEC.to_json())
    return str(path)


def run(text: str, *words: str, **keywords) -> subprocess.CompletedProcess[str]:
    """Run a script in Python."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *words],
        capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=120, **keywords,
    )  # fmt: skip


def test_row_10_a_learner_is_killed_under_load_and_the_next_one_goes_on(spec_path):
    with simulators(NAME, 4, "--next-learner-s", "30") as started:
        for _ in range(3):
            learner = start_learner("step", simulator=None, num_envs=4, name=NAME, spec=spec_path)
            kill(learner)
        with closing(VecEnv(None, 4, name=NAME, spec=SPEC)) as env:
            env.reset(seed=0)
            assert valid_of(step(env)[4]) == [True] * 4
        assert all(process.pid and process.poll() is None for process in started)


PAUSED = """
    import sys, threading, time, uerl_shm
    env = uerl_shm.VecEnv(sys.argv[1], 4, step_deadline_s=0.3)
    env.reset(seed=0)
    actions = env.action_space.sample()
    print("ready", flush=True)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        env.step(actions)
    stats = env.stats()
    print(stats["late"], stats["lost"], flush=True)
    env.close()
"""


def test_row_11_a_learner_that_was_stopped_declares_nobody_late():
    learner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PAUSED), f"{PROBE} --wait-us 2000"],
        stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert learner.stdout is not None
    learner.stdout.readline()
    for _ in range(3):
        time.sleep(0.2)
        learner.send_signal(signal.SIGSTOP)
        time.sleep(0.7)
        learner.send_signal(signal.SIGCONT)
    assert learner.communicate(timeout=60)[0] == "0 0\n"


def test_row_12_a_second_learner_of_a_name_is_refused_and_the_first_goes_on(make):
    env = make(name=NAME)
    env.reset(seed=0)
    with pytest.raises(SegmentExists, match=NAME):
        make(name=NAME)
    assert valid_of(step(env)[4]) == [True] * 4


CREATE = """
    import sys, uerl_shm
    try:
        uerl_shm.VecEnv(None, 1, spec=sys.argv[2], name=sys.argv[1], startup_timeout_s=0)
    except uerl_shm.StepTimeout:
        print("made")
"""


def calls_of_creation(trace: str) -> list[tuple[str, int]]:
    """System calls from the unnamed file to its name, each with its number among its kind."""
    counts: Counter[str] = Counter()
    found: list[tuple[str, int]] = []
    for line in trace.splitlines():
        call = re.match(r"(?:\d+ +)?(\w+)\(", line)
        if call is None:
            continue
        counts[call[1]] += 1
        if "O_TMPFILE" in line or found:
            found.append((call[1], counts[call[1]]))
        if call[1] == "linkat":
            return found
    raise AssertionError("no segment was created")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_row_13_a_learner_that_is_killed_while_it_creates_leaves_no_name_or_a_whole_one(
    spec_path, tmp_path
):
    path = Path("/dev/shm", NAME)
    words = [sys.executable, "-c", textwrap.dedent(CREATE), NAME, spec_path]

    def trace(*more: str) -> int:
        command = ["strace", "-qq", "-o", str(tmp_path / "trace"), *more, *words]
        return subprocess.run(command, capture_output=True, env=ENVIRONMENT).returncode

    assert trace() == 0
    calls = calls_of_creation((tmp_path / "trace").read_text())
    assert len(calls) > 5
    killed = named = 0
    for call, number in calls:
        code = trace("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        killed += code in (-9, 137)
        if path.exists():  # then it is whole, and its name is free for the next learner
            named += 1
            assert _core.Observer(NAME).header()["num_lanes"] == 1
        with pytest.raises(StepTimeout):
            VecEnv(None, 1, spec=SPEC, name=NAME, startup_timeout_s=0)
        assert not path.exists()
    assert killed > len(calls) // 2
    assert named <= 1  # killed as the last call returns


@pytest.mark.slow
def test_row_14_cleaners_and_creators_race_and_the_last_creator_succeeds(spec_path):
    stop = threading.Event()
    wrong: list[BaseException] = []

    def clean() -> None:
        while not stop.is_set():
            try:
                _core.clean(NAME)
            except SegmentError:
                pass
            except BaseException as error:
                wrong.append(error)

    cleaners = [threading.Thread(target=clean) for _ in range(2)]
    for cleaner in cleaners:
        cleaner.start()
    for _ in range(50):
        with closing(VecEnv(PROBE, 1, spec=SPEC, name=NAME)) as env:
            env.reset(seed=0)
    kill(start_learner("wait", simulator=PROBE, num_envs=1, name=NAME))
    assert eventually(lambda: not Path("/dev/shm", NAME).exists())
    stop.set()
    for cleaner in cleaners:
        cleaner.join()
    assert not wrong


def test_row_15_what_a_crash_left_is_taken_over_without_rm():
    kill(start_learner("step", simulator=PROBE, num_envs=2, name=NAME))
    assert Path("/dev/shm", NAME).exists()
    with closing(VecEnv(PROBE, 2, name=NAME)) as env:
        env.reset(seed=0)
        assert valid_of(step(env)[4]) == [True, True]


FORKS = """
    import os, sys, uerl_shm
    env = uerl_shm.VecEnv(sys.argv[1], 2)
    env.reset(seed=0)
    actions = env.action_space.sample()
    for how in ("_exit", "exit", "close"):
        child = os.fork()
        if child == 0:
            if how == "close":
                env.close()
            if how == "exit":
                sys.exit(0)
            os._exit(0)
        os.waitpid(child, 0)
        assert env.step(actions)[4]["valid"].all()
    env.close()
    print("fine")
"""


def test_row_37_children_of_a_learner_take_nothing_of_it_along():
    done = run(FORKS, PROBE)
    assert done.stdout.endswith("fine\n"), done.stderr


def test_row_38_an_exception_in_mid_step_and_two_closes_release_everything(make):
    env = make()
    env.reset(seed=0)
    hurt(env, 0, signal.SIGSTOP)
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        step(env)
    hurt(env, 0, signal.SIGCONT)
    env.recv()
    name = env.segment_name
    env.close()
    env.close()
    assert not Path("/dev/shm", name).exists()
    done = run("import sys, uerl_shm; env = uerl_shm.VecEnv(sys.argv[1], 1); env.reset()", PROBE)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)


def test_row_39_signals_during_waits_are_served_and_lose_nothing(make):
    served = []
    old = signal.signal(signal.SIGALRM, lambda *_: served.append(time.monotonic()))
    env = make(2, f"{PROBE} --wait-us 20000", autoreset_mode="Disabled")
    try:
        env.reset(seed=0)
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        for number in range(50):
            info = step(env)[4]
            assert (info["step"] == number + 1).all()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert len(served) > 20
    assert np.diff(served).max() < 1.0


def test_row_36_simulators_that_come_and_go_leave_nothing_in_the_learner(make, monkeypatch):
    monkeypatch.setattr(keeper, "_BACKOFF_S", 0.0)
    env = make(2, max_restarts=1000)
    env.reset(seed=0)

    def traces() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), Path("/proc/self/maps").read_text().count("\n")

    def come_and_go() -> None:
        # A new simulator may serve before the launcher, in its thread, knows its process.
        assert eventually(lambda: is_alive(pid_of(env, 1)))
        killed = pid_of(env, 1)
        hurt(env, 1, signal.SIGKILL)
        assert eventually(lambda: not is_alive(killed))  # it may answer before it dies
        step(env)
        step_until_valid(env)

    come_and_go()
    before = traces()
    for _ in range(30):
        come_and_go()
    assert eventually(lambda: abs(traces()[0] - before[0]) <= 1)
    assert traces()[1] <= before[1] + 4
