"""How much sooner does a policy learn from 16 engines at once than from one?

    make parallel-engines

Every engine is a `basic` simulator that takes 20 ms for a step, as one that renders 50 pictures a
second. PPO learns from one of them, and from 16, with the same batch size, until the policy's mean
return reaches the goal. Prints the memory that 16 of them take. The last line is
``RESULT key=value ...``; the exit code is 1 when a promise is not kept. Takes ten minutes, in which
the machine mostly waits.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import torch

import uerl_shm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
import episodes
import train_ppo
from policy import Policy

SCENE = "uerl-sim basic"
COMMAND = f"{SCENE} --wait-us 20000"
MANY, SEEDS = 16, (1, 2, 3)
BATCH = 512  # env steps of one rollout, whoever makes them
SETTINGS = ["--learning-rate", "3e-4", "--num-epochs", "2", "--minibatch-rows", "128"]
SETTINGS += ["--hidden", "64", "--total-steps", "20000"]
GOAL, NUM_EPISODES, EVAL_SEED = 0.8, 64, 1_000_000  # basic's best is 0.93
FASTER, SOONER = 14.0, 12.0  # times, at least
SMAPS = ("Pss", "Pss_Anon", "Pss_File", "Pss_Shmem")


class Learned(NamedTuple):
    seconds: float
    env_steps: int
    last_return: float


def env_of(num_envs: int) -> uerl_shm.VecEnv:
    slots = 2 * (BATCH // num_envs) + 2
    return uerl_shm.VecEnv(COMMAND, num_envs, output="torch", slots=slots)


def learn(num_envs: int, seed: int) -> Learned:
    """Train until the goal is reached, as judged after each batch while the clock stands still."""
    torch.manual_seed(seed)
    with ExitStack() as stack:
        env = stack.enter_context(closing(env_of(num_envs)))
        judge = stack.enter_context(closing(episodes.wide_env(SCENE, NUM_EPISODES)))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        about = ["--scene", "basic", "--num-steps", str(BATCH // num_envs), "--out", folder]
        run = train_ppo.Run(train_ppo.parse_args(about + SETTINGS), env)
        run.observation, run.info = env.reset(seed=seed)
        mean, seconds = -math.inf, 0.0
        while mean < GOAL and run.env_steps < run.args.total_steps:
            start = time.perf_counter()
            run.iterate()
            seconds += time.perf_counter() - start
            mean = episodes.mean_return(judge, partial(draw, run.policy), NUM_EPISODES, EVAL_SEED)
        run.log.close()
    print(
        f"{num_envs:>2} engines, seed {seed}: return {mean:.2f} after {run.env_steps:,} env steps "
        f"and {seconds:.1f} s, {run.env_steps / seconds:.1f} env steps/s",
        flush=True,
    )
    return Learned(seconds, run.env_steps, mean)


def draw(policy: Policy, observation: torch.Tensor) -> torch.Tensor:
    """Act as in training: a policy that has learned nothing may be lucky with its likeliest."""
    return policy.act(observation, greedy=False)  # type: ignore[no-any-return]


def memory_of(process: psutil.Process) -> dict[str, int]:
    """Return proportional set sizes in bytes: what several processes share counts in parts."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return {name: sizes[name] for name in SMAPS}


def print_memory() -> dict[str, float]:
    """Print what MANY engines take, each of them and all together; return the totals in MiB."""
    with closing(env_of(MANY)) as env:
        env.reset(seed=0)
        for _ in range(5):
            env.step(np.zeros(MANY, np.int64))
        each: dict[str, list[psutil.Process]] = {"uerl-sim": [], "uerl-launch": []}
        for child in psutil.Process().children(recursive=True):
            if child.name() in each:  # the other children are no part of an engine
                each[child.name()].append(child)
        segment = Path("/dev/shm", env.segment_name).stat().st_size
        total = 0
        for name, processes in each.items():
            sizes = [memory_of(process) for process in processes]
            own = sum(size["Pss"] - size["Pss_Shmem"] for size in sizes)
            mean = {key: sum(size[key] for size in sizes) // len(sizes) // 1024 for key in SMAPS}
            total += own
            print(
                f"{len(sizes)} x {name:<11}: PSS {mean['Pss']} KiB each (own {mean['Pss_Anon']}, "
                f"files {mean['Pss_File']}, segment {mean['Pss_Shmem']}), without the segment "
                f"{own / 2**20:.2f} MiB in all"
            )
    print(f"segment: {segment / 2**20:.2f} MiB; with it {(total + segment) / 2**20:.2f} MiB")
    per_engine = (total + segment) / MANY
    return {"engine_kib": per_engine / 2**10, "engines_mib": (total + segment) / 2**20}


def main() -> int:
    torch.set_num_threads(1)
    memory = print_memory()
    runs = {num: [learn(num, seed) for seed in SEEDS] for num in (1, MANY)}
    speed = {
        num: sum(run.env_steps for run in learned) / sum(run.seconds for run in learned)
        for num, learned in runs.items()
    }
    time_to_goal = {
        num: statistics.median(run.seconds for run in learned) for num, learned in runs.items()
    }
    result = {
        "steps_ratio": speed[MANY] / speed[1],
        "time_ratio": time_to_goal[1] / time_to_goal[MANY],
        "seconds_one": time_to_goal[1],
        f"seconds_{MANY}": time_to_goal[MANY],
        "steps_per_s_one": speed[1],
        f"steps_per_s_{MANY}": speed[MANY],
        **memory,
    }
    missed = [
        f"{num} engines, seed {seed}: return {run.last_return:.2f}, expected at least {GOAL}"
        for num, learned in runs.items()
        for seed, run in zip(SEEDS, learned, strict=True)
        if run.last_return < GOAL
    ]
    for name, least in (("steps_ratio", FASTER), ("time_ratio", SOONER)):
        if result[name] < least:
            missed.append(f"{name} {result[name]:.2f}, expected at least {least}")
    sys.stderr.writelines(f"{text}\n" for text in missed)
    print("RESULT", *(f"{name}={value:.2f}" for name, value in result.items()), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
