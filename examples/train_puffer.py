"""PPO in PufferLib's manner: `recv` returns whoever is ready first, `env_ids` say who it is.

python examples/train_puffer.py
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

import torch
from policy import Policy
from scoring import Training
from train_ppo import Args, Batch, learn

import uerl_shm
from uerl_shm.integrations.puffer import PufferVecEnv

STEPS = {"basic": 8_192, "apples": 51_200}
SETTINGS = {
    "basic": Args(learning_rate=5e-3, num_steps=32, minibatch_rows=64),
    "apples": Args(learning_rate=7e-4),
}
NUM_ENVS = 8


class Trajectories:
    """Steps of every row, each at its own pace: a step's outcome comes with the next batch."""

    def __init__(self, envs: PufferVecEnv, policy: Policy) -> None:
        self.envs, self.policy = envs, policy
        self.rows: list[list[Any]] = [[] for _ in range(envs.num_agents)]

    @torch.no_grad()
    def collect(self, num_steps: int) -> Batch:
        """Return the next steps of every row, observations copied: they came batch by batch."""
        while min(map(len, self.rows)) <= num_steps:
            obs, rewards, terminals, truncations, _, env_ids, masks = self.envs.recv()
            observation = torch.tensor(obs)
            parameters, value = self.policy(observation)
            chances = self.policy.distributions(parameters)
            choice = self.policy.draw(chances)
            self.envs.send(self.policy.action(choice).numpy())
            acted = observation, choice, self.policy.log_prob(chances, choice), value
            outcome = map(torch.from_numpy, (rewards, terminals, truncations, masks))
            for row, *entry in zip(env_ids, *acted, *outcome, strict=True):
                self.rows[row].append(entry)
        taken = [row[: num_steps + 1] for row in self.rows]
        self.rows = [row[-1:] for row in self.rows]  # who is ahead does not wait: it loses some
        columns = [
            torch.stack([torch.stack([entry[i] for entry in row]) for row in taken], 1)
            for i in range(8)
        ]
        observation, choice, log_prob, value = columns[:4]
        outcome = [column[1:] for column in columns[4:]]  # what the step before led to
        return Batch(observation[:-1], choice[:-1], log_prob[:-1], value, *outcome)


def main() -> int:
    training = Training(str(__doc__), STEPS)
    args = SETTINGS[training.scene]
    env = uerl_shm.VecEnv(training.command, NUM_ENVS)
    policy = Policy(env.spec.group, args.hidden)
    optimizer = torch.optim.Adam(policy.parameters(), args.learning_rate, eps=1e-5)
    with closing(PufferVecEnv(env, batch_size=NUM_ENVS // 2)) as envs:
        envs.async_reset(training.seed)
        trajectories = Trajectories(envs, policy)
        while training.goes_on:
            batch = trajectories.collect(args.num_steps)
            learn(policy, optimizer, batch, args)
            training.add(batch.reward.numel(), f"reward {batch.reward.mean():.3f}")
    return training.score(policy.act)


if __name__ == "__main__":
    sys.exit(main())
