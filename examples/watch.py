"""Play a trained policy slowly enough to look at it, with its value estimates, and with videos.

Examples:
    python examples/watch.py                      # then, elsewhere: uerl-shm view watch --web
    python examples/watch.py --steps 2000 --every-nth-episode 1 --tensorboard runs/watch/board
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path

import torch
from evaluate import SHIPPED
from policy import load_policy

import uerl_shm


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("policy", nargs="?", type=Path, default=SHIPPED, help="policy.pt of a run")
    parser.add_argument("--simulator", help="command line (default: the one it was trained with)")
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--name", default="watch", help="of the segment")
    parser.add_argument("--steps", type=int, default=10_000, help="of each env")
    parser.add_argument("--fps", type=float, default=30.0, help="steps a second, at most; 0: all")
    parser.add_argument("--videos", type=Path, default=Path("runs/watch"), help="folder of mp4s")
    parser.add_argument("--tensorboard", type=Path, help="folder of a run, for short clips")
    parser.add_argument("--every-nth-episode", type=int, default=5)
    return parser.parse_args(argv)


def watch(env: uerl_shm.EpisodeRenderer, policy: torch.nn.Module, steps: int, fps: float) -> None:
    """Step an env with what the policy prefers, and write its values beside what it saw."""
    observation, _ = env.reset(seed=0)
    due_s = time.monotonic()
    for _ in range(steps):
        with torch.no_grad():
            parameters, values = policy(observation)
            action = policy.action(policy.draw(policy.distributions(parameters), greedy=True))
        env.annotate(value=values)
        observation, _, _, _, _ = env.step(action)
        if fps > 0:
            due_s = max(due_s + 1 / fps, time.monotonic())
            time.sleep(max(due_s - time.monotonic(), 0.0))


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    torch.set_num_threads(1)
    policy, _, trained_with = load_policy(args.policy)
    env = uerl_shm.VecEnv(
        args.simulator or trained_with,
        args.num_envs,
        name=args.name,
        output="torch",
        annotations=["value"],
    )
    views = [
        uerl_shm.EpisodeView(row, texts=tuple(policy.acted)) for row in range(env.num_envs)[:2]
    ]
    print(f"look at it: uerl-shm view {args.name} --web", flush=True)
    with closing(env):
        shown = uerl_shm.EpisodeRenderer(
            env,
            args.videos,
            tensorboard=args.tensorboard,
            views=views,
            every_nth_episode=args.every_nth_episode,
        )
        try:
            watch(shown, policy, args.steps, args.fps)
        except KeyboardInterrupt:
            print("ended by Ctrl-C", file=sys.stderr)
        shown.close()
    videos = sorted(args.videos.glob("episode-*.mp4"))
    print(f"RESULT videos={len(videos)} folder={args.videos}")
    if not videos:
        sys.exit("no video was written, expected at least one: read what is above")


if __name__ == "__main__":
    try:
        main()
    except uerl_shm.UerlError as error:
        sys.exit(f"watch.py: {error}")
