"""train_selfplay.py in small: who plays whom, what is rated, what is learned from, what is left."""

from __future__ import annotations

import re
from argparse import Namespace
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import train_selfplay
from train_selfplay import FIRST_RATING, Pool, Run, Seat, share_won

import uerl_shm

NUM_STEPS, NUM_WORLDS = 48, 8
BALL_Y, OWN_Y, OWN_SPEED_Y = 9, 1, 3  # columns of an observation
GAME = "uerl-sim tennis --episode-steps 100"


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = replace(train_selfplay.SETTINGS, num_steps=NUM_STEPS, hidden=16, minibatch_rows=128)
    monkeypatch.setattr(train_selfplay, "SETTINGS", settings)
    monkeypatch.setattr(train_selfplay, "NUM_WORLDS", NUM_WORLDS)
    monkeypatch.setattr(train_selfplay, "NUM_GAMES", 8)
    monkeypatch.setattr(train_selfplay, "COMMAND", GAME)


@pytest.fixture
def env():
    slots = 2 * NUM_STEPS + 2
    with closing(uerl_shm.VecEnv(GAME, 2 * NUM_WORLDS, slots=slots, output="torch")) as env:
        yield env


@pytest.fixture
def run(env):
    torch.manual_seed(0)
    run = Run(Namespace(out="out", seed=1, resume="", total_steps=10_000), env)
    run.observation, _ = env.reset(seed=0)
    return run


class Member:
    """Moves sideways by the same at each step, and notes how many rows it was asked about."""

    def __init__(self, move):
        self.move, self.rows = move, []

    def act(self, observation, greedy):
        assert not greedy
        self.rows.append(len(observation))
        return torch.tensor([0.0, self.move]).expand(len(observation), 2)


# Ratings ------------------------------------------------------------------------------------------


def test_a_win_between_equals_moves_both_ratings_by_half_a_step():
    pool = Pool(torch.nn.Linear(1, 1))
    pool.rate(0, 1.0)
    assert pool.ratings == [FIRST_RATING - 2, FIRST_RATING + 2]


def test_ratings_settle_where_scores_are_as_expected():
    pool = Pool(torch.nn.Linear(1, 1))
    for game in range(8000):
        pool.rate(0, 0.0 if game % 11 == 0 else 1.0)
    assert pool.ratings[1] - pool.ratings[0] == pytest.approx(400, abs=25)  # 10 of 11
    assert sum(pool.ratings) == pytest.approx(2 * FIRST_RATING)


def test_a_member_joins_with_the_rating_and_the_weights_of_that_time():
    policy = torch.nn.Linear(1, 1)
    pool = Pool(policy)
    pool.rate(0, 1.0)
    pool.add(policy, 640)
    before = policy.weight.item()
    policy.weight.data += 1.0
    assert pool.members[1].policy.weight.item() == before
    assert pool.joined_at == pool.ratings[1] == pool.ratings[2] == FIRST_RATING + 2
    lines = pool.table().splitlines()
    assert len(lines) == 3 and "640 env steps" in pool.table() and "after         0" in lines[-1]


# Who plays ----------------------------------------------------------------------------------------


def test_the_pool_plays_one_side_of_every_second_world_and_both_sides_alike(run):
    run.take_seats()
    rows = torch.cat([seat.rows for seat in run.seats]).tolist()
    assert [row // 2 for row in rows] == [1, 3, 5, 7]
    assert sorted(row % 2 for row in rows) == [0, 0, 1, 1]
    assert {seat.number for seat in run.seats} == {0}


def test_rows_of_the_pool_do_what_its_members_say_and_no_others(run):
    run.take_seats()
    run.pool.members = [train_selfplay.Member(Member(0.25), 0)]
    batch = run.collect()
    speed, valid = batch.observation[1:, :, OWN_SPEED_Y], batch.valid[:-1]  # of the step before
    rows = torch.cat([seat.rows for seat in run.seats])
    others = torch.ones(2 * NUM_WORLDS, dtype=torch.bool).index_fill(0, rows, False)
    assert (speed[:, rows][valid[:, rows]] == 0.25).all()
    assert not (speed[:, others][valid[:, others]] == 0.25).any()


def test_nothing_is_learned_from_rows_of_the_pool(run, monkeypatch):
    learned = []

    def keep(policy, optimizer, batch, args):
        learned.append(batch)

    monkeypatch.setattr(train_selfplay.train_ppo, "learn", keep)
    run.take_seats()
    run.iterate()
    rows = torch.cat([seat.rows for seat in run.seats])
    (batch,) = learned
    assert not batch.valid[:, rows].any()
    assert batch.valid.sum() > 0.9 * NUM_STEPS * (2 * NUM_WORLDS - len(rows))


def test_games_against_the_pool_are_rated_once_each(run):
    run.pool.add(run.policy, 0)
    run.seats = [Seat(0, torch.tensor([2])), Seat(1, torch.tensor([7]))]
    reward, terminated = torch.zeros(4, 16), torch.zeros(4, 16, dtype=torch.bool)
    for t, row, gain in ((0, 2, 1.0), (1, 7, -1.0), (2, 7, -1.0), (3, 7, -1.0), (3, 8, 1.0)):
        reward[t, row], terminated[t, row] = gain, True
    valid = torch.ones_like(terminated)
    valid[3, 7] = False  # a simulator that was lost
    truncated = torch.zeros_like(terminated)
    truncated[3, 2] = True
    none = torch.zeros(4, 16)
    batch = train_selfplay.train_ppo.Batch(
        none, none, none, none, reward, terminated, truncated, valid
    )
    for seat in run.seats:
        run.rate(batch, seat)
    assert run.results.tolist() == [2, 1, 1]  # won, drawn, lost by the policy
    assert run.pool.ratings[0] > FIRST_RATING > run.pool.ratings[1]


# Matches ------------------------------------------------------------------------------------------


def follow(observation):
    return torch.stack(
        [torch.zeros(len(observation)), 16 * (observation[:, BALL_Y] - observation[:, OWN_Y])], 1
    )


def stand(observation):
    return torch.zeros(len(observation), 2)


def test_who_follows_the_ball_beats_who_stands_on_both_sides(env):
    games = 2 * NUM_WORLDS
    won, lost = share_won(env, follow, stand, games, 0), share_won(env, stand, follow, games, 0)
    assert won > 0.8 and lost < 0.1


def test_sides_change_from_game_to_game(env, monkeypatch):
    moves = []

    def play(env, act, num_episodes, seed):
        moves.append(act(torch.zeros(env.num_envs, 12)))
        return [train_selfplay.episodes.Episode(0, 1.0, 1)] * num_episodes

    monkeypatch.setattr(train_selfplay.episodes, "play", play)
    assert share_won(env, lambda seen: torch.ones(len(seen), 2), stand, 4, 0) == 1.0
    assert moves[0][:, 0].nonzero().flatten().tolist() == [0, 3, 4, 7, 8, 11, 12, 15]


def test_a_drawn_game_is_not_won(env):
    assert share_won(env, follow, follow, NUM_WORLDS, 0) < 0.2


# Runs ---------------------------------------------------------------------------------------------


def numbers(output: str) -> dict[str, float]:
    line = output.strip().splitlines()[-1]
    assert line.startswith("RESULT ")
    return {key: float(value) for key, value in re.findall(r"(\w+)=(\S+)", line)}


def test_a_run_that_falls_short_says_so_and_can_be_gone_on_with(capsys):
    steps = NUM_STEPS * 2 * NUM_WORLDS
    assert train_selfplay.main(["--total-steps", str(steps), "--out", "out"]) == 1
    captured = capsys.readouterr()
    assert "members 1, expected at least 10" in captured.err
    result = numbers(captured.out)
    assert result["env_steps"] == steps and result["members"] == 1
    train_selfplay.main(
        ["--total-steps", str(2 * steps), "--out", "more", "--resume", "out/checkpoint.pt"]
    )
    assert numbers(capsys.readouterr().out)["env_steps"] == 2 * steps


@pytest.mark.slow
def test_a_policy_that_grows_better_joins_the_pool_again_and_again(run, monkeypatch):
    monkeypatch.setattr(
        Run, "rate", lambda run, batch, seat: run.pool.rate(seat.number, 1.0) or run.pool.rate(0, 1)
    )
    run.args.total_steps = 40 * NUM_STEPS * 2 * NUM_WORLDS
    run.train()
    assert len(run.pool.members) > 3
    steps = [member.env_steps for member in run.pool.members]
    assert all(before < after for before, after in pairwise(steps))
