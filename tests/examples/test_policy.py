"""A policy for every kind of array that a spec can name."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from policy import OneHot, Policy, Scale, load_policy, save_policy

from uerl_shm import ArraySpec, EnvSpec, GroupSpec

NUM_ROWS = 6
ACTIONS = {
    "box": ArraySpec.box(-1, 1, (2,)),
    "box with bounds of its own": ArraySpec.box([-2.0, 5.0], [0.0, 9.0], (2,), "float64"),
    "box without bounds": ArraySpec.box(None, None, (2, 3)),
    "box of whole numbers": ArraySpec.box(10, 20, (2,), "uint8"),
    "scalar box": ArraySpec.box(0, 1, ()),
    "discrete": ArraySpec.discrete(4, start=-1),
    "multi-discrete": ArraySpec.multi_discrete([2, 3, 4]),
    "multi-discrete in rows": ArraySpec.multi_discrete([[2, 3], [4, 5]]),
    "multi-binary": ArraySpec.multi_binary(3),
}
OBSERVATIONS = {
    "picture": ArraySpec.image(42, 42, 3),
    "small picture": ArraySpec.image(16, 16, 1),
    "wide picture": ArraySpec.image(90, 160, 3),
    "depth": ArraySpec.box(0, 30, (42, 42)),
    "vector": ArraySpec.box(None, None, (5,)),
    "scalar": ArraySpec.box(0, 1, ()),
    "table": ArraySpec.box(-1, 1, (2, 3), "float64"),
    "flags": ArraySpec((4,), "bool"),
    "discrete": ArraySpec.discrete(4, start=2),
    "multi-discrete": ArraySpec.multi_discrete([2, 3]),
}
VECTOR = OBSERVATIONS["vector"]


def rows_of_space(spec, seed=0):
    space = spec.space()
    space.seed(seed)
    return torch.as_tensor(np.array([space.sample() for _ in range(NUM_ROWS)]))


def policy_of(observation, action):
    torch.manual_seed(0)
    return Policy(GroupSpec("agent", observation, action), 16)


@pytest.mark.parametrize("greedy", [False, True])
@pytest.mark.parametrize("kind", ACTIONS)
def test_actions_are_what_the_space_holds(kind, greedy):
    spec = ACTIONS[kind]
    policy = policy_of(VECTOR, spec)
    actions = policy.act(rows_of_space(VECTOR), greedy).numpy()
    assert actions.shape == (NUM_ROWS, *spec.shape)
    assert actions.dtype == spec.dtype
    space = spec.space()
    assert all(space.contains(np.asarray(action, spec.dtype)) for action in actions)


def test_drawn_choices_reach_every_action():
    spec = ACTIONS["multi-discrete"]
    policy = policy_of(VECTOR, spec)
    parameters = torch.zeros(2000, 9)
    actions = policy.action(policy.draw(policy.distributions(parameters)))
    assert {tuple(a) for a in actions.tolist()} == set(
        itertools.product(range(2), range(3), range(4))
    )


def test_numbers_are_clipped_to_their_bounds_and_the_middle_is_their_middle():
    policy = policy_of(VECTOR, ACTIONS["box with bounds of its own"])
    actions = policy.action(torch.tensor([[-7.0, -1.0], [0.0, 0.0], [1.0, 7.0]]))
    assert actions.tolist() == [[-2.0, 5.0], [-1.0, 7.0], [0.0, 9.0]]


def test_probability_of_a_choice_is_the_product_of_its_columns():
    action = {"jump": ArraySpec.discrete(2), "move": ArraySpec.box(-1, 1, (2,))}
    policy = policy_of(VECTOR, action)
    parameters = torch.tensor([[0.2, -0.3, 0.5, -0.1]])  # logits of jump, means of move
    choice = torch.tensor([[1.0, 0.3, -0.8]])
    std = math.exp(-0.5)
    expected = -0.3 - math.log(math.exp(0.2) + math.exp(-0.3))
    for drawn, mean in ((0.3, 0.5), (-0.8, -0.1)):
        expected -= ((drawn - mean) / std) ** 2 / 2 + math.log(std * math.sqrt(2 * math.pi))
    log_prob = policy.log_prob(policy.distributions(parameters), choice)
    assert log_prob.tolist() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("kind", ACTIONS)
def test_entropy_is_the_mean_surprise_of_what_is_drawn(kind):
    policy = policy_of(VECTOR, ACTIONS[kind])
    width = sum(hand.width for hand in policy.hands)
    chances = policy.distributions(torch.linspace(-1, 1, width).expand(20_000, width))
    torch.manual_seed(0)
    surprise = -policy.log_prob(chances, policy.draw(chances)).mean()
    assert policy.entropy(chances)[0].item() == pytest.approx(surprise.item(), abs=0.05)


@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_a_policy_sees_the_difference_between_two_observations(kind):
    spec = OBSERVATIONS[kind]
    policy = policy_of(spec, ACTIONS["discrete"])
    parameters, value = policy(rows_of_space(spec))
    assert parameters.shape == (NUM_ROWS, 4) and value.shape == (NUM_ROWS,)
    assert parameters.isfinite().all()
    assert value.std() > 1e-4


def test_a_policy_uses_every_array_of_a_dict():
    spec = {"camera": OBSERVATIONS["picture"], "speed": VECTOR}
    policy = policy_of(spec, {"jump": ArraySpec.discrete(2), "move": ArraySpec.box(-1, 1, (2,))})
    observation = {name: rows_of_space(array) for name, array in spec.items()}
    before = policy(observation)[1]
    for name in spec:
        other = {**observation, name: rows_of_space(spec[name], seed=1)}
        assert not torch.allclose(policy(other)[1], before)
    assert set(policy.act(observation)) == {"jump", "move"}


def test_scale_without_bounds_learns_mean_and_spread_of_all_it_has_seen():
    torch.manual_seed(0)
    rows = torch.randn(500, 3) * torch.tensor([1.0, 100.0, 0.01]) + torch.tensor(
        [0.0, 5000.0, -3.0]
    )
    scale = Scale(ArraySpec.box(None, None, (3,)))
    for part in rows.split([1, 99, 400]):
        scale.see(part)
    scaled = scale(rows)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(scaled.std(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)


def test_scale_with_bounds_brings_them_to_one_and_stays():
    scale = Scale(ArraySpec.image(16, 16, 3))
    scale.see(torch.full((4, 16, 16, 3), 255, dtype=torch.uint8))
    assert scale(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_one_hot_marks_each_entry_in_a_place_of_its_own():
    one_hot = OneHot(ArraySpec.multi_discrete([2, 3]))
    assert one_hot(torch.tensor([[1, 0], [0, 2]])).tolist() == [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]]


def test_a_saved_policy_plays_as_it_did(tmp_path):
    spec = EnvSpec.single(VECTOR, ACTIONS["box"])
    policy = Policy(spec.groups[0], 16)
    observation = rows_of_space(VECTOR)
    policy.see(observation)
    save_policy(tmp_path / "policy.pt", policy, 16, spec, "uerl-sim apples")
    loaded, loaded_spec, simulator = load_policy(tmp_path / "policy.pt")
    assert torch.equal(loaded.act(observation), policy.act(observation))
    assert (loaded_spec, simulator) == (spec, "uerl-sim apples")
