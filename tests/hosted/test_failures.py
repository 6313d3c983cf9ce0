"""Envs that raise, die or hang: the right error comes, the others go on, nothing stays behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from processes import eventually, is_alive
from support.gym_envs import Counter, Misbehaving, Reporter
from support.vector_envs import OURS, logged
from uerl_shm import HostedVectorEnv, SegmentCorrupt, SimulatorLost, VecEnv
from uerl_shm.hosted_process import SIDE_CHANNEL
from uerl_shm.segment import clean_segments

RAISE, UNPICKLABLE, EXIT, ABORT, SLEEP, HANG = range(1, 7)


# Exceptions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OURS)
def test_an_exception_of_step_arrives_with_its_type_text_and_traceback(make, kind):
    envs = make(kind, [Misbehaving] * 3)
    envs.reset()
    with logged() as said, pytest.raises(ZeroDivisionError, match="step 1 went wrong") as error:
        envs.step([0, RAISE, 0])
    assert "in step\n    raise ZeroDivisionError" in str(error.value.__cause__)
    assert len(said) == 3
    assert "Received the following error from env 1" in said[0]
    assert "step 1 went wrong" in said[1]
    assert "Raising the last exception back to the main process." in said[2]


def test_after_an_exception_all_envs_go_on(make):
    envs = make("hosted", [Misbehaving] * 3)
    envs.reset()
    for _ in range(3):
        with logged(), pytest.raises(ZeroDivisionError):
            envs.step([0, RAISE, 0])
    observation, rewards, *_ = envs.step([0, 0, 0])
    assert observation.tolist() == [4, 4, 4]
    assert rewards.tolist() == [4.0, 4.0, 4.0]
    assert envs.reset()[0].tolist() == [0, 0, 0]


def test_an_env_that_raised_keeps_its_last_observation(make):
    envs = make("hosted", [Misbehaving] * 2, autoreset_mode="Disabled")
    envs.reset()
    envs.step([0, 0])
    with logged(), pytest.raises(ZeroDivisionError):
        envs.step([RAISE, 0])
    observation, _ = envs.reset(options={"reset_mask": np.array([False, True])})
    assert observation.tolist() == [1, 0]


def test_the_last_of_several_exceptions_is_raised_and_all_are_logged(make):
    envs = make("hosted", [Misbehaving] * 3)
    envs.reset()
    with logged() as said, pytest.raises(RuntimeError, match="Unpicklable: first"):
        envs.step([RAISE, 0, UNPICKLABLE])
    assert [text for text in said if "error from env 0" in text]
    assert [text for text in said if "error from env 2" in text]
    assert envs.step([0, 0, 0])[0].tolist() == [2, 2, 2]


def test_an_exception_of_reset_is_raised_and_the_others_are_reset(make):
    envs = make("hosted", [Misbehaving] * 3)
    envs.reset()
    envs.step([0, 0, 0])
    with logged(), pytest.raises(KeyError, match="seed 11 is not wanted"):
        envs.reset(seed=10, options={"raises": 11})
    assert envs.get_attr("count") == (0, 1, 0)
    assert envs.reset(seed=10)[0].tolist() == [0, 0, 0]


def test_exceptions_of_calls_are_raised_and_the_envs_go_on(make):
    envs = make("hosted", [Misbehaving] * 2)
    with logged(), pytest.raises(LookupError, match="nothing here"):
        envs.call("fail")
    with logged(), pytest.raises(AttributeError, match="no_such_thing"):
        envs.get_attr("no_such_thing")
    assert envs.get_attr("count") == (0, 0)


def test_an_env_that_cannot_be_made_raises_its_exception(make):
    def fail():
        raise FileNotFoundError("no such map")

    with logged(), pytest.raises(FileNotFoundError, match="no such map") as error:
        make("hosted", [Counter, fail, Counter])
    assert "in fail" in str(error.value.__cause__)


class TimesOut(Counter):
    """Raises the exception that a late env would be reported by."""

    def step(self, action):
        raise TimeoutError("of the env's own")


def test_a_timeout_error_of_an_env_is_not_taken_for_a_late_env(make):
    envs = make("hosted", [TimesOut, Counter])
    envs.reset()
    with logged(), pytest.raises(TimeoutError, match="of the env's own"):
        envs.step([0, 0])
    assert envs.reset()[0].tolist() == [0, 0]


# Deaths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "how"), [(EXIT, "exit code 3"), (ABORT, r"signal 6 \(SIGABRT\)")]
)
@pytest.mark.parametrize("kind", OURS)
def test_an_env_that_dies_is_named_with_how_it_ended(make, kind, action, how):
    envs = make(kind, [Misbehaving] * 3)
    envs.reset()
    text = f"simulator of env 1 ended with {how} before it had answered, expected it to live"
    with pytest.raises(SimulatorLost, match=text):
        envs.step([0, action, 0])
    with pytest.raises(SimulatorLost, match="env 1 ended"):
        envs.step([0, 0, 0])
    with pytest.raises(SimulatorLost, match="env 1 ended"):
        envs.get_attr("count")
    envs.close()


def test_an_env_that_is_killed_while_idle_is_named_at_the_next_step(make):
    envs = make("hosted", [Misbehaving] * 2)
    envs.reset()
    os.kill(envs.call("pid")[0], signal.SIGKILL)
    with pytest.raises(SimulatorLost, match=r"env 0 ended with signal 9 \(SIGKILL\)"):
        envs.step([0, 0])


def test_an_env_that_dies_in_a_call_is_named(make):
    envs = make("hosted", [Misbehaving] * 2)
    pid = envs.call("pid")[1]
    envs.call_async("sleep", 30)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(SimulatorLost, match=r"env 1 ended with signal 9 \(SIGKILL\)"):
        envs.call_wait()


def test_an_env_that_dies_when_it_is_made_is_named(make):
    with pytest.raises(SimulatorLost, match="env 1 ended with exit code 7 before its env was made"):
        make("hosted", [Counter, partial(os._exit, 7)])


# Ends ---------------------------------------------------------------------------------------------


def closes_in(envs, limit_s, **how):
    pids = [process.pid for process in envs._family.processes]
    begin = time.monotonic()
    with logged():
        envs.close(**how)
    assert time.monotonic() - begin < limit_s
    assert not any(map(is_alive, pids))


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("how", [{"terminate": True}, {"timeout": 0.1}], ids=str)
def test_close_ends_envs_that_hang(make, kind, how):
    envs = make(kind, [Misbehaving] * 2)
    envs.reset()
    envs.step_async([HANG, 0])
    closes_in(envs, 30, **how)


@pytest.mark.slow
def test_close_is_bounded_without_a_timeout_too(make):
    envs = make("hosted", [Misbehaving] * 2)
    envs.reset()
    envs.step_async([HANG, 0])
    closes_in(envs, 60)


def test_close_lets_the_envs_close_themselves(make, tmp_path):
    class Closing(Counter):
        def close(self):
            (tmp_path / f"closed-{os.getpid()}").touch()

    envs = make("hosted", [Closing] * 3)
    envs.reset()
    envs.close()
    assert len(list(tmp_path.iterdir())) == 3


def test_an_env_that_is_dropped_without_close_leaves_nothing_behind():
    envs = HostedVectorEnv([Counter] * 2)
    envs.reset()
    pids = envs.call("pid")
    del envs
    gc.collect()
    assert eventually(lambda: not any(map(is_alive, pids)))


LEARNER = """
    import os, signal, sys, time
    from support.gym_envs import Misbehaving
    from uerl_shm import HostedVectorEnv

    if __name__ == "__main__":
        envs = HostedVectorEnv([Misbehaving] * 3, context={context!r})
        envs.reset()
        print(*envs.call("pid"), flush=True)
        envs.step_async([{action}, 0, 0])
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("action", [0, HANG])
@pytest.mark.parametrize(
    "context",
    ["fork", *(pytest.param(name, marks=pytest.mark.slow) for name in ("spawn", "forkserver"))],
)
def test_the_envs_end_when_the_learner_is_killed(tmp_path, context, action):
    script = tmp_path / "learner.py"
    script.write_text(textwrap.dedent(LEARNER.format(context=context, action=action)))
    paths = [str(Path(__file__).parents[1]), *sys.path]
    learner = subprocess.run(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    assert learner.returncode == -signal.SIGKILL
    pids = list(map(int, learner.stdout.split()))
    assert len(pids) == 3
    assert eventually(lambda: not any(map(is_alive, pids)), timeout_s=30)
    clean_segments()


def test_making_and_closing_leaves_no_file_descriptor(make):
    def num_fds():
        return len(os.listdir("/proc/self/fd"))

    HostedVectorEnv([Counter] * 2).close()
    before = num_fds()
    for _ in range(5):
        envs = HostedVectorEnv([Counter] * 2)
        envs.reset()
        envs.close()
    assert num_fds() == before


def test_a_learner_that_is_garbage_in_a_fork_is_left_alone(make):
    learner = VecEnv("uerl-sim basic", num_envs=2)
    learner.reset()

    def env_fn():
        nonlocal learner
        del learner  # in the fork: the parent still has it
        gc.collect()
        return Counter()

    envs = make("hosted", [env_fn] * 2, context="fork")
    assert envs.reset()[0].tolist() == [0, 0]
    assert learner.step([2, 2])[1].shape == (2,)
    learner.close()


def test_a_message_that_was_announced_and_never_sent_is_corruption(make, monkeypatch):
    envs = make("hosted", [Counter] * 2, copy=False)
    envs.reset()
    envs.step_async([0, 0])
    monkeypatch.setattr("uerl_shm.hosted_waiting._NOTE_S", 0.2)
    core = envs._segment.core

    def scribbled(*wanted):
        batch = core_recv(*wanted)
        batch[4][SIDE_CHANNEL][1] = 77  # as another simulator could
        return batch

    core_recv = core.recv
    envs._segment.core = SimpleNamespace(recv=scribbled)
    text = "simulator of env 1 says that message 77 goes with its row, expected a message that it"
    with pytest.raises(SegmentCorrupt, match=text):
        envs.step_wait()
    envs._segment.core = core
    with pytest.raises(SegmentCorrupt, match="message 77"):
        envs.step([0, 0])


def test_an_info_at_every_step_stays_with_its_step(make):
    envs = make("hosted", [partial(Reporter, lambda count: {"count": count}, 10**6)] * 2)
    envs.reset()
    for count in range(1, 400):
        observation, *_, info = envs.step(np.zeros((2, 1), np.float32))
        assert info["count"].tolist() == observation[:, 0].tolist() == [count, count]
