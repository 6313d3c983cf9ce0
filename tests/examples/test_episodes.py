"""Whole episodes of policies and of those that they have to beat."""

from __future__ import annotations

from contextlib import closing

import episodes
import pytest
import torch
from policy import Policy

import uerl_shm
from uerl_shm import ArraySpec, GroupSpec

GO_RIGHT, GO_LEFT, STAY = 2, 1, 0
BEST, SMALL = 0.93, 0.07  # returns of basic's two goals


@pytest.fixture
def basic():
    with closing(uerl_shm.VecEnv("uerl-sim basic", 4, output="torch")) as env:
        yield env


def always(move):
    return lambda observation: torch.full((len(observation),), move)


def test_an_episode_has_its_return_its_length_and_a_seed_of_its_own(basic):
    played = episodes.play(basic, always(GO_RIGHT), 6, seed=10)
    assert [episode.seed for episode in played] == [10, 11, 12, 13, 14, 15]
    assert [episode.num_steps for episode in played] == [7] * 6
    assert [episode.total for episode in played] == pytest.approx([BEST] * 6)


def test_short_episodes_are_not_favoured(basic):
    moves = torch.tensor([GO_LEFT, GO_RIGHT, GO_LEFT, GO_RIGHT])
    played = episodes.play(basic, lambda observation: moves, 8, seed=0)
    expected = [SMALL, BEST] * 4
    assert [episode.total for episode in played] == pytest.approx(expected)


def test_an_episode_without_end_counts_as_it_is(basic, monkeypatch):
    monkeypatch.setattr(episodes, "MAX_STEPS", 5)
    played = episodes.play(basic, always(STAY), 4, seed=0)
    assert [episode.total for episode in played] == pytest.approx([-0.05] * 4)


def test_agents_of_one_world_share_its_seed():
    with closing(uerl_shm.VecEnv("uerl-sim tennis --episode-steps 3", 4, output="torch")) as env:
        played = episodes.play(env, lambda observation: torch.zeros(4, 2), 8, seed=5)
    assert [episode.seed for episode in played] == [5, 5, 6, 6, 7, 7, 8, 8]


def test_the_first_round_is_watched_from_reset_to_end(basic):
    seen = []
    episodes.play(
        basic, always(GO_RIGHT), 8, 0, lambda observation, total: seen.append(total[0].item())
    )
    assert seen == pytest.approx([-0.01 * n for n in range(7)] + [BEST])


def policy_for(action, observation=None):
    torch.manual_seed(0)
    return Policy(GroupSpec("agent", observation or ArraySpec.box(0, 1, (20,)), action), 8)


def test_constants_cover_boxes_closer_together_in_the_middle():
    choices = episodes.constants(policy_for(ArraySpec.box(-1, 1, (2,))))
    assert choices.shape == (121, 2)
    values = choices[:, 0].unique().tolist()
    assert values == pytest.approx([-1, -0.64, -0.36, -0.16, -0.04, 0, 0.04, 0.16, 0.36, 0.64, 1])


def test_constants_are_all_actions_where_these_are_few_and_some_where_they_are_many():
    choices = episodes.constants(policy_for(ArraySpec.multi_discrete([2, 3])))
    assert sorted(choices.tolist()) == [[i, j] for i in range(2) for j in range(3)]
    assert episodes.constants(policy_for(ArraySpec.box(-1, 1, (9,)))).shape == (121, 9)


def test_best_constant_of_basic_is_to_go_right():
    policy = policy_for(ArraySpec.discrete(3))
    assert episodes.best_constant_return("uerl-sim basic", policy, 0) == pytest.approx(BEST)


def test_a_blind_policy_sees_zeros_and_nothing_else():
    seen = []

    class Player:
        def act(self, observation, greedy):
            seen.append((observation, greedy))

    camera = torch.full((2, 3), 7, dtype=torch.uint8)
    episodes.blind(Player(), True)(camera)
    episodes.blind(Player(), False)({"camera": camera})
    assert torch.equal(seen[0][0], torch.zeros(2, 3, dtype=torch.uint8)) and seen[0][1]
    assert torch.equal(seen[1][0]["camera"], torch.zeros(2, 3, dtype=torch.uint8))
    assert not seen[1][1] and (camera == 7).all()


def test_policies_are_compared_with_all_that_they_have_to_beat():
    policy = policy_for(ArraySpec.discrete(3))
    result = episodes.compare("uerl-sim basic --episode-steps 20", policy, 4, seed=0)
    assert list(result) == ["mean_return", "random_return", "best_constant_return", "blind_return"]
    assert result["best_constant_return"] == pytest.approx(BEST)
    assert -0.2 <= result["random_return"] < BEST


GOOD = {"mean_return": 9.0, "random_return": 3.0, "best_constant_return": 6.0, "blind_return": 4.5}


def test_a_policy_that_beats_all_falls_short_of_nothing():
    assert episodes.shortfalls("apples", GOOD) == []
    assert episodes.shortfalls("basic", {"mean_return": 0.9, "eval_min": 0.89}) == []
    assert episodes.shortfalls("tennis", {"mean_return": -1.0}) == []


@pytest.mark.parametrize("name", ["random_return", "best_constant_return", "blind_return"])
def test_a_policy_that_does_not_beat_one_of_them_falls_short_of_it(name):
    (text,) = episodes.shortfalls("apples", {**GOOD, name: GOOD[name] + 0.1})
    assert name in text and "mean_return 9.00" in text


@pytest.mark.parametrize("name", ["mean_return", "eval_min"])
def test_a_policy_that_does_not_solve_basic_falls_short(name):
    result = {"mean_return": 0.93, "eval_min": 0.93, name: 0.88}
    (text,) = episodes.shortfalls("basic", result)
    assert text.startswith(f"{name} 0.88")
