"""train_two_policies.py in small: each group learns from its own rows where an agent is there."""

from __future__ import annotations

import re
from argparse import Namespace
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
import train_two_policies
from train_two_policies import Run, share_won, totals_of

import uerl_shm

NUM_STEPS, NUM_WORLDS = 120, 4
GAME = "uerl-sim gather --rewards independent --episode-steps 130"


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = replace(train_two_policies.SETTINGS, num_steps=NUM_STEPS, hidden=16)
    monkeypatch.setattr(train_two_policies, "SETTINGS", settings)
    monkeypatch.setattr(train_two_policies, "NUM_WORLDS", NUM_WORLDS)
    monkeypatch.setattr(train_two_policies, "NUM_GAMES", 6)
    monkeypatch.setattr(train_two_policies, "COMMAND", GAME)


@pytest.fixture
def env():
    slots = 2 * NUM_STEPS + 2
    with closing(uerl_shm.VecEnv(GAME, NUM_WORLDS, slots=slots, output="torch")) as env:
        yield env


@pytest.fixture
def run(env):
    torch.manual_seed(0)
    run = Run(Namespace(out="out", seed=1, total_steps=NUM_STEPS * NUM_WORLDS), env)
    run.observation, run.info = env.reset(seed=0)
    return run


def seen_by(batch, name):
    """What rows observe, flat: absent agents observe zeros."""
    seen = batch.observation["rays"] if name == "red" else batch.observation
    return seen.flatten(2)


def test_rows_without_an_agent_are_left_out_and_all_others_count(run):
    batches = run.collect()
    assert list(batches) == ["red", "blue"]
    for name, batch in batches.items():
        there = (seen_by(batch, name) != 0).any(2)
        assert 0.02 < (~there).float().mean() < 0.5  # some have died
        assert torch.equal(batch.valid, there)
        assert (batch.terminated & batch.valid).any()


def test_no_observation_is_copied(run):
    run.collect()
    stats = run.env.stats()
    assert [stats[name] for name in train_two_policies.train_ppo.COPIES] == [0, 0, 0]


def test_groups_learn_apart(run):
    before = {
        name: [weight.clone() for weight in learner.policy.parameters()]
        for name, learner in run.learners.items()
    }
    del run.learners["blue"].optimizer.param_groups[0]["params"][:]  # blue cannot move
    run.iterate(1.0)
    moved = {
        name: any(
            not torch.equal(old, new)
            for old, new in zip(before[name], learner.policy.parameters(), strict=True)
        )
        for name, learner in run.learners.items()
    }
    assert moved == {"red": True, "blue": False}
    assert run.env_steps == NUM_STEPS * NUM_WORLDS


def hunt(observation):
    """What blue's state tells is enough to walk to the nearest food."""
    ahead, left = observation[:, 6], observation[:, 7]
    turn = torch.atan2(left, ahead) / 0.4
    return torch.stack([(turn.abs() < 1).float(), turn, torch.zeros(len(turn))], 1)


def rest(observation):
    rows = len(observation["rays"] if isinstance(observation, dict) else observation)
    return torch.zeros(rows, 3)


def test_the_total_of_a_game_is_what_the_agents_of_a_group_got_in_it(env):
    totals = totals_of(env, {"red": rest, "blue": hunt}, 6, seed=0)
    assert totals["red"].shape == totals["blue"].shape == (6,)
    assert (totals["blue"] > 8).all()
    assert totals["red"].mean() < 0  # who rests, starves
    again = totals_of(env, {"red": rest, "blue": hunt}, 6, seed=0)
    assert np.array_equal(totals["blue"], again["blue"])
    assert len(np.unique(totals["blue"])) > 1  # each game has a seed of its own


class Worlds:
    """Two worlds of one agent in each group; games of 2 and of 4 steps; red gets 1 a step."""

    num_worlds = 2

    def __init__(self):
        self.seeds = []

    def reset(self, seed):
        self.num_steps = 0
        self.seeds.append(seed)
        return {"red": None, "blue": None}, {}

    def step(self, action):
        self.num_steps += 1
        over = torch.tensor([self.num_steps % 2 == 0, self.num_steps % 4 == 0])
        reward = {"red": torch.ones(2), "blue": torch.zeros(2)}
        return {"red": None, "blue": None}, reward, {}, {"red": over, "blue": over & False}, {}


def test_a_game_that_is_over_counts_no_further_and_no_two_have_one_seed():
    acts, worlds = dict.fromkeys(("red", "blue"), lambda observation: None), Worlds()
    assert totals_of(worlds, acts, 4, seed=7)["red"].tolist() == [2, 4, 2, 4]
    assert worlds.seeds == [7, 9]  # world i has the seed + i


def test_who_gathers_beats_chance_and_who_rests_does_not(env):
    policy = Namespace(act=hunt)
    assert share_won(env, "blue", policy, 12, seed=0) == 1.0
    assert share_won(env, "red", Namespace(act=rest), 12, seed=0) < 0.8


def test_a_run_says_how_both_groups_play_and_fails_when_one_falls_short(capsys):
    steps = NUM_STEPS * NUM_WORLDS
    assert train_two_policies.main(["--total-steps", str(steps), "--out", "out"]) == 1
    captured = capsys.readouterr()
    line = captured.out.strip().splitlines()[-1]
    result = dict(re.findall(r"(\w+)=(\S+)", line))
    assert line.startswith("RESULT ")
    assert list(result) == ["red_beats_random", "blue_beats_random", "env_steps", "seconds"]
    assert result["env_steps"] == str(steps)
    assert "beats_random" in captured.err
    assert list(torch.load("out/policies.pt", weights_only=True)["policies"]) == ["red", "blue"]
