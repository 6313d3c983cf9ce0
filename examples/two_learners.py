"""Two learners of one simulation: each process trains one team of `gather` in the same worlds.

    python examples/two_learners.py

Each learner owns a segment with its team's rows alone, and runs PPO at its own pace within a step:
the simulator steps the worlds once both have sent their actions (docs/howto/several_learners.md).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import torch
import train_ppo
from policy import Policy
from torch import Tensor

import uerl_shm
from uerl_shm.launcher import describe

SCENE = "gather --rewards independent --episode-steps 200"
TEAMS = ("red", "blue")
NUM_WORLDS = 32
SETTINGS = train_ppo.Args(num_steps=64, learning_rate=1e-3, minibatch_rows=2048, hidden=64)
LEAVE_S = 30.0  # longest wait for the others, once one process has ended


def spec_of(team: str) -> uerl_shm.EnvSpec:
    """Return one team's part of the scene's spec; parameters go to the first team's learner."""
    whole = describe(f"uerl-sim {SCENE}")
    groups = [group for group in whole.groups if group.name == team]
    parameters = whole.parameters if team == TEAMS[0] else {}
    return dataclasses.replace(whole, groups=groups, parameters=parameters)


class Returns:
    """What the agents of a team got in each game, on average."""

    def __init__(self, num_worlds: int, agents: int) -> None:
        self.running, self.agents = torch.zeros(num_worlds), agents
        self.of_games: list[float] = []

    def add(self, reward: Tensor, ended: Tensor) -> None:
        """Add a step. A game is over when every agent has ended its episode or is absent."""
        self.running += reward.reshape(-1, self.agents).mean(1)
        for world in ended.reshape(-1, self.agents).all(1).nonzero().flatten():
            self.of_games.append(float(self.running[world]))
            self.running[world] = 0.0


class Learner:
    """One team's policy, its optimizer, and the env that shows this team alone."""

    def __init__(self, env: uerl_shm.VecEnv, seed: int) -> None:
        torch.manual_seed(seed)
        self.env, self.agents = env, env.spec.group.agents
        self.policy = Policy(env.spec.group, SETTINGS.hidden)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), eps=1e-5)
        self.returns = Returns(env.num_worlds, self.agents)
        self.observation, self.info = env.reset(seed=seed)

    @torch.no_grad()
    def collect(self) -> train_ppo.Batch:
        """Step the worlds together with the other learner; absent agents' rows are not valid."""
        kept = []
        with self.env.rollout(SETTINGS.num_steps) as rollout:
            for _ in range(SETTINGS.num_steps):
                parameters, value = self.policy(self.observation)
                chances = self.policy.distributions(parameters)
                choice = self.policy.draw(chances)
                log_prob = self.policy.log_prob(chances, choice)
                kept.append((choice, log_prob, value, self.info["mask"]))
                action = self.policy.action(choice)
                step = self.env.step(action)
                self.observation, reward, terminated, truncated, self.info = step
                self.returns.add(reward, terminated | truncated | ~self.info["mask"])
        choice, log_prob, value, present = map(torch.stack, zip(*kept, strict=True))
        value = torch.cat([value, self.policy(self.observation)[1].unsqueeze(0)])
        return train_ppo.Batch(
            rollout.observation, choice, log_prob, value, rollout.reward, rollout.terminated,
            rollout.truncated, rollout.valid & present,
        )  # fmt: skip

    def train(self, total_steps: int) -> dict[str, Any]:
        """Train for so many steps of worlds; return what became of it."""
        env_steps = 0
        while env_steps < total_steps:
            batch = self.collect()
            share_left = 1 - env_steps / total_steps
            self.optimizer.param_groups[0]["lr"] = SETTINGS.learning_rate * share_left
            train_ppo.learn(self.policy, self.optimizer, batch, SETTINGS)
            env_steps += SETTINGS.num_steps * self.env.num_worlds
        games = self.returns.of_games
        tenth = games[-max(len(games) // 10, 1) :]
        return {"env_steps": env_steps, "games": len(games), "return": sum(tenth) / len(tenth)}


def learn(args: argparse.Namespace) -> int:
    """Be the learner of one team; print the numbers as JSON."""
    spec = spec_of(args.team)
    env = uerl_shm.VecEnv(
        num_envs=NUM_WORLDS * spec.group.agents, envs_per_simulator=NUM_WORLDS, spec=spec,
        name=args.name, output="torch", slots=2 * SETTINGS.num_steps + 2,
        startup_timeout_s=60.0)  # fmt: skip
    torch.set_num_threads(1)
    with closing(env):
        print(json.dumps(Learner(env, args.seed).train(args.total_steps)), flush=True)
    return 0


def end(process: subprocess.Popen[Any]) -> None:
    """Leave no process behind, however this one ends."""
    process.kill()
    process.wait()


def start_all(args: argparse.Namespace) -> int:
    """Start the simulator of both segments, and a learner for each; print the numbers of both."""
    names = {team: f"two-learners-{team}-{os.getpid()}" for team in TEAMS}
    simulator = Path(uerl_shm.__file__).parent / "bin" / "uerl-sim"
    commands = {
        team: [sys.executable, __file__, "--team", team, "--name", name,
               "--total-steps", str(args.total_steps), "--seed", str(args.seed)]
        for team, name in names.items()
    }  # fmt: skip
    with ExitStack() as stack:
        environ = {**os.environ, "UERL_SHM_NAME": ",".join(names.values())}
        world = subprocess.Popen([simulator, *SCENE.split()], env=environ)
        stack.callback(end, world)
        learners = {}
        for team, command in commands.items():
            learners[team] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            stack.callback(end, learners[team])
        lines = {team: learner.communicate()[0] for team, learner in learners.items()}
        if any(learner.returncode for learner in learners.values()):
            return 1
        if world.wait(LEAVE_S) != 0:
            return 1
    results = {team: json.loads(line) for team, line in lines.items()}
    numbers = [f"{t}_{key}={v:.5g}" for t, result in results.items() for key, v in result.items()]
    print("RESULT", *numbers, flush=True)
    return 0


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--total-steps", type=int, default=50_000, help="steps of worlds")
    parser.add_argument("--seed", type=int, default=1, help="of policies, and of the first games")
    parser.add_argument("--team", choices=TEAMS, help="be this team's learner")
    parser.add_argument("--name", help="of the learner's segment")
    return parser.parse_args()


if __name__ == "__main__":
    args = parse_args()
    sys.exit(learn(args) if args.team else start_all(args))
