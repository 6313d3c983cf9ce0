"""A learner may die: its simulators wait for the next one, which takes them over as they are."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest
import torch

from command_line import kill, start_learner
from faults.conftest import PROBE, step, valid_of
from faults.test_fencing import SPEC, simulators
from processes import eventually, is_alive
from uerl_shm import VecEnv

NUM_ENVS = 16
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def spec_file(folder) -> str:
    path = folder / "spec.json"
    path.write_text(SPEC.to_json())
    return str(path)


def test_next_learner_takes_over_the_simulators_of_one_that_was_killed_under_load(tmp_path):
    name = f"uerl-next-{os.getpid()}"
    with simulators(name, NUM_ENVS, "--next-learner-s", "30") as started:
        for _ in range(3):
            learner = start_learner(
                "step", simulator=None, num_envs=NUM_ENVS, name=name, spec=spec_file(tmp_path)
            )
            time.sleep(0.2)
            kill(learner)
        with closing(VecEnv(None, NUM_ENVS, name=name, spec=SPEC)) as env:
            _, info = env.reset(seed=0)
            assert info["episode"].tolist() == [0] * NUM_ENVS
            assert valid_of(step(env)[4]) == [True] * NUM_ENVS
            assert all(process.poll() is None for process in started)


def test_simulator_leaves_when_no_learner_comes(tmp_path):
    name = f"uerl-last-{os.getpid()}"
    with simulators(name, 1, "--next-learner-s", "1") as started:
        with closing(VecEnv(None, 1, name=name, spec=SPEC)) as env:
            env.reset(seed=0)
        assert started[0].wait(20) == 0


PYTHON_SIMULATOR = """
    import sys
    from uerl_shm import SegmentNotFound, Simulator
    served = 0
    try:
        while True:
            with Simulator(sys.argv[1], lane=0, timeout_s=2) as simulator:
                for command in simulator:
                    command.outcome(0, 0.0, False, False)
            served += 1
    except SegmentNotFound:
        print(served)
"""


def test_simulator_in_python_serves_one_learner_after_the_other(tmp_path):
    name = f"uerl-python-{os.getpid()}"
    simulator = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PYTHON_SIMULATOR), name], stdout=subprocess.PIPE
    )
    for number in range(3):
        if number == 1:
            kill(
                start_learner("step", simulator=None, num_envs=1, name=name,
                              spec=spec_file(tmp_path))
            )  # fmt: skip
            continue
        with closing(VecEnv(None, 1, name=name, spec=SPEC)) as env:
            env.reset(seed=0)
            assert valid_of(step(env)[4]) == [True]
    assert simulator.communicate(timeout=30)[0] == b"3\n"


def test_simulators_that_a_learner_started_die_with_it(tmp_path):
    learner = start_learner("step", simulator=PROBE, num_envs=2, name=f"uerl-dies-{os.getpid()}")
    found = subprocess.run(["pgrep", "-f", PROBE], capture_output=True, text=True, check=True)
    pids = [int(pid) for pid in found.stdout.split()]
    kill(learner)
    assert eventually(lambda: not any(map(is_alive, pids)))
    # The name that it left behind is free for the next one.
    with closing(VecEnv(PROBE, 1, name=f"uerl-dies-{os.getpid()}")) as env:
        env.reset(seed=0)


@pytest.mark.slow
def test_a_killed_train_ppo_goes_on_from_its_checkpoint_with_the_same_simulators(tmp_path):
    name, out = f"uerl-resume-{os.getpid()}", tmp_path / "out"
    checkpoint = out / "checkpoint.pt"
    train = [sys.executable, str(EXAMPLES / "train_ppo.py")]
    options = f"--scene basic --name {name} --num-envs 4 --out {out}".split()
    with simulators(name, 4, "--next-learner-s", "60", scene="basic") as started:
        first = subprocess.Popen([*train, *options, "--total-steps", "100000000"])
        assert eventually(lambda: checkpoint.exists() or first.poll() is not None, 60)
        kill(first)
        before = torch.load(checkpoint, weights_only=True)
        assert before["env_steps"] > 0
        total = before["env_steps"] + 512
        resumed = [*train, "--resume", str(checkpoint), "--total-steps", str(total)]
        subprocess.run([*resumed, "--eval-episodes", "0"], check=True, timeout=100)
        after = torch.load(checkpoint, weights_only=True)
        assert after["env_steps"] >= total
        assert after["history"][: len(before["history"])] == before["history"]
        assert all(process.poll() is None for process in started)
