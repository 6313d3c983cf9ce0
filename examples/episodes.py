"""Whole episodes: those of a policy, and of the players that a policy has to beat."""

from __future__ import annotations

import itertools
import math
import os
import random
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import uerl_shm

MAX_STEPS = 20_000  # of an episode; one that does not end by then counts as it is
Act = Callable[[Any], Any]  # from a batch of observations to a batch of actions
Watch = Callable[[Any, Tensor], None]  # sees a batch of observations and the returns so far


class Episode(NamedTuple):
    seed: int
    total: float  # the sum of its rewards
    num_steps: int


def play(
    env: uerl_shm.VecEnv, act: Act, num_episodes: int, seed: int, watch: Watch | None = None
) -> list[Episode]:
    """Play episodes in rounds: one for each row, each world with a seed of its own.

    Every episode that begins is played to its end: to take the first ones that finish would favour
    short ones.

    Args:
        env: With ``output="torch"``.
        act: Chooses the actions.
        num_episodes: How many to return.
        seed: Of the first; the others follow it.
        watch: Called with each step of the first round.
    """
    played: list[Episode] = []
    agents = env.num_envs // env.num_worlds
    while len(played) < num_episodes:
        next_seed = seed + len(played) // agents
        played += _play_round(env, act, next_seed, None if played else watch)
    return played[:num_episodes]


@torch.no_grad()
def _play_round(env: uerl_shm.VecEnv, act: Act, seed: int, watch: Watch | None) -> list[Episode]:
    total, num_steps = torch.zeros(env.num_envs), torch.zeros(env.num_envs, dtype=torch.int64)
    running = torch.ones(env.num_envs, dtype=torch.bool)
    observation, _ = env.reset(seed=seed)
    for _ in range(MAX_STEPS):
        if watch:
            watch(observation, total)
        observation, reward, terminated, truncated, _ = env.step(act(observation))
        total += torch.where(running, reward, 0.0)
        num_steps += running
        running &= ~(terminated | truncated)
        if not running.any():
            break
    if watch:
        watch(observation, total)
    agents = env.num_envs // env.num_worlds
    return [
        Episode(seed + row // agents, total[row].item(), int(num_steps[row]))
        for row in range(env.num_envs)
    ]


def mean_return(env: uerl_shm.VecEnv, act: Act, num_episodes: int, seed: int) -> float:
    """Return the mean of the returns of `play`."""
    return float(np.mean([episode.total for episode in play(env, act, num_episodes, seed)]))


def wide_env(simulator: str, num_envs: int) -> uerl_shm.VecEnv:
    """Start a simulator for each core, each with many worlds: the fastest way to many episodes."""
    num_simulators = min(num_envs, len(os.sched_getaffinity(0)))
    worlds = -(-num_envs // num_simulators)
    return uerl_shm.VecEnv(
        simulator, num_simulators * worlds, envs_per_simulator=worlds, output="torch"
    )


def at_random(env: uerl_shm.VecEnv, seed: int) -> Act:
    """Draw from the action space."""
    env.action_space.seed(seed)
    return lambda observation: env.action_space.sample()


def blind(policy: Any, greedy: bool) -> Act:
    """Feed the policy black pictures: zeros in place of what is observed."""

    def act(observation: Any) -> Any:
        if isinstance(observation, dict):
            black = {name: torch.zeros_like(array) for name, array in observation.items()}
        else:
            black = torch.zeros_like(observation)
        return policy.act(black, greedy)

    return act


def constants(policy: Any, most: int = 121) -> Tensor:
    """Return choices, shape (at most ``most``, columns), that cover the action space.

    Entries of a box have 11 values from bound to bound, closer together around the middle, where
    small differences matter: a robot that turns a little goes in a wide circle.
    """
    values: list[Any] = []
    for hand in policy.hands:
        if hand.counts is None:
            values += [[i * abs(i) / 25 for i in range(-5, 6)]] * hand.width
        else:
            values += [range(count) for count in hand.counts]
    if math.prod(len(entry) for entry in values) <= most:
        return torch.tensor(list(itertools.product(*values)), dtype=torch.float32)
    draw = random.Random(0)
    return torch.tensor([[float(draw.choice(entry)) for entry in values] for _ in range(most)])


def best_constant_return(simulator: str, policy: Any, seed: int) -> float:
    """Find the action that is best to take at every step; return its mean over fresh episodes."""
    choices = constants(policy)
    with closing(wide_env(simulator, len(choices) * 8)) as env:
        number = np.arange(env.num_envs) % len(choices)
        tried = play(env, lambda observation: policy.action(choices[number]), env.num_envs, seed)
        totals = np.array([episode.total for episode in tried])
        means = [totals[number == choice].mean() for choice in range(len(choices))]
        best = choices[np.argmax(means)].expand(env.num_envs, -1)
        fresh = seed + env.num_envs
        return mean_return(env, lambda observation: policy.action(best), env.num_envs, fresh)


def compare(simulator: str, policy: Any, num_episodes: int, seed: int) -> dict[str, float]:
    """Play many episodes of a bundled scene at once: a policy's, and those that it has to beat.

    Returns:
        Mean returns: of the policy, of 100 random episodes, of the best constant action, and of the
        policy blind (the better of its most likely and its drawn actions: who sees nothing may do
        well to dither).
    """
    with closing(wide_env(simulator, num_episodes)) as env:
        seeing = mean_return(env, policy.act, num_episodes, seed)
        drawn = mean_return(env, at_random(env, seed), 100, seed)
        players = [blind(policy, greedy) for greedy in (True, False)]
        dark = [mean_return(env, player, num_episodes, seed) for player in players]
    return {
        "mean_return": seeing,
        "random_return": drawn,
        "best_constant_return": best_constant_return(simulator, policy, seed),
        "blind_return": max(dark),
    }


def shortfalls(scene: str, result: dict[str, float]) -> list[str]:
    """Return what the evaluation of a bundled scene falls short of."""
    if scene == "apples":
        factors = {"random_return": 3.0, "best_constant_return": 1.5, "blind_return": 2.0}
        floors = [("mean_return", f * result.get(name, 0.0), name) for name, f in factors.items()]
    elif scene == "basic":
        floors = [("mean_return", 0.9, "the best, 0.93"), ("eval_min", 0.89, "the best, 0.93")]
    else:
        floors = []
    return [
        f"{name} {result[name]:.2f}, expected at least {least:.2f} (for {why}): train for longer"
        for name, least, why in floors
        if name in result and result[name] < least
    ]
