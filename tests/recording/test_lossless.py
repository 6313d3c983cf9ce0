"""`--lossless`: the learner waits for the recorder, and for nobody who is gone or stands still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import uerl_shm
from recording.conftest import scene
from uerl_shm.errors import SegmentExists
from uerl_shm.recording_observer import Follower

pytest.importorskip("h5py", reason="data sets are HDF5: pip install h5py")
NAME = f"uerl-test-lossless-{os.getpid()}"
RECORDER = f"""
import sys
from uerl_shm.recording_observer import Follower
follower = Follower({NAME!r}, sys.argv[1], lossless=True)
print("ready", flush=True)
for _ in follower.follow():
    pass
follower.tape.close()
counts = follower.tape.counts
print(counts.steps, counts.dropped, counts.cut, flush=True)
"""


def start_recorder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def play(env: uerl_shm.VecEnv, num_steps: int) -> None:
    actions = np.zeros((env.num_envs, *env.single_action_space.shape), np.int64)
    for _ in range(num_steps):
        env.step(actions)


def test_a_learner_that_does_not_pause_loses_no_step(tmp_path):
    with closing(uerl_shm.VecEnv(scene("basic"), 4, name=NAME)) as env:
        process = start_recorder(tmp_path / "data-v0")
        env.reset(seed=0)
        play(env, 2000)
        delivered = env.stats()["steps"]
    out, _ = process.communicate(timeout=60)
    steps, dropped, _ = map(int, out.split())
    assert dropped == 0
    assert 4 * 1000 < steps <= delivered  # NextStep: steps that only reset are none


def test_without_it_such_a_learner_is_not_waited_for(tmp_path):
    """The same, seen with loss: else the test above shows nothing."""
    with closing(uerl_shm.VecEnv(scene("basic"), 4, name=NAME)) as env:
        follower = Follower(NAME, tmp_path / "data-v0")
        watch = threading.Thread(target=lambda: [None for _ in follower.follow()])
        watch.start()
        env.reset(seed=0)
        play(env, 5000)
    watch.join()
    follower.tape.close()
    assert follower.tape.counts.dropped > 0


def test_a_recorder_that_is_killed_is_not_waited_for(tmp_path):
    with closing(uerl_shm.VecEnv(scene("basic"), 2, name=NAME)) as env:
        process = start_recorder(tmp_path / "data-v0")
        env.reset(seed=0)
        play(env, 50)
        process.send_signal(signal.SIGKILL)
        process.wait()
        play(env, 50)
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.slow
def test_a_recorder_that_stands_still_is_given_up(tmp_path):
    with closing(uerl_shm.VecEnv(scene("basic"), 2, name=NAME)) as env:
        process = start_recorder(tmp_path / "data-v0")
        env.reset(seed=0)
        play(env, 50)
        process.send_signal(signal.SIGSTOP)
        with pytest.warns(RuntimeWarning, match="the recorder read nothing for 5 seconds"):
            play(env, 3)
        play(env, 50)  # without another wait
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


def test_one_records_without_loss_at_a_time(tmp_path):
    with closing(uerl_shm.VecEnv(scene("basic"), 2, name=NAME)):
        first = Follower(NAME, tmp_path / "one-v0", lossless=True)
        with pytest.raises(SegmentExists, match="recorded by another process"):
            Follower(NAME, tmp_path / "two-v0", lossless=True)
        first.tape.close()
