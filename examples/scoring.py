"""What the examples of other people's frameworks share: options, progress, and the last line.

Each trains a bundled scene with somebody else's algorithm, then plays fresh episodes of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import episodes
import torch
from tqdm import tqdm

EVAL_SEED = 1_000_000  # no world was trained from a seed this high
EVAL_EPISODES = 50


class Training:
    """Options from the command line, a progress bar, and the time that training took.

    Args:
        text: What the example is.
        steps: Env steps for each scene that it can train.
    """

    def __init__(self, text: str, steps: dict[str, int], argv: list[str] | None = None) -> None:
        parser = argparse.ArgumentParser(description=text)
        scenes = list(steps)
        parser.add_argument("--scene", default=scenes[0], choices=scenes, help="of uerl-sim")
        parser.add_argument("--total-steps", type=int, default=0, help="env steps (0: enough)")
        parser.add_argument("--seed", type=int, default=1, help="of policy, sampling and worlds")
        self.args = parser.parse_args(argv)
        self.scene, self.seed = self.args.scene, self.args.seed
        self.total_steps = self.args.total_steps or steps[self.scene]
        self.command = f"uerl-sim {self.scene}"
        torch.manual_seed(self.seed)
        torch.set_num_threads(1)  # more of them fight with simulators when cores are few
        self.env_steps, self.begin = 0, time.perf_counter()
        self.bar = tqdm(total=self.total_steps, unit="step", unit_scale=True, mininterval=1.0)

    def add(self, env_steps: int, note: str = "") -> None:
        """Advance the progress bar."""
        self.env_steps += env_steps
        self.bar.set_postfix_str(note, refresh=False)
        self.bar.update(env_steps)

    @property
    def goes_on(self) -> bool:
        return self.env_steps < self.total_steps

    def score(self, act: Callable[[Any], Any]) -> int:
        """Play fresh episodes, print the RESULT, return the exit code.

        Args:
            act: From a batch of observations (tensors) to a batch of actions.
        """
        seconds = time.perf_counter() - self.begin
        self.bar.close()
        with closing(episodes.wide_env(self.command, EVAL_EPISODES)) as env:
            result = {"mean_return": episodes.mean_return(env, act, EVAL_EPISODES, EVAL_SEED)}
            if self.scene == "apples":
                at_random = episodes.at_random(env, EVAL_SEED)
                drawn = episodes.mean_return(env, at_random, EVAL_EPISODES, EVAL_SEED)
                result["random_return"] = drawn
        missed = episodes.shortfalls(self.scene, result)
        sys.stderr.writelines(f"{text}\n" for text in missed)
        numbers = " ".join(f"{name}={value:.2f}" for name, value in result.items())
        print(f"RESULT {numbers} env_steps={self.env_steps} seconds={seconds:.0f}", flush=True)
        return 1 if missed else 0
