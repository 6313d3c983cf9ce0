"""Two teams, two policies: PPO for each group of agents, all learning in the same worlds.

    python examples/train_two_policies.py     # red and blue of the bundled scene `gather`

The teams see different things, and one's reward is the other's loss, so each group has a policy and
an optimizer of its own. What a step takes and returns are dicts by group. Agents die and come back:
`mask` says who is there.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import episodes
import numpy as np
import pictures
import torch
import train_ppo
from policy import Policy
from torch import Tensor

import uerl_shm

COMMAND = "uerl-sim gather --rewards independent"
NUM_SIMULATORS, NUM_WORLDS = 2, 64  # two processes with many worlds: the most steps per second
NUM_GAMES, EVAL_SEED = 200, 1_000_000  # of a match; no world was trained from a seed this high
BEATS_RANDOM = 0.8
SETTINGS = train_ppo.Args(num_steps=128, learning_rate=1e-3, minibatch_rows=2048, hidden=64)


class Learner:
    """One team: its policy, its optimizer, and what it keeps of the steps of a rollout."""

    def __init__(self, group: uerl_shm.GroupSpec) -> None:
        self.name = group.name
        self.policy = Policy(group, SETTINGS.hidden)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), eps=1e-5)
        self.kept: list[tuple[Tensor, ...]] = []

    def act(self, observation: Any, present: Tensor) -> Tensor:
        """Draw an action for each row of the team, and keep what learning needs of it."""
        parameters, value = self.policy(observation)
        chances = self.policy.distributions(parameters)
        choice = self.policy.draw(chances)
        self.kept.append((choice, self.policy.log_prob(chances, choice), value, present))
        return self.policy.action(choice)  # type: ignore[no-any-return]

    def batch(self, rollout: Any, last_observation: Any) -> train_ppo.Batch:
        """Return the team's part of a rollout; rows without an agent are not valid."""
        choice, log_prob, value, present = map(torch.stack, zip(*self.kept, strict=True))
        self.kept = []
        value = torch.cat([value, self.policy(last_observation)[1].unsqueeze(0)])
        name = self.name
        return train_ppo.Batch(
            rollout.observation[name], choice, log_prob, value, rollout.reward[name],
            rollout.terminated[name], rollout.truncated[name], rollout.valid[name] & present,
        )  # fmt: skip


class Run:
    """Everything of one training: envs and a learner for each group."""

    def __init__(self, args: argparse.Namespace, env: uerl_shm.VecEnv) -> None:
        self.args, self.env, self.out = args, env, Path(args.out)
        self.learners = {group.name: Learner(group) for group in env.spec.groups}
        self.env_steps = 0  # of worlds
        self.out.mkdir(parents=True, exist_ok=True)

    def train(self) -> None:
        """Train all teams until all steps are done."""
        total, saved = self.args.total_steps, time.perf_counter()
        progress = pictures.Progress(total, 0)
        self.observation, self.info = self.env.reset(seed=self.args.seed)
        try:
            while self.env_steps < total:
                share_left = 1 - self.env_steps / total
                progress.update(self.env_steps, self.iterate(share_left))
                if time.perf_counter() - saved > 60.0:
                    self.save()
                    saved = time.perf_counter()
        finally:
            progress.close()

    def iterate(self, share_left: float) -> str:
        """Learn from one rollout; return what the teams' agents did in it."""
        batches = self.collect()
        for name, learner in self.learners.items():
            learner.optimizer.param_groups[0]["lr"] = SETTINGS.learning_rate * share_left
            train_ppo.learn(learner.policy, learner.optimizer, batches[name], SETTINGS)
        self.env_steps += SETTINGS.num_steps * self.env.num_worlds
        parts = [f"{n} {b.terminated.sum() / b.valid.sum():.2%}" for n, b in batches.items()]
        return "deaths per step: " + ", ".join(parts)

    @torch.no_grad()
    def collect(self) -> dict[str, train_ppo.Batch]:
        """Step every world ``num_steps`` times; the observations stay where they were written."""
        env, learners = self.env, self.learners
        with env.rollout(SETTINGS.num_steps) as rollout:
            for _ in range(SETTINGS.num_steps):
                action = {
                    name: learner.act(self.observation[name], self.info[name]["mask"])
                    for name, learner in learners.items()
                }
                self.observation, _, _, _, self.info = env.step(action)
        return {name: one.batch(rollout, self.observation[name]) for name, one in learners.items()}

    def save(self) -> None:
        """Write policies.pt: the spec and the weights of every team's policy."""
        policies = {name: learner.policy.state_dict() for name, learner in self.learners.items()}
        about = {"spec": self.env.spec.to_json(), "hidden": SETTINGS.hidden, "simulator": COMMAND}
        torch.save({**about, "policies": policies}, self.out / "policies.new")
        os.replace(self.out / "policies.new", self.out / "policies.pt")


@torch.no_grad()
def totals_of(
    env: uerl_shm.VecEnv, acts: Mapping[str, episodes.Act], num_games: int, seed: int
) -> dict[str, np.ndarray]:
    """Play games, one in each world at a time; return what each team got in each of them.

    Returns:
        By group: sums of the rewards of its agents, shape ``(num_games,)``.
    """
    rounds: dict[str, list[Tensor]] = {name: [] for name in acts}
    for first in range(0, num_games, env.num_worlds):
        total = {name: torch.zeros(env.num_worlds) for name in acts}
        running = torch.ones(env.num_worlds, dtype=torch.bool)
        observation, _ = env.reset(seed=seed + first)
        while running.any():
            action = {name: act(observation[name]) for name, act in acts.items()}
            observation, reward, _, truncated, _ = env.step(action)
            for name in acts:
                gain = reward[name].reshape(env.num_worlds, -1).sum(1)
                total[name] += gain.masked_fill(~running, 0.0)
            for name in acts:  # a game ends by its step limit, for whoever is there
                running &= ~truncated[name].reshape(env.num_worlds, -1).any(1)
        for name in acts:
            rounds[name].append(total[name])
    return {name: torch.cat(parts)[:num_games].numpy() for name, parts in rounds.items()}


def share_won(env: uerl_shm.VecEnv, name: str, policy: Policy, num_games: int, seed: int) -> float:
    """Return the share of games in which a team with a policy gets more than one at random."""
    env.action_space.seed(seed)
    acts: dict[str, episodes.Act] = {
        group.name: (lambda _, space=env.action_space[group.name]: space.sample())
        for group in env.spec.groups
    }
    acts[name] = policy.act
    totals = totals_of(env, acts, num_games, seed)
    (other,) = set(acts) - {name}
    return float(np.mean(totals[name] > totals[other]))


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    add = parser.add_argument
    add("--total-steps", type=int, default=300_000, help="steps of worlds to train for")
    add("--seed", type=int, default=1, help="of policies, of sampling, of the first games")
    add("--out", default="runs/gather", help="folder of all that is written")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    layout: dict[str, Any] = {
        "envs_per_simulator": NUM_WORLDS // NUM_SIMULATORS,
        "slots": 2 * SETTINGS.num_steps + 2,
        "output": "torch",
    }
    result: dict[str, float] = {}
    with closing(uerl_shm.VecEnv(COMMAND, NUM_WORLDS, **layout)) as env:
        run, begin = Run(args, env), time.perf_counter()
        try:
            run.train()
        finally:
            run.save()
        seconds = time.perf_counter() - begin
        for name, learner in run.learners.items():
            won = share_won(env, name, learner.policy, NUM_GAMES, EVAL_SEED)
            result[f"{name}_beats_random"] = won
    missed = [name for name, won in result.items() if won < BEATS_RANDOM]
    for name in missed:
        print(f"{name} {result[name]:.3f}, expected at least {BEATS_RANDOM}", file=sys.stderr)
    result |= {"env_steps": run.env_steps, "seconds": seconds}
    numbers = [f"{n}={v:.3f}" if isinstance(v, float) else f"{n}={v}" for n, v in result.items()]
    print("RESULT", *numbers, flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except uerl_shm.UerlError as error:
        sys.exit(f"train_two_policies.py: {error}")
