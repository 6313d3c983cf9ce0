"""Generalised advantages beside their definition, and rows that must not count."""

from __future__ import annotations

import copy
import random

import pytest
import torch
from policy import Policy
from train_ppo import Args, Batch, advantages_of, learn

from uerl_shm import ArraySpec, GroupSpec

GAMMA, LAMBDA = 0.9, 0.8
NAN = float("nan")


def advantage_by_definition(reward, value, terminated):
    """Of the first step of a piece of an episode: the weighted mean of its n-step advantages.

    reward has N entries, value N + 1; the last value counts unless the piece ends terminated.
    """
    value = value[:-1] + [0.0 if terminated else value[-1]]
    num_steps = len(reward)
    n_step = [
        sum(GAMMA**i * reward[i] for i in range(n)) + GAMMA**n * value[n] - value[0]
        for n in range(1, num_steps + 1)
    ]
    weights = [(1 - LAMBDA) * LAMBDA ** (n - 1) for n in range(1, num_steps)]
    weights.append(LAMBDA ** (num_steps - 1))
    return sum(w * a for w, a in zip(weights, n_step, strict=True))


class Row:
    """One row of a rollout, written piece by piece, as envs with NEXT_STEP resets produce it."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.reward, self.terminated, self.truncated, self.valid = [], [], [], []
        self.value, self.expected = [], []

    def add_piece(self, length, end):
        """Add steps of one episode. end: terminated, truncated, both, lost, or cut (by the end)."""
        reward = [self.draw.uniform(-1, 1) for _ in range(length)]
        value = [self.draw.uniform(-1, 1) for _ in range(length + 1)]
        self.reward += reward
        self.value += value[:-1]
        self.terminated += [False] * (length - 1) + [end in ("terminated", "both")]
        self.truncated += [False] * (length - 1) + [end in ("truncated", "both")]
        self.valid += [True] * length
        ended = end in ("terminated", "both")
        for t in range(length):
            self.expected.append(advantage_by_definition(reward[t:], value[t:], ended))
        self.last_value = value[-1]
        if end != "cut":
            self.add_invalid(value[-1], truncated=end == "lost")

    def add_invalid(self, value, truncated=False):
        """Add a step that only reset, or was lost; its observation is what the last step led to."""
        self.reward.append(self.draw.uniform(-9, 9))
        self.value.append(value)
        self.terminated.append(False)
        self.truncated.append(truncated)
        self.valid.append(False)
        self.expected.append(0.0)
        self.last_value = self.draw.uniform(-1, 1)


ENDS = ("terminated", "truncated", "both", "lost")


def random_row(seed, num_steps):
    row = Row(seed)
    if row.draw.random() < 0.3:
        row.add_invalid(row.draw.uniform(-1, 1))
    while len(row.reward) < num_steps:
        room = num_steps - len(row.reward)
        length = row.draw.randint(1, 6)
        if length + 1 > room:
            row.add_piece(room, "cut")
        else:
            row.add_piece(length, row.draw.choice(ENDS))
    row.value.append(row.last_value)
    return row


def columns(rows, name):
    return torch.tensor([getattr(row, name) for row in rows]).T.contiguous()


def advantages(rows):
    names = ("reward", "terminated", "truncated", "valid", "value")
    return advantages_of(*(columns(rows, name) for name in names), GAMMA, LAMBDA)


def test_advantages_are_what_their_definition_says():
    rows = [random_row(seed, 40) for seed in range(50)]
    torch.testing.assert_close(advantages(rows), columns(rows, "expected"))


@pytest.mark.parametrize("end", [*ENDS, "cut"])
def test_a_piece_of_an_episode_counts_what_comes_after_it_unless_it_is_terminated(end):
    row = Row(0)
    row.add_piece(1, end)
    row.value.append(row.last_value)
    later = 0.0 if end in ("terminated", "both") else GAMMA * row.value[1]
    expected = row.reward[0] + later - row.value[0]
    assert advantages([row])[0, 0] == pytest.approx(expected, abs=1e-6)


# Learning -----------------------------------------------------------------------------------------


def batch_of(seed, num_steps=24, num_rows=5):
    """A batch as a rollout gives it, and where nothing may be looked at."""
    rows = [random_row(seed * 100 + number, num_steps) for number in range(num_rows)]
    torch.manual_seed(seed)
    valid, terminated = columns(rows, "valid"), columns(rows, "terminated")
    batch = Batch(
        observation=torch.rand(num_steps, num_rows, 3),
        choice=torch.randn(num_steps, num_rows, 2),
        log_prob=torch.randn(num_steps, num_rows) - 3,
        value=columns(rows, "value"),
        reward=columns(rows, "reward"),
        terminated=terminated,
        truncated=columns(rows, "truncated"),
        valid=valid,
    )
    after_terminal = torch.zeros_like(valid)
    after_terminal[1:] = ~valid[1:] & terminated[:-1]
    return batch, after_terminal


def small_policy():
    torch.manual_seed(0)
    observation, action = ArraySpec.box(None, None, (3,)), ArraySpec.box(-1, 1, (2,))
    return Policy(GroupSpec("agent", observation, action), 8)


def learned(batch):
    """Parameters and buffers of a small policy after one rollout."""
    policy = small_policy()
    optimizer = torch.optim.SGD(policy.parameters(), 0.1)
    losses = learn(policy, optimizer, batch, Args(num_epochs=2, minibatch_rows=16))
    return {**policy.state_dict(), **{name: torch.tensor(loss) for name, loss in losses.items()}}


def test_whatever_stands_in_invalid_rows_changes_neither_gradient_nor_scale():
    batch, after_terminal = batch_of(1)
    assert (~batch.valid).sum() > 10 and after_terminal.sum() > 2
    spoilt = copy.deepcopy(batch)
    for array in (spoilt.observation, spoilt.choice, spoilt.log_prob, spoilt.reward):
        array[~batch.valid] = NAN
    spoilt.terminated[~batch.valid] = True
    spoilt.truncated[~batch.valid] = True
    spoilt.value[:-1][after_terminal] = NAN
    torch.testing.assert_close(learned(spoilt), learned(batch), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["observation", "choice", "log_prob", "reward", "value"])
def test_what_stands_in_a_valid_row_changes_the_gradient(name):
    batch, _ = batch_of(2)
    t, row = (index[0] for index in batch.valid.nonzero(as_tuple=True))
    before = learned(batch)
    getattr(batch, name)[t, row] += 0.5
    after = learned(batch)
    assert any(not torch.equal(before[key], after[key]) for key in before)


def test_learn_leaves_a_rollout_without_valid_rows_alone():
    batch, _ = batch_of(3)
    batch.valid[:] = False
    after = learned(batch)
    torch.testing.assert_close(after, dict(small_policy().state_dict()), rtol=0, atol=0)
