"""Soft actor-critic from a replay buffer, fed by whichever simulators are ready first.

    python examples/train_sac.py     # blue of `gather` finds food; red moves at random

With `send` and `recv` nobody waits for the slowest simulator, and gradient steps are taken while
simulators step: a learner that replays the past needs no two steps of the same time.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pictures
import torch
from curriculum import Level, score_of
from policy import layer, make_eye
from torch import Tensor, nn
from torch.nn.functional import softplus

import uerl_shm

COMMAND = "uerl-sim gather --agents 1 --rewards independent"
LEVEL = Level(num_food=100, goal=0.0)
NUM_ENVS, MIN_READY = 8, 4  # simulators; and how many of them one batch waits for
HIDDEN = 64
GAMMA, LEARNING_RATE, BLEND = 0.95, 1e-3, 0.01  # BLEND: of the target, at each update
ALPHA = 0.02  # what it is worth to stay undecided
BATCH_ROWS, FIRST_STEPS = 256, 1_000  # FIRST_STEPS: at random, before anything is learned
STEPS_PER_UPDATE = 2
BETTER = 3.0  # than chance, in reward of 100 steps


class Transitions(NamedTuple):
    observation: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    next_observation: Tensor


class Replay:
    """The last ``capacity`` steps of a group, and the step that its agent has begun in each env."""

    def __init__(self, capacity: int, group: uerl_shm.GroupSpec, num_envs: int) -> None:
        (seen,), (acted,) = group.observation.values(), group.action.values()
        self.capacity, self.num_added, self.name = capacity, 0, group.name

        def rows(spec: uerl_shm.ArraySpec, count: int) -> Tensor:
            return torch.from_numpy(np.zeros((count, *spec.shape), spec.dtype))

        self.kept = Transitions(
            rows(seen, capacity), rows(acted, capacity), torch.zeros(capacity),
            torch.zeros(capacity), rows(seen, capacity),
        )  # fmt: skip
        self.begun = rows(seen, num_envs), rows(acted, num_envs)
        self.present = torch.zeros(num_envs, dtype=torch.bool)

    def __len__(self) -> int:
        return min(self.num_added, self.capacity)

    def begin(self, env_ids: Tensor, observation: Tensor, action: Tensor, present: Tensor) -> None:
        """Note what agents saw and were told to do: what comes of it follows later."""
        self.begun[0][env_ids], self.begun[1][env_ids] = observation, action
        self.present[env_ids] = present

    def end(self, batch: uerl_shm.StepBatch) -> None:
        """Keep the steps of a batch, but for those without an agent, or that only reset."""
        env_ids, name = torch.from_numpy(batch.env_ids), self.name
        valid = torch.tensor(batch.info[name]["valid"]) & self.present[env_ids]
        (rows,) = valid.nonzero(as_tuple=True)
        places = (self.num_added + torch.arange(len(rows))) % self.capacity
        values = (
            *(begun[env_ids[rows]] for begun in self.begun), batch.reward[name][rows],
            batch.terminated[name][rows].float(), batch.observation[name][rows],
        )  # fmt: skip
        for array, value in zip(self.kept, values, strict=True):
            array[places] = value
        self.num_added += len(rows)

    def sample(self, count: int) -> Transitions:
        pick = torch.randint(len(self), (count,))
        return Transitions(*(array[pick] for array in self.kept))


def network(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        layer(nn.Linear(width, HIDDEN)), nn.ReLU(), layer(nn.Linear(HIDDEN, out), 0.01)
    )  # fmt: skip


class Critic(nn.Module):
    """An eye, and two opinions of what an action is worth where it is taken."""

    def __init__(self, seen: uerl_shm.ArraySpec, acted: uerl_shm.ArraySpec) -> None:
        super().__init__()
        self.eye, self.width = make_eye(seen, HIDDEN)
        width = self.width + acted.shape[0]
        self.values = nn.ModuleList(network(width, 1) for _ in range(2))

    def forward(self, features: Tensor, unit_action: Tensor) -> Tensor:
        """Return both values, shape ``(2, rows)``."""
        x = torch.cat([features, unit_action], 1)
        return torch.stack([value(x).squeeze(1) for value in self.values])


class Agent:
    """Actor and critic. Actions are from -1 to 1 in here."""

    def __init__(self, group: uerl_shm.GroupSpec) -> None:
        (seen,), (acted,) = group.observation.values(), group.action.values()
        low, high = (torch.as_tensor(bound, dtype=torch.float32) for bound in acted.bounds())
        self.low, self.half = low, (high - low) / 2
        self.critic = Critic(seen, acted)
        self.target = copy.deepcopy(self.critic)
        self.actor = network(self.critic.width, 2 * acted.shape[0])
        parts = self.critic, self.actor
        self.optimizers = [
            torch.optim.Adam(part.parameters(), LEARNING_RATE, foreach=True) for part in parts
        ]

    def draw(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit actions and the logarithms of their probabilities."""
        mean, log_std = self.actor(features).chunk(2, 1)
        log_std = log_std.clamp(-5.0, 1.0)
        noise = torch.randn_like(mean)
        x = mean + log_std.exp() * noise
        log_prob = -0.5 * noise.square() - log_std - 0.5 * np.log(2 * np.pi)
        log_prob = log_prob - 2 * (np.log(2) - x - softplus(-2 * x))  # of tanh
        return x.tanh(), log_prob.sum(1)

    @torch.no_grad()
    def act(self, observation: Tensor, greedy: bool = True) -> Tensor:
        """Return rows of the action array."""
        features = self.critic.eye(observation)
        mean = self.actor(features).chunk(2, 1)[0].tanh()
        return self.low + ((mean if greedy else self.draw(features)[0]) + 1.0) * self.half

    def update(self, batch: Transitions) -> None:
        """Take one gradient step of the critic, which trains the eye, and one of the actor."""
        with torch.no_grad():
            next_action, next_log_prob = self.draw(self.critic.eye(batch.next_observation))
            later = self.target(self.target.eye(batch.next_observation), next_action).amin(0)
            later = (later - ALPHA * next_log_prob) * (1 - batch.terminated)
            goal = batch.reward + GAMMA * later
        features = self.critic.eye(batch.observation)
        unit_action = (batch.action - self.low) / self.half - 1.0
        loss = (self.critic(features, unit_action) - goal).square().mean()
        self.step(0, loss)
        features = features.detach()
        action, log_prob = self.draw(features)
        self.step(1, (ALPHA * log_prob - self.critic(features, action).amin(0)).mean())
        self.blend()

    @torch.no_grad()
    def blend(self) -> None:
        """Let the target network follow the critic."""
        for old, new in zip(self.target.parameters(), self.critic.parameters(), strict=True):
            old.lerp_(new, BLEND)

    def step(self, number: int, loss: Tensor) -> None:
        self.optimizers[number].zero_grad()
        loss.backward()
        self.optimizers[number].step()


def train(env: uerl_shm.VecEnv, agent: Agent, args: argparse.Namespace) -> dict[str, float]:
    """Train until all steps are done; return how much was done, and how fast."""
    replay = Replay(args.total_steps, env.spec.groups[1], env.num_envs)
    num_updates, recent = 0, deque[float](maxlen=2_000)
    space, begin = env.action_space, time.perf_counter()
    space.seed(args.seed)
    observation, info = env.reset(seed=args.seed, options=LEVEL.options)
    env_ids = torch.arange(env.num_envs)
    with closing(pictures.Progress(args.total_steps, 0)) as progress:
        while replay.num_added < args.total_steps:
            action = {name: torch.from_numpy(space[name].sample())[env_ids] for name in space}
            if replay.num_added >= FIRST_STEPS:
                action["blue"] = agent.act(observation["blue"], greedy=False)
            replay.begin(env_ids, observation["blue"], action["blue"], info["blue"]["mask"])
            env.send(action, env_ids)
            while num_updates * STEPS_PER_UPDATE < replay.num_added - FIRST_STEPS:
                agent.update(replay.sample(BATCH_ROWS))  # meanwhile, simulators step
                num_updates += 1
            batch = env.recv(min_envs=MIN_READY)
            replay.end(batch)
            observation, info, env_ids = (
                batch.observation,
                batch.info,
                torch.from_numpy(batch.env_ids),
            )
            recent.extend(batch.reward["blue"].tolist())
            done = min(replay.num_added, args.total_steps)
            progress.update(done, f"reward in 100 steps {100 * np.mean(recent):.2f}")
    seconds = time.perf_counter() - begin
    return {"env_steps": replay.num_added, "updates": num_updates, "seconds": seconds}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    add = parser.add_argument
    add("--total-steps", type=int, default=8_000, help="of the learning agents")
    add("--seed", type=int, default=1, help="of policy, of sampling, of the first episodes")
    add("--out", default="runs/sac", help="folder of actor.pt")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    with closing(uerl_shm.VecEnv(COMMAND, NUM_ENVS, output="torch")) as env:
        agent = Agent(env.spec.groups[1])
        done = train(env, agent, args)
        mean = score_of(env, agent.act, LEVEL)
        random = score_of(env, lambda _: env.action_space["blue"].sample(), LEVEL)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    weights = {"eye": agent.critic.eye.state_dict(), "actor": agent.actor.state_dict()}
    torch.save(weights, Path(args.out) / "actor.pt")
    if missed := mean < random + BETTER:
        print(f"mean_reward {mean:.2f}, expected {random + BETTER:.2f}", file=sys.stderr)
    result = {"mean_reward": mean, "random_reward": random, **done}
    numbers = [f"{n}={v:.2f}" if isinstance(v, float) else f"{n}={v}" for n, v in result.items()]
    print("RESULT", *numbers, flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except uerl_shm.UerlError as error:
        sys.exit(f"train_sac.py: {error}")
