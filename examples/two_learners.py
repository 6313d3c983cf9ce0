"""Two learners of one simulation: each process trains one team of `gather` in the same worlds.

    python examples/two_learners.py

Each learner owns a segment with the rows of its team alone; the simulator holds a lane of both and
steps the worlds once both learners have sent their actions (docs/howto/several_learners.md). The
learning is the simplest there is: a linear policy, and the policy gradient of each rollout.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

import uerl_shm
from uerl_shm.launcher import describe

SCENE = "gather --rewards independent --actions discrete --episode-steps 200"
TEAMS = ("red", "blue")
NUM_WORLDS, NUM_STEPS = 32, 64  # of a simulator; of a rollout
DISCOUNT, LEARNING_RATE = 0.95, 0.5
LEAVE_S = 30.0  # longest wait for the simulator to see that the learners have ended


def spec_of(team: str) -> uerl_shm.EnvSpec:
    """Return one team's part of the scene's spec; parameters go to the first team's learner."""
    whole = describe(f"uerl-sim {SCENE}")
    groups = [group for group in whole.groups if group.name == team]
    parameters = whole.parameters if team == TEAMS[0] else {}
    return dataclasses.replace(whole, groups=groups, parameters=parameters)


def features_of(observation: Any, rows: int) -> np.ndarray:
    """Return all arrays of an observation side by side, and a one, shape ``(rows, n)``."""
    arrays = observation.values() if isinstance(observation, dict) else [observation]
    return np.concatenate([*(array.reshape(rows, -1) for array in arrays), np.ones((rows, 1))], 1)


class Policy:
    """Chances of each choice: softmax of weights times features."""

    def __init__(self, num_features: int, num_choices: int, seed: int) -> None:
        self.weights = np.zeros((num_features, num_choices))
        self.random = np.random.default_rng(seed)

    def chances(self, features: np.ndarray) -> np.ndarray:
        """Return the chance of each choice, shape ``(..., choices)``."""
        scores = features @ self.weights
        chances = np.exp(scores - scores.max(-1, keepdims=True))
        return chances / chances.sum(-1, keepdims=True)

    def draw(self, features: np.ndarray) -> np.ndarray:
        """Draw a choice for each row."""
        below = self.chances(features).cumsum(-1)
        return (self.random.random((len(below), 1)) > below[:, :-1]).sum(-1)

    def learn(self, features: np.ndarray, choice: np.ndarray, gain: np.ndarray) -> None:
        """Make choices that gained more than others more likely; all have one row per step."""
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        chosen = np.eye(self.weights.shape[1])[choice]
        slope = features.T @ ((chosen - self.chances(features)) * gain[:, None])
        self.weights += LEARNING_RATE * slope / len(gain)


class Learner:
    """One team's policy, and the env that shows this team alone."""

    def __init__(self, env: uerl_shm.VecEnv, seed: int) -> None:
        self.env, self.agents = env, env.spec.group.agents
        observation, info = env.reset(seed=seed)
        self.features, self.acts = features_of(observation, env.num_envs), info["mask"]
        self.policy = Policy(self.features.shape[1], int(env.single_action_space.n), seed)
        self.running, self.of_games = np.zeros(env.num_worlds), []

    def step(self) -> tuple[np.ndarray, ...]:
        """Step the worlds together with the other learner; return what learning needs of it."""
        features, acts = self.features, self.acts
        choice = self.policy.draw(features)
        observation, reward, terminated, truncated, info = self.env.step(choice)
        ended = terminated | truncated
        over = self.note(reward, ended | ~info["mask"])
        self.features, self.acts = features_of(observation, len(choice)), info["mask"] & ~over
        return features, choice, reward, ended, acts

    def note(self, reward: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Count a step. A game is over when every agent has ended its episode or is absent.

        Returns:
            Whether its game is over, for each row: the next step is then a reset.
        """
        self.running += reward.reshape(-1, self.agents).mean(1)
        over = ended.reshape(-1, self.agents).all(1)
        self.of_games += self.running[over].tolist()
        self.running[over] = 0.0
        return over.repeat(self.agents)

    def train(self, total_steps: int) -> dict[str, Any]:
        """Train for so many steps of worlds; return what the agents got in a game, on average."""
        env_steps = 0
        while env_steps < total_steps:
            rollout = zip(*(self.step() for _ in range(NUM_STEPS)), strict=True)
            features, choice, gain, ended, acts = map(np.stack, rollout)
            for step in reversed(range(NUM_STEPS - 1)):
                gain[step] += DISCOUNT * gain[step + 1] * ~ended[step]
            self.policy.learn(features[acts], choice[acts], gain[acts])
            env_steps += NUM_STEPS * self.env.num_worlds
        tenth = max(len(self.of_games) // 10, 1)
        first, last = np.mean(self.of_games[:tenth]), np.mean(self.of_games[-tenth:])
        games = len(self.of_games)
        return {"steps": env_steps, "games": games, "first_return": first, "return": last}


def learn(args: argparse.Namespace) -> int:
    """Be the learner of one team; print the numbers as JSON."""
    spec = spec_of(args.team)
    env = uerl_shm.VecEnv(
        num_envs=NUM_WORLDS * spec.group.agents, envs_per_simulator=NUM_WORLDS, spec=spec,
        name=args.name, startup_timeout_s=60.0, on_death="raise")  # fmt: skip
    with closing(env):
        print(json.dumps(Learner(env, args.seed).train(args.total_steps)), flush=True)
    return 0


def end(process: subprocess.Popen[Any]) -> None:
    """Leave no process behind, however this one ends."""
    process.kill()
    process.wait()


def end_well(learners: Collection[subprocess.Popen[Any]]) -> bool:
    """Wait for all to end; False at once when one fails: the others would wait for it."""
    while None in (codes := [learner.poll() for learner in learners]):
        if any(codes):
            return False
        time.sleep(0.1)
    return not any(codes)


def start_all(args: argparse.Namespace) -> int:
    """Start the simulator of both segments, and a learner for each; print the numbers of both."""
    names = {team: f"two-learners-{team}-{os.getpid()}" for team in TEAMS}
    simulator = Path(uerl_shm.__file__).parent / "bin" / "uerl-sim"
    environ = {**os.environ, "UERL_SHM_NAME": ",".join(names.values())}
    rest = ["--total-steps", str(args.total_steps), "--seed", str(args.seed)]
    with ExitStack() as stack:
        world = subprocess.Popen([simulator, *SCENE.split()], env=environ)
        stack.callback(end, world)
        learners = {}
        for team, name in names.items():
            command = [sys.executable, __file__, "--team", team, "--name", name, *rest]
            learners[team] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            stack.callback(end, learners[team])
        if not end_well(learners.values()) or world.wait(LEAVE_S) != 0:
            return 1
        lines = {team: learner.communicate()[0] for team, learner in learners.items()}
    results = {team: json.loads(line) for team, line in lines.items()}
    pairs = [(f"{t}_{key}", v) for t, result in results.items() for key, v in result.items()]
    numbers = [f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in pairs]
    print("RESULT", *numbers, flush=True)
    return 0


def parse_args() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("--total-steps", type=int, default=400_000, help="steps of worlds")
    parser.add_argument("--seed", type=int, default=1, help="of policies, and of the first games")
    parser.add_argument("--team", choices=TEAMS, help="be this team's learner")
    parser.add_argument("--name", help="of the learner's segment")
    return parser.parse_args()


if __name__ == "__main__":
    args = parse_args()
    sys.exit(learn(args) if args.team else start_all(args))
