"""PPO on a PettingZoo `ParallelEnv`: all agents of one world, which share a policy.

python examples/train_pettingzoo.py
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

import numpy as np
import torch
from policy import Policy
from scoring import Training
from train_ppo import Args, Batch, learn

from uerl_shm.integrations.pettingzoo import PettingZooEnv
from uerl_shm.launcher import describe

STEPS = {"basic": 8_192, "tennis": 40_960}
NUM_STEPS = 256  # of one rollout


class World:
    """A ParallelEnv that goes on for ever: where an episode ended, the next step begins one."""

    def __init__(self, env: PettingZooEnv, seed: int) -> None:
        self.env, self.agents = env, list(env.possible_agents)
        self.observations, _ = env.reset(seed=seed)

    def observation(self) -> torch.Tensor:
        """Return a row for each agent, zeros for those that are absent."""
        blank = np.zeros_like(next(iter(self.observations.values())))
        rows = [self.observations.get(agent, blank) for agent in self.agents]
        return torch.as_tensor(np.stack(rows))

    def step(self, actions: torch.Tensor) -> list[torch.Tensor]:
        """Return reward, terminated, truncated, valid, shape ``(agents,)`` each."""
        env, acting = self.env, list(self.env.agents)
        if acting:
            told = dict(zip(self.agents, actions.numpy(), strict=True))
            self.observations, *outcome, _ = env.step({agent: told[agent] for agent in acting})
        else:
            self.observations, _ = env.reset()
            outcome = [{}, {}, {}]
        outcome.append(dict.fromkeys(acting, env.valid))
        columns = [[part.get(agent, 0) for agent in self.agents] for part in outcome]
        return [torch.tensor(columns[0], dtype=torch.float32), *map(_flags, columns[1:])]


def _flags(column: list[Any]) -> torch.Tensor:
    return torch.tensor(column, dtype=torch.bool)


@torch.no_grad()
def collect(world: World, policy: Policy) -> Batch:
    """Return a rollout with a row for each agent."""
    observed, kept = [], []
    for _ in range(NUM_STEPS):
        observed.append(world.observation())
        parameters, value = policy(observed[-1])
        chances = policy.distributions(parameters)
        choice = policy.draw(chances)
        outcome = world.step(policy.action(choice))
        kept.append((choice, policy.log_prob(chances, choice), value, *outcome))
    choices, log_probs, values, *outcome = map(torch.stack, zip(*kept, strict=True))
    last = policy(world.observation())[1].unsqueeze(0)
    return Batch(torch.stack(observed), choices, log_probs, torch.cat([values, last]), *outcome)


def main() -> int:
    training = Training(str(__doc__), STEPS)
    args = Args(learning_rate=5e-3 if training.scene == "basic" else 7e-4, minibatch_rows=64)
    policy = Policy(describe(training.command).group, args.hidden)
    optimizer = torch.optim.Adam(policy.parameters(), args.learning_rate, eps=1e-5)
    with closing(PettingZooEnv(training.command)) as env:
        world = World(env, training.seed)
        while training.goes_on:
            batch = collect(world, policy)
            learn(policy, optimizer, batch, args)
            training.add(NUM_STEPS, f"reward {batch.reward.mean():.3f}")
    return training.score(policy.act)


if __name__ == "__main__":
    sys.exit(main())
