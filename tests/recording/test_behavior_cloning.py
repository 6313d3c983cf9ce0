"""examples/behavior_cloning.py: actions become choices again; the whole, which is slow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from command_line import ENVIRONMENT
from recording.conftest import play, scene
from uerl_shm import ArraySpec, GroupSpec

for package in ("torch", "minari", "tqdm"):
    pytest.importorskip(package, reason=f"the example needs it: pip install {package}")
EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import minari
import torch
from behavior_cloning import choice_of, load_steps
from policy import Policy

ACTIONS = {
    "bounded": ArraySpec.box([-2, 0, 5], [2, 1, 9], (3,)),
    "free": ArraySpec.box(None, None, (2,)),
    "one": ArraySpec.discrete(4, start=-1),
    "several": ArraySpec.multi_discrete([2, 5, 3]),
    "bits": ArraySpec.multi_binary(3),
}


def test_a_choice_is_what_the_action_was_made_of():
    policy = Policy(GroupSpec("agent", ArraySpec.box(-1, 1, (3,)), ACTIONS), 8)
    torch.manual_seed(0)
    with torch.no_grad():
        parameters, _ = policy(torch.rand(64, 3))
        choice = policy.draw(policy.distributions(parameters))
    width = sum(sum(hand.columns) for hand in policy.hands)
    assert choice.shape == (64, width)
    bounded = list(policy.acted).index("bounded")
    start = sum(sum(hand.columns) for hand in list(policy.hands)[:bounded])
    choice[:, start : start + 3].clamp_(-1, 1)  # beyond the bounds an action is clipped
    torch.testing.assert_close(choice_of(policy, policy.action(choice)), choice)


def test_steps_are_observations_with_the_actions_that_followed(tmp_path):
    counts = play(scene("basic"), tmp_path / "a-v0", num_envs=2, num_steps=60)
    steps = load_steps(tmp_path / "a-v0")
    assert steps.count == len(steps.observation) == counts.steps
    at = 0
    for episode in minari.MinariDataset(tmp_path / "a-v0/data"):
        own = slice(at, at + len(episode))
        assert np.array_equal(steps.observation[own].numpy(), episode.observations[:-1])
        assert np.array_equal(steps.action[own].numpy(), episode.actions)
        at += len(episode)
    assert len(steps.returns) == counts.episodes


def example(folder: Path, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    script = str(EXAMPLES / "behavior_cloning.py")
    threads = {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
    return subprocess.run(
        [sys.executable, script, *arguments], cwd=folder, env={**ENVIRONMENT, **threads},
        capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip


@pytest.mark.slow
def test_a_clone_that_falls_short_is_an_exit_code(tmp_path):
    play(scene("basic"), tmp_path / "random-v0", num_envs=2, num_steps=60)
    done = example(
        tmp_path, "--data-set", "random-v0", "--simulator", "uerl-sim basic", "--epochs", "1",
        "--eval-episodes", "4", timeout_s=100,
    )  # fmt: skip
    assert "RESULT clone_return=" in done.stdout, done.stderr
    share = float(done.stdout.partition("share=")[2].split()[0])
    assert done.returncode == int(not share >= 0.7)


def test_a_data_set_of_another_scene_is_refused(tmp_path):
    play(scene("tennis"), tmp_path / "other-v0", num_envs=2, num_steps=5)
    words = ("--data-set", "other-v0", "--simulator", "uerl-sim basic")
    done = example(tmp_path, *words, timeout_s=100)
    assert done.returncode == 1
    assert "has other arrays than 'uerl-sim basic'" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_clone_of_the_shipped_expert_reaches_most_of_its_return(tmp_path):
    done = example(tmp_path, timeout_s=840)
    assert done.returncode == 0, done.stdout + done.stderr
    share = float(done.stdout.partition("share=")[2].split()[0])
    assert share >= 0.7
