"""What do rollouts without stacking bring? The same loop collects with `torch.stack` beside it.

    make bench-rollouts

64 `probe` simulators, 84x84x3, a linear policy; then PPO on `apples`, end to end. Both ways have
the same env, slots and policy, and hand over equal bytes; they run in turn, and the medians count.
The last line is ``RESULT key=value ...``; the exit code is 1 when the promise is not kept.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import uerl_shm

ROOT = Path(__file__).resolve().parents[1]
NUM_ENVS, NUM_STEPS, ROUNDS = 64, 64, 15
PROMISED = 1.15
KEYS = ("observation", "action", "reward", "terminated", "truncated", "valid")


class Stacking:
    """Rollouts as people write them: lists of batches, and `torch.stack` at the end."""

    def __init__(self, env: uerl_shm.VecEnv) -> None:
        self.env, self.last, self.lists = env, None, None

    @contextlib.contextmanager
    def rollout(self, num_steps: int) -> Iterator[Any]:
        self.lists = {key: [] for key in KEYS}
        made = SimpleNamespace()
        yield made
        for key, kept in self.lists.items():
            if isinstance(kept[0], dict):
                stacked = {name: torch.stack([one[name] for one in kept]) for name in kept[0]}
            else:
                stacked = torch.stack(kept)
            setattr(made, key, stacked)
        self.lists = None

    def reset(self, **options: Any) -> Any:
        self.last, info = self.env.reset(**options)
        self.ended = torch.zeros(self.env.num_envs, dtype=torch.bool)
        return self.last, info

    def step(self, action: Any) -> Any:
        result = self.env.step(action)
        observation, reward, terminated, truncated, info = result
        if self.lists is not None:
            valid = torch.from_numpy(info["valid"].copy()) & ~self.ended  # NEXT_STEP: only a reset
            kept = (self.last, action, reward, terminated, truncated, valid)
            for key, value in zip(KEYS, kept, strict=True):
                self.lists[key].append(value)
            self.ended = terminated | truncated
        self.last = observation
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)


def make_env(num_envs: int, command: str, num_steps: int) -> uerl_shm.VecEnv:
    return uerl_shm.VecEnv(command, num_envs, output="torch", slots=2 * num_steps + 2)


class Linear:
    """Actions of a linear policy of the pixels and the other numbers."""

    def __init__(self, env: uerl_shm.VecEnv) -> None:
        spaces = env.single_observation_space.spaces
        generator = torch.Generator().manual_seed(0)
        self.weights = {
            name: 0.01 * torch.randn(int(np.prod(space.shape)), 4, generator=generator)
            for name, space in spaces.items()
        }

    def __call__(self, observation: dict[str, torch.Tensor]) -> torch.Tensor:
        parts = [
            array.flatten(1).to(torch.float32) @ self.weights[name]
            for name, array in observation.items()
        ]
        return torch.tanh(sum(parts) / 255)


@torch.no_grad()
def collect(env: Any, policy: Linear, observation: Any) -> tuple[Any, Any]:
    with env.rollout(NUM_STEPS) as rollout:
        for _ in range(NUM_STEPS):
            observation, *_ = env.step(policy(observation))
    return rollout, observation


def steps_per_s(ways: dict[str, Any], policy: Linear) -> dict[str, float]:
    """Collect by each way in turn; return the medians."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    last = {name: env.reset(seed=0)[0] for name, env in ways.items()}
    for turn in range(ROUNDS + 2):
        kept = {}
        for name, env in ways.items():
            start = time.perf_counter()
            kept[name], last[name] = collect(env, policy, last[name])
            if turn >= 2:  # the first two warm up, and are compared
                seconds[name].append(time.perf_counter() - start)
        if turn < 2:
            check_equal(*kept.values())
    return {name: NUM_STEPS * NUM_ENVS / float(np.median(all_)) for name, all_ in seconds.items()}


def check_equal(one: Any, other: Any) -> None:
    for key in KEYS:
        a, b = getattr(one, key), getattr(other, key)
        pairs = [(a[name], b[name]) for name in a] if isinstance(a, dict) else [(a, b)]
        for left, right in pairs:
            assert torch.equal(left, right), f"{key} differs"


def ppo(wrap: Callable[[uerl_shm.VecEnv], Any], iterations: int = 10) -> float:
    """PPO on `apples`; return env steps a second."""
    sys.path.insert(0, str(ROOT / "examples"))
    import train_ppo

    with tempfile.TemporaryDirectory() as folder:
        args = train_ppo.parse_args(["--out", str(Path(folder) / "run")])
        torch.manual_seed(args.seed)
        with contextlib.closing(make_env(8, "uerl-sim apples", args.num_steps)) as env:
            run = train_ppo.Run(args, wrap(env))
            run.observation, run.info = run.env.reset(seed=args.seed)
            run.iterate()
            start, before = time.perf_counter(), run.env_steps
            for _ in range(iterations):
                run.iterate()
            seconds = time.perf_counter() - start
            run.log.close()
            return (run.env_steps - before) / seconds


def main() -> None:
    torch.set_num_threads(1)
    command = "uerl-sim probe"
    with contextlib.closing(make_env(NUM_ENVS, command, NUM_STEPS)) as env:
        with contextlib.closing(make_env(NUM_ENVS, command, NUM_STEPS)) as other:
            rates = steps_per_s({"rollout": env, "stack": Stacking(other)}, Linear(env))
    ratio = rates["rollout"] / rates["stack"]
    print(f"64 simulators, 84x84x3, linear policy: {rates['rollout']:,.0f} env steps/s")
    print(f"the same with torch.stack:             {rates['stack']:,.0f} env steps/s")
    whole = {name: ppo(wrap) for name, wrap in (("rollout", lambda env: env), ("stack", Stacking))}
    figures = {
        "ratio": f"{ratio:.3g}",
        **{f"{name}_steps_per_s": f"{rate:.0f}" for name, rate in rates.items()},
        **{f"ppo_{name}_steps_per_s": f"{rate:.0f}" for name, rate in whole.items()},
        "promised": PROMISED,
    }
    print("RESULT", *(f"{key}={value}" for key, value in figures.items()), flush=True)
    sys.exit(ratio < PROMISED)


if __name__ == "__main__":
    main()
