"""train_sac.py in small: what is replayed, what is learned from it, and who waits for whom."""

from __future__ import annotations

import re
from argparse import Namespace
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
import train_sac
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform
from train_sac import Agent, Replay, Transitions

import uerl_shm
from uerl_shm import ArraySpec, GroupSpec, StepBatch

GROUP = GroupSpec("blue", ArraySpec.box(-1, 1, (3,)), ArraySpec.box(-2, 6, (2,)), mask=True)
THERE = torch.ones(6, dtype=torch.bool)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # as in a run: two threads wait for each other where cores are few


@pytest.fixture
def replay():
    return Replay(4, GROUP, 6)


def seen(*values):
    return torch.tensor(values, dtype=torch.float32).unsqueeze(1).expand(-1, 3)


def acted(*values):
    return seen(*values)[:, :2]


def batch_of(env_ids, values, valid=None, terminated=()):
    ids = np.array(env_ids)
    flags = torch.tensor([i in terminated for i in env_ids])
    info = {"valid": np.ones(len(ids), bool) if valid is None else np.array(valid)}
    info["valid"].flags.writeable = False
    values = torch.tensor(values)
    arrays = seen(*values), values / 10, flags, flags, info
    return StepBatch(*({"blue": array} for array in arrays), ids)


# What is replayed ---------------------------------------------------------------------------------


def test_a_step_is_kept_with_what_its_env_saw_and_did_before_whoever_is_first(replay):
    replay.begin(torch.arange(6), seen(10, 11, 12, 13, 14, 15), acted(0, 1, 2, 3, 4, 5), THERE)
    replay.end(batch_of([4, 5], [24.0, 25.0], terminated=[4]))
    replay.begin(torch.tensor([4, 5]), seen(24, 25), acted(7, 8), THERE[:2])
    replay.end(batch_of([0, 4], [20.0, 34.0]))
    assert replay.num_added == 4
    assert replay.kept.observation[:, 0].tolist() == [14, 15, 10, 24]
    assert replay.kept.action[:, 0].tolist() == [4, 5, 0, 7]
    torch.testing.assert_close(replay.kept.reward, torch.tensor([2.4, 2.5, 2.0, 3.4]))
    assert replay.kept.terminated.tolist() == [1, 0, 0, 0]
    assert replay.kept.next_observation[:, 0].tolist() == [24, 25, 20, 34]


def test_a_step_that_only_reset_or_that_no_agent_took_is_not_kept(replay):
    present = torch.tensor([True, True, False, True, True, True])
    replay.begin(torch.arange(6), seen(*range(6)), acted(*range(6)), present)
    replay.end(batch_of([0, 1, 2, 3], [1.0] * 4, valid=[False, False, True, True]))
    assert replay.num_added == 1 and replay.kept.observation[0, 0] == 3


def test_the_oldest_steps_make_room(replay):
    for step in range(7):
        replay.begin(torch.arange(6), seen(*[step] * 6), torch.zeros(6, 2), THERE)
        replay.end(batch_of([0], [0.0]))
    assert len(replay) == 4
    assert sorted(replay.kept.observation[:, 0].tolist()) == [3, 4, 5, 6]
    assert set(replay.sample(50).observation[:, 0].tolist()) == {3, 4, 5, 6}


# What is learned ----------------------------------------------------------------------------------


def test_actions_stay_within_bounds_and_move():
    agent = Agent(GROUP)
    for greedy in (True, False):
        action = agent.act(torch.rand(200, 3), greedy=greedy)
        assert action.dtype == torch.float32 and action.shape == (200, 2)
        assert (action >= -2).all() and (action <= 6).all()
    assert action.std() > 1.0


def test_probabilities_are_those_of_a_squashed_normal_distribution():
    agent = Agent(GROUP)
    features = torch.randn(50, agent.critic.width)
    action, log_prob = agent.draw(features)
    mean, log_std = agent.actor(features).chunk(2, 1)
    normal = Independent(Normal(mean, log_std.clamp(-5, 1).exp()), 1)
    expected = TransformedDistribution(normal, TanhTransform()).log_prob(action)
    torch.testing.assert_close(log_prob, expected, rtol=1e-3, atol=1e-3)


def constant(reward, terminated, count=64):
    observation, action = torch.rand(count, 3), torch.rand(count, 2) * 8 - 2
    full = torch.full((count,), reward), torch.full((count,), terminated)
    return Transitions(observation, action, *full, torch.rand(count, 3))


def value_of(agent, batch):
    unit = (batch.action - agent.low) / agent.half - 1
    return agent.critic(agent.critic.eye(batch.observation), unit).mean().item()


def test_what_a_terminated_step_is_worth_is_its_reward_and_others_promise_more(monkeypatch):
    monkeypatch.setattr(train_sac, "BLEND", 0.2)
    values = []
    for terminated in (1.0, 0.0):
        agent = Agent(GROUP)
        for _ in range(120):
            agent.update(constant(0.5, terminated))
        values.append(value_of(agent, constant(0.5, terminated)))
    assert values[0] == pytest.approx(0.5, abs=0.1)
    assert values[1] > 1.0


def test_the_actor_learns_which_actions_pay():
    agent = Agent(GROUP)
    for _ in range(400):
        batch = constant(0.0, 1.0)
        agent.update(batch._replace(reward=-((batch.action - 3) / 4).square().sum(1)))
    action = agent.act(torch.rand(50, 3))
    assert (action - 3).abs().mean() < 1.0  # of bounds 8 apart


# Runs ---------------------------------------------------------------------------------------------


def test_nobody_waits_for_a_slow_simulator(monkeypatch):
    monkeypatch.setattr(train_sac, "FIRST_STEPS", 10_000)
    counts = np.zeros(4, int)
    end = Replay.end

    def count(replay, batch):
        counts[batch.env_ids] += 1
        end(replay, batch)

    monkeypatch.setattr(Replay, "end", count)
    monkeypatch.setattr(train_sac, "MIN_READY", 1)

    def simulator(lane):
        wait_us = "40000" if lane == 0 else "1000"
        return [*train_sac.COMMAND.split(), "--wait-us", wait_us]

    with closing(uerl_shm.VecEnv(simulator, 4, output="torch")) as env:
        train_sac.train(env, Agent(env.spec.groups[1]), Namespace(total_steps=600, seed=0))
    assert counts[1:].min() > 2 * counts[0] > 0


def test_a_run_that_falls_short_says_so(capsys, monkeypatch):
    monkeypatch.setattr(train_sac, "FIRST_STEPS", 100)
    monkeypatch.setattr(train_sac, "BETTER", 50.0)
    assert train_sac.main(["--total-steps", "160", "--out", "out"]) == 1
    captured = capsys.readouterr()
    line = captured.out.strip().splitlines()[-1]
    result = {key: float(value) for key, value in re.findall(r"(\w+)=(\S+)", line)}
    assert line.startswith("RESULT ")
    assert list(result) == ["mean_reward", "random_reward", "env_steps", "updates", "seconds"]
    assert 160 <= result["env_steps"] < 170 and 25 <= result["updates"] <= 35
    assert "mean_reward" in captured.err
    assert Path("out/actor.pt").exists()
