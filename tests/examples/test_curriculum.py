"""curriculum.py in small: parameters hold from reset to reset, levels follow one another."""

from __future__ import annotations

import re
from argparse import Namespace
from contextlib import closing
from dataclasses import replace

import curriculum
import pytest
import torch
import train_two_policies
from curriculum import LEVELS, Level, Run, score_of

import uerl_shm

NUM_STEPS, NUM_WORLDS = 40, 4
GAME = f"{curriculum.COMMAND} --episode-steps 7"
NEAREST = slice(6, 10)  # columns of blue's state: the two nearest pieces of food


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = replace(train_two_policies.SETTINGS, num_steps=NUM_STEPS, hidden=16)
    for module in (train_two_policies, curriculum):
        monkeypatch.setattr(module, "SETTINGS", settings)
    monkeypatch.setattr(curriculum, "NUM_WORLDS", NUM_WORLDS)


@pytest.fixture
def env():
    slots = 2 * NUM_STEPS + 2
    with closing(uerl_shm.VecEnv(GAME, NUM_WORLDS, slots=slots, output="torch")) as env:
        yield env


@pytest.fixture
def run(env):
    torch.manual_seed(0)
    return Run(Namespace(seed=1, total_steps=10 * NUM_STEPS * NUM_WORLDS), env)


def test_a_level_holds_for_all_episodes_until_the_next_begins(run, monkeypatch):
    monkeypatch.setattr(curriculum, "LEVELS", [Level(0, 0.0), Level(40, 0.0)])
    run.begin_level(seed=0)
    batch = run.collect()  # several episodes
    assert (batch.observation[batch.valid][:, NEAREST] == 0).all()
    run.level = 1
    run.begin_level()
    batch = run.collect()
    assert (batch.observation[batch.valid][:, NEAREST] != 0).any(1).all()


def test_the_agent_that_learns_is_left_out_while_it_is_absent(run):
    run.begin_level(seed=0)
    batch = run.collect()
    assert torch.equal(batch.valid, (batch.observation != 0).any(2) & batch.valid)
    assert 0.5 < batch.valid.float().mean() < 1.0  # every eighth step only resets


def test_levels_are_left_when_their_goals_are_reached_and_not_before(run, monkeypatch):
    monkeypatch.setattr(curriculum, "NUM_ROLLOUTS", 2)  # by whose mean a level is judged
    scores = iter([9.9, -4.1, 9.9, 3.0, 3.0, 3.0, 2.5, 2.5, 1.4, 1.4, 1.6, 0.5, 0.5])
    met = []

    def iterate(run):
        met.append(run.level)
        run.env_steps += 1
        return next(scores)

    monkeypatch.setattr(Run, "iterate", iterate)
    run.train()
    assert (
        met == [0] * 4 + [1] * 2 + [2] * 2 + [3] * 3 + [4] * 2
    )  # and the run ends with the last level


def test_a_run_that_masters_nothing_stays_where_it_is(run, monkeypatch):
    monkeypatch.setattr(curriculum, "LEVELS", [level._replace(goal=99.0) for level in LEVELS])
    run.train()
    assert run.level == 0
    assert run.env_steps == 10 * NUM_STEPS * NUM_WORLDS


def test_less_food_is_harder(env):
    def hunt(observation):
        ahead, left = observation[:, 6], observation[:, 7]
        turn = torch.atan2(left, ahead) / 0.4
        return torch.stack([(turn.abs() < 1).float(), turn, torch.zeros(len(turn))], 1)

    plenty, little = (score_of(env, hunt, Level(num_food, 0.0)) for num_food in (40, 1))
    assert plenty > little + 2
    assert plenty > score_of(env, lambda seen: torch.zeros(len(seen), 3), Level(40, 0.0)) + 2


@pytest.mark.slow
def test_a_run_that_falls_short_says_so(capsys):
    steps = str(NUM_STEPS * NUM_WORLDS)
    assert curriculum.main(["--total-steps", steps, "--out", "out"]) == 1
    captured = capsys.readouterr()
    line = captured.out.strip().splitlines()[-1]
    result = dict(re.findall(r"(\w+)=(\S+)", line))
    assert line.startswith("RESULT ")
    assert result["levels"] == "5" and int(result["levels_solved"]) < 5
    assert "at the last level, expected 0.50" in captured.err
