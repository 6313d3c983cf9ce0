"""The checkpoint that ships plays, and the smallest loop runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import evaluate
import pytest
from policy import Policy, load_policy, save_policy

from uerl_shm import ArraySpec, EnvSpec


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_the_shipped_policy_collects_far_more_than_chance_on_seeds_of_the_users(capsys):
    evaluate.main(["--episodes", "8", "--seed", "77"])
    output = capsys.readouterr().out
    result = re.search(r"^RESULT mean_return=(\S+) .* episodes=8$", output, re.M)
    assert float(result[1]) > 15  # random actions bring 1, the best constant one 3
    assert Path("runs/play.mp4").stat().st_size > 10_000
    assert all(str(seed) in output for seed in range(77, 85))


def test_the_shipped_policy_is_small_and_says_for_what_it_is():
    assert evaluate.SHIPPED.stat().st_size < 1_000_000
    _, spec, simulator = load_policy(evaluate.SHIPPED)
    assert (spec.name, simulator) == ("apples", "uerl-sim apples")


def test_a_policy_for_other_arrays_is_refused():
    with pytest.raises(SystemExit, match="other arrays than those of 'uerl-sim basic'"):
        evaluate.main(["--simulator", "uerl-sim basic"])


def test_a_policy_without_pictures_plays_without_a_video(capsys):
    spec = EnvSpec.single(
        {"position": ArraySpec.box(0, 1, (20,))}, {"move": ArraySpec.discrete(3)}, name="basic"
    )
    policy = Policy(spec.groups[0], 8)
    save_policy(Path("policy.pt"), policy, 8, spec, "uerl-sim basic --episode-steps 4")
    evaluate.main(["policy.pt", "--episodes", "4", "--draw"])
    output = capsys.readouterr().out
    assert "episodes=4" in output and "wrote" not in output
    assert list(Path("runs").iterdir()) == []


def test_the_minimal_loop_prints_the_return_of_each_episode(examples):
    command = [sys.executable, str(examples / "minimal_loop.py")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert len(lines) == 16  # two episodes of each env in 1000 steps
    assert all(re.fullmatch(r"env [0-7]: return \d+", line) for line in lines)
    assert len(set(lines)) > 8
