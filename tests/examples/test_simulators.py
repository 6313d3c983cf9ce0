"""The smallest simulators, in C and in Python, are good ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import uerl_shm
from command_line import call_program


@pytest.fixture(params=["c", "python"])
def command(request, examples, tmp_path) -> str:
    """The command line of an example; the one in C is compiled as its page says."""
    if request.param == "python":
        return f"{sys.executable} {examples / 'simulator.py'}"
    include = Path(uerl_shm.get_include())
    library = include.parent / "lib" / "libuerl_shm.a"
    program = tmp_path / "simulator"
    words = ["-Wall", "-Wextra", "-Werror", "-o", program, f"-I{include}", library, "-pthread"]
    subprocess.run(["cc", examples / "simulator.c", *words], check=True)
    return str(program)


def test_every_rule_of_check_is_kept(command):
    done = call_program("check", "--simulator", command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules kept" in done.stdout


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_who_pushes_towards_the_goal_arrives(command, mode):
    env = uerl_shm.VecEnv(command, 4, envs_per_simulator=2, autoreset_mode=mode, copy=True)
    try:
        state, _ = env.reset(seed=3)
        num_steps = np.ceil((np.abs(state[:, 1] - state[:, 0]) - 0.05) / 0.1).clip(1).astype(int)
        arrived = np.zeros(4, int)
        for step in range(1, num_steps.max() + 1):
            towards = np.sign(np.round((state[:, 1] - state[:, 0]) / 0.1)).astype(int)
            state, reward, terminated, truncated, info = env.step(1 + towards)
            first = terminated & (arrived == 0)
            assert np.array_equal(reward[first], np.ones(first.sum()))
            arrived[first] = step
            seen = info["final_obs"] if mode == "SameStep" and terminated.any() else state
            assert (np.abs(seen[terminated, 1] - seen[terminated, 0]) < 0.05).all()
            assert not truncated.any()
            if mode == "Disabled" and terminated.any():
                state, _ = env.reset(options={"reset_mask": terminated})
        assert np.array_equal(arrived, num_steps)
    finally:
        env.close()
