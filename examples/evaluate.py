"""Play a trained policy on seeds it has not seen: prints every return, writes a video.

Examples:
    python examples/evaluate.py                                  # the checkpoint that ships
    python examples/evaluate.py runs/apples/policy.pt --episodes 50
    python examples/evaluate.py runs/MyGame/policy.pt --simulator "/game/MyGame.sh"
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from episodes import Episode, play
from pictures import Video
from policy import load_policy
from rich.console import Console
from rich.table import Table

import uerl_shm

SHIPPED = Path(__file__).parent / "checkpoints" / "apples.pt"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("policy", nargs="?", type=Path, default=SHIPPED, help="policy.pt of a run")
    parser.add_argument("--simulator", help="command line (default: the one it was trained with)")
    parser.add_argument("--episodes", type=int, default=16)
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=2_000_000, help="of the first episode")
    parser.add_argument("--draw", action="store_true", help="draw actions, as in training")
    parser.add_argument("--video", type=Path, default=Path("runs/play.mp4"))
    return parser.parse_args(argv)


def show(played: list[Episode]) -> None:
    """Print a line for each episode, and a summary."""
    table = Table("episode", "seed", "return", "steps", title="episodes")
    for column in table.columns:
        column.justify = "right"
    for number, episode in enumerate(played):
        table.add_row(
            str(number), str(episode.seed), f"{episode.total:.2f}", str(episode.num_steps)
        )
    Console().print(table)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    policy, spec, trained_with = load_policy(args.policy)
    simulator = args.simulator or trained_with
    print(f"{args.policy}: {args.episodes} episodes of {simulator!r}, {args.num_envs} at a time")
    args.video.parent.mkdir(parents=True, exist_ok=True)
    with closing(uerl_shm.VecEnv(simulator, args.num_envs, output="torch")) as env:
        if env.spec.groups != spec.groups:
            sys.exit(f"{args.policy} was trained for other arrays than those of {simulator!r}")
        with Video(args.video, env.spec) as video:
            played = play(
                env,
                lambda observation: policy.act(observation, greedy=not args.draw),
                args.episodes,
                args.seed,
                video.watch,
            )
    show(played)
    if spec.render is not None:
        print(f"wrote {args.video}")
    totals = np.array([episode.total for episode in played])
    print(
        f"RESULT mean_return={totals.mean():.2f} min_return={totals.min():.2f} "
        f"max_return={totals.max():.2f} episodes={len(totals)}"
    )


if __name__ == "__main__":
    try:
        main()
    except uerl_shm.UerlError as error:
        sys.exit(f"evaluate.py: {error}")
