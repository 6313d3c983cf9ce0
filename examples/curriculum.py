"""A curriculum: a parameter set at resets, harder whenever the policy has mastered what it meets.

    python examples/curriculum.py     # blue of `gather` finds less and less food

Where food is rare, chance seldom finds any, and who has never found any does not know what to look
for. So the policy begins where food lies everywhere: `reset(options={"parameters": ...})` says how
much, and every episode from then on has so much of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import episodes
import numpy as np
import pictures
import torch
import train_ppo
from train_two_policies import SETTINGS, Learner

import uerl_shm

COMMAND = "uerl-sim gather --agents 1 --rewards independent"
NUM_SIMULATORS, NUM_WORLDS = 2, 64  # two processes with many worlds: the most steps per second
NUM_ROLLOUTS = 3  # by whose mean a level is judged
EVAL_STEPS, EVAL_SEED = 400, 1_000_000  # no world was trained from a seed this high


class Level(NamedTuple):
    num_food: int
    goal: float  # reward in 100 steps, on average

    @property
    def options(self) -> dict[str, Any]:
        return {"parameters": {"num_food": self.num_food}}


LEVELS = [Level(40, 3.0), Level(20, 3.0), Level(10, 2.5), Level(5, 1.5), Level(2, 0.5)]


class Run:
    """The env, the policy that learns, and the level it has come to."""

    def __init__(self, args: argparse.Namespace, env: uerl_shm.VecEnv) -> None:
        self.args, self.env = args, env
        self.learner = Learner(env.spec.groups[1])
        self.level, self.env_steps = 0, 0
        self.red = env.action_space["red"]  # the other agent moves at random
        self.red.seed(args.seed)

    def train(self) -> None:
        """Train until the last level's goal is reached, or all steps are done."""
        self.begin_level(self.args.seed)
        with closing(pictures.Progress(self.args.total_steps, 0)) as progress:
            while self.env_steps < self.args.total_steps:
                self.scores.append(self.iterate())
                score, level = float(np.mean(self.scores)), LEVELS[self.level]
                text = f"level {self.level + 1} ({level.num_food} food)  reward {score:.2f}"
                progress.update(self.env_steps, text)
                if score >= level.goal and len(self.scores) == NUM_ROLLOUTS:
                    print(f"level {self.level + 1} mastered after {self.env_steps:,} env steps")
                    if level is LEVELS[-1]:
                        break
                    self.level += 1
                    self.begin_level()

    def begin_level(self, seed: int | None = None) -> None:
        """Begin an episode of the level in every world; those that follow are like it."""
        options = LEVELS[self.level].options
        self.scores = deque[float](maxlen=NUM_ROLLOUTS)
        self.observation, self.info = self.env.reset(seed=seed, options=options)

    def iterate(self) -> float:
        """Learn from one rollout; return the reward in 100 steps."""
        batch = self.collect()
        train_ppo.learn(self.learner.policy, self.learner.optimizer, batch, SETTINGS)
        self.env_steps += batch.reward.numel()
        return 100.0 * batch.reward.mean().item()

    @torch.no_grad()
    def collect(self) -> train_ppo.Batch:
        """Step every world ``num_steps`` times."""
        with self.env.rollout(SETTINGS.num_steps) as rollout:
            for _ in range(SETTINGS.num_steps):
                action = self.learner.act(self.observation["blue"], self.info["blue"]["mask"])
                both = {"red": self.red.sample(), "blue": action}
                self.observation, _, _, _, self.info = self.env.step(both)
        return self.learner.batch(rollout, self.observation["blue"])


@torch.no_grad()
def score_of(env: uerl_shm.VecEnv, act: episodes.Act, level: Level) -> float:
    """Return blue's reward in 100 steps of a level, in worlds that nobody was trained in."""
    env.action_space.seed(EVAL_SEED)
    observation, _ = env.reset(seed=EVAL_SEED, options=level.options)
    total = 0.0
    for _ in range(EVAL_STEPS):
        action = {"red": env.action_space["red"].sample(), "blue": act(observation["blue"])}
        observation, reward, _, _, _ = env.step(action)
        total += reward["blue"].mean().item()
    return 100.0 * total / EVAL_STEPS


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    add = parser.add_argument
    add("--total-steps", type=int, default=1_000_000, help="env steps to train for at most")
    add("--seed", type=int, default=1, help="of policy, of sampling, of the first episodes")
    add("--out", default="runs/curriculum", help="folder of policy.pt, the weights")
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
    with closing(uerl_shm.VecEnv(COMMAND, NUM_WORLDS, **layout)) as env:
        run, begin = Run(args, env), time.perf_counter()
        run.train()
        seconds = time.perf_counter() - begin
        Path(args.out).mkdir(parents=True, exist_ok=True)
        torch.save(run.learner.policy.state_dict(), Path(args.out) / "policy.pt")
        scores = [score_of(env, run.learner.policy.act, level) for level in LEVELS]
        blue = env.action_space["blue"]
        random = [score_of(env, lambda _: blue.sample(), level) for level in LEVELS]
    for level, ours, chance in zip(LEVELS, scores, random, strict=True):
        text = f"reward in 100 steps {ours:5.2f}, goal {level.goal:5.2f}, at random {chance:5.2f}"
        print(f"{level.num_food:>3} food: {text}")
    solved = [level for ours, level in zip(scores, LEVELS, strict=True) if ours >= level.goal]
    if missed := LEVELS[-1] not in solved:
        text = f"reward {scores[-1]:.2f} at the last level, expected {LEVELS[-1].goal:.2f}"
        print(f"{text}: train for longer", file=sys.stderr)
    hardest = solved[-1].num_food if solved else 0
    print(
        f"RESULT levels_solved={len(solved)} levels={len(LEVELS)} least_food={hardest} "
        f"reward={scores[-1]:.2f} random_reward={random[-1]:.2f} env_steps={run.env_steps} "
        f"seconds={seconds:.1f}",
        flush=True,
    )
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except uerl_shm.UerlError as error:
        sys.exit(f"curriculum.py: {error}")
