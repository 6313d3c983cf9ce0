"""PPO on a `dm_env.Environment`: one simulator, its first and last steps as dm_env tells them.

python examples/train_dm_env.py
"""

from __future__ import annotations

import sys
from contextlib import closing

import dm_env
import numpy as np
import torch
from policy import Policy
from scoring import Training
from train_ppo import Args, Batch, learn

import uerl_shm
from uerl_shm.integrations.dm_env import DmEnv
from uerl_shm.launcher import describe

STEPS = {"basic": 8_192}
NUM_STEPS = 256  # of one rollout


@torch.no_grad()
def collect(env: DmEnv, policy: Policy, step: dm_env.TimeStep) -> tuple[Batch, dm_env.TimeStep]:
    """Return a rollout of one row. A FIRST step has no reward: nothing is learned from it."""
    observed, kept = [], []
    for _ in range(NUM_STEPS + 1):
        observed.append(torch.as_tensor(np.asarray(step.observation)).unsqueeze(0))
        parameters, value = policy(observed[-1])
        chances = policy.distributions(parameters)
        choice = policy.draw(chances)
        log_prob = policy.log_prob(chances, choice)
        if len(observed) > NUM_STEPS:
            break
        step = env.step(policy.action(choice)[0].numpy())
        reward = 0.0 if step.first() else step.reward
        terminated, truncated = (step.last() and step.discount == end for end in (0.0, 1.0))
        flags = [terminated, truncated, env.valid and not step.first()]
        kept.append((choice, log_prob, value, torch.tensor([reward]), torch.tensor([flags])))
    choices, log_probs, values, rewards, flags = map(torch.stack, zip(*kept, strict=True))
    every_value = torch.cat([values, value.unsqueeze(0)])
    batch = Batch(
        torch.stack(observed[:-1]), choices, log_probs, every_value, rewards, *flags.unbind(-1)
    )
    return batch, step


def main() -> int:
    training = Training(str(__doc__), STEPS)
    args = Args(learning_rate=5e-3, minibatch_rows=64)
    policy = Policy(describe(training.command).group, args.hidden)
    optimizer = torch.optim.Adam(policy.parameters(), args.learning_rate, eps=1e-5)
    with closing(DmEnv(uerl_shm.Env(training.command))) as env:
        env.seed(training.seed)
        step = env.reset()
        while training.goes_on:
            batch, step = collect(env, policy, step)
            learn(policy, optimizer, batch, args)
            training.add(NUM_STEPS, f"reward {batch.reward.mean():.3f}")
    return training.score(policy.act)


if __name__ == "__main__":
    sys.exit(main())
