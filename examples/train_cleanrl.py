"""PPO in one file, in CleanRL's manner, on `VecEnv` itself and Gymnasium's RecordEpisodeStatistics.

python examples/train_cleanrl.py --scene apples
"""

from __future__ import annotations

import sys
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from scoring import Training
from torch import nn
from torch.distributions import Categorical, Distribution, Independent, Normal

import uerl_shm

STEPS = {"basic": 8_192, "apples": 30_720}
NUM_STEPS = {"basic": 32, "apples": 128}
MINIBATCH = {"basic": 64, "apples": 256}
LEARNING_RATE = {"basic": 5e-3, "apples": 7e-4}
NUM_ENVS, GAMMA, LAMBDA, CLIP, EPOCHS = 8, 0.99, 0.95, 0.2, 4


def layer_init(layer: nn.Module, std: float = np.sqrt(2)) -> nn.Module:
    nn.init.orthogonal_(layer.weight, std)
    nn.init.zeros_(layer.bias)
    return layer


class Pictures(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 1, 2).float() / 127.5 - 1.0


class Agent(nn.Module):
    def __init__(self, envs: gym.vector.VectorEnv) -> None:
        super().__init__()
        shape, actions = envs.single_observation_space.shape, envs.single_action_space
        self.discrete = isinstance(actions, gym.spaces.Discrete)
        body: list[nn.Module] = []
        if len(shape) == 3:
            convolutions = (nn.Conv2d(shape[-1], 16, 8, 4), nn.Conv2d(16, 32, 3, 2))
            body = [Pictures()]
            for convolution in convolutions:
                body += [layer_init(convolution), nn.ReLU()]
            body.append(nn.Flatten())
        width = nn.Sequential(*body)(torch.zeros(1, *shape)).shape[1]
        self.body = nn.Sequential(*body, layer_init(nn.Linear(width, 128)), nn.ReLU())
        outputs = actions.n if self.discrete else actions.shape[0]
        self.actor = layer_init(nn.Linear(128, outputs), 0.01)
        self.critic = layer_init(nn.Linear(128, 1), 1.0)
        self.log_std = nn.Parameter(torch.full((outputs,), -0.5))

    def distribution(self, x: torch.Tensor) -> tuple[Distribution, torch.Tensor]:
        hidden = self.body(x)
        actor, value = self.actor(hidden), self.critic(hidden).squeeze(1)
        if self.discrete:
            return Categorical(logits=actor), value
        return Independent(Normal(actor, self.log_std.exp()), 1), value

    def to_env(self, action: torch.Tensor) -> np.ndarray:
        return action.numpy() if self.discrete else action.clamp(-1.0, 1.0).numpy()


def gae(steps: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return advantages. ``value[t + 1]`` is of what step t led to, also at an episode's end."""
    reward, value, later = steps["reward"], steps["value"], torch.zeros(NUM_ENVS)
    advantages = torch.zeros_like(reward)
    for t in reversed(range(len(reward))):
        delta = reward[t] + GAMMA * value[t + 1] * ~steps["terminated"][t] - value[t]
        later = (delta + GAMMA * LAMBDA * later * ~steps["done"][t]) * steps["valid"][t]
        advantages[t] = later
    return advantages


def main() -> int:
    training = Training(str(__doc__), STEPS)
    envs = RecordEpisodeStatistics(uerl_shm.VecEnv(training.command, NUM_ENVS))
    agent = Agent(envs)
    optimizer = torch.optim.Adam(agent.parameters(), LEARNING_RATE[training.scene], eps=1e-5)
    returns = [0.0]

    next_obs, next_done = envs.reset(seed=training.seed)[0], np.zeros(NUM_ENVS, bool)
    while training.goes_on:
        rows: list[dict[str, Any]] = []
        for _ in range(NUM_STEPS[training.scene]):
            obs = torch.tensor(next_obs)
            with torch.no_grad():
                chances, value = agent.distribution(obs)
            action = chances.sample()
            row = {"obs": obs, "action": action, "logprob": chances.log_prob(action)}
            before = next_done
            next_obs, reward, terminated, truncated, info = envs.step(agent.to_env(action))
            next_done = terminated | truncated
            row |= {"value": value, "reward": torch.tensor(reward, dtype=torch.float32)}
            row |= {"terminated": torch.tensor(terminated), "done": torch.tensor(next_done)}
            # The step after an episode's end only resets; invalid rows were made by no simulator.
            rows.append({**row, "valid": torch.tensor(info["valid"] & ~before)})
            if "episode" in info:
                returns += info["episode"]["r"][info["_episode"]].tolist()
        steps = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
        with torch.no_grad():
            last = agent.distribution(torch.tensor(next_obs))[1]
        steps["value"] = torch.cat([steps["value"], last.unsqueeze(0)])
        steps["advantage"] = gae(steps)
        steps["value"] = steps["value"][:-1]
        batch = {name: column[steps["valid"]] for name, column in steps.items()}
        b_returns = batch["advantage"] + batch["value"]

        for _ in range(EPOCHS):
            for mb in torch.randperm(len(b_returns)).split(MINIBATCH[training.scene]):
                chances, value = agent.distribution(batch["obs"][mb])
                ratio = (chances.log_prob(batch["action"][mb]) - batch["logprob"][mb]).exp()
                gain = batch["advantage"][mb]
                gain = (gain - gain.mean()) / (gain.std(correction=0) + 1e-8)
                pg_loss = -torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
                v_loss = 0.5 * (value - b_returns[mb]).square().mean()
                loss = pg_loss + 0.5 * v_loss - 0.005 * chances.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
        training.add(steps["reward"].numel(), f"return {np.mean(returns[-32:]):.2f}")
    envs.close()

    def act(observation: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.from_numpy(agent.to_env(agent.distribution(observation)[0].mode))

    return training.score(act)


if __name__ == "__main__":
    sys.exit(main())
