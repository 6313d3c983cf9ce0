"""A million env steps with two cameras each, every pixel compared: 84x84 and 640x480.

    camera_steps.py [--steps N] [--num-envs N] [--readback-us N]

Rows of a readback are padded, and the GPU's copies are ready after a random time. Half of the steps
run with a large camera that is one step late. A mutant of the plugin that commits results before
its pictures have arrived must fail. Prints ``RESULT ...``; exits with 1 when anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from drawn_pictures import PictureChecker
from tqdm import tqdm

import build as shim_build
import uerl_shm

ROOT = Path(__file__).resolve().parents[2]
MUTANT_STEPS = 2000


def run(program: Path, steps: int, num_envs: int, latency: int, readback_us: int) -> PictureChecker:
    """Step the level Cameras for so many env steps, and compare everything."""
    command = f"{program} Cameras -ShimLatency={latency} -ShimReadbackUs={readback_us}"
    env = uerl_shm.VecEnv(command, num_envs)
    checker = PictureChecker(env, latency)
    actions = np.zeros((num_envs, 2), np.float32)
    try:
        observation, info = env.reset(seed=0)
        ended = np.zeros(num_envs, bool)
        for _ in tqdm(range(steps // num_envs), f"latency {latency}", unit="batch", mininterval=1):
            env.send(actions)
            checker.check(observation, info, ended)  # while the next step runs
            batch = env.recv()
            observation, info = batch.observation, batch.info
            ended = batch.terminated | batch.truncated
            assert info["valid"].all()
        checker.check(observation, info, ended)
    finally:
        env.close()
    return checker


def main() -> None:
    """Run both latencies and the mutant."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--num-envs", type=int, default=4)
    parser.add_argument("--readback-us", type=int, default=300)
    options = parser.parse_args()
    folder = ROOT / "build" / "unreal"
    program = shim_build.build(folder / "plain")
    mutant = shim_build.build(folder / "plain", "commit_early")
    begin = time.monotonic()
    sizes = (options.num_envs, options.readback_us)
    found = [run(program, options.steps // 2, sizes[0], late, sizes[1]) for late in (0, 1)]
    caught = run(mutant, MUTANT_STEPS, sizes[0], 0, sizes[1]).num_wrong
    pictures = sum(checker.num_pictures for checker in found)
    wrong = sum(checker.num_wrong for checker in found)
    wrong_steps = sum(checker.num_wrong_steps for checker in found)
    steps = pictures // 2
    print(
        f"RESULT steps={steps} pictures={pictures} wrong_pictures={wrong} "
        f"wrong_steps={wrong_steps} wrong_of_mutant={caught} "
        f"seconds={time.monotonic() - begin:.0f}"
    )
    sys.exit(int(wrong > 0 or wrong_steps > 0 or caught == 0 or steps < options.steps))


if __name__ == "__main__":
    main()
