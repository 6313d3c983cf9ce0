"""Behaviour cloning: record an expert to a Minari data set, learn from it, compare the returns.

    python examples/behavior_cloning.py    # the expert is the checkpoint that ships
    python examples/behavior_cloning.py --expert runs/MyGame/policy.pt --simulator "/game/MyGame.sh"
    python examples/behavior_cloning.py --data-set runs/player-v0 --simulator "/game/MyGame.sh"

With --data-set nobody is recorded: it learns what stands there, such as demonstrations of a person
(docs/howto/demonstrations.md), and is compared with the returns of those episodes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import minari
import numpy as np
import torch
from episodes import Episode, at_random, play, wide_env
from policy import Policy, load_policy, rows_of, save_policy
from torch import Tensor
from tqdm import tqdm

import uerl_shm

SHIPPED = Path(__file__).parent / "checkpoints" / "apples.pt"
LEAST_SHARE = 0.7  # of the expert's return
FRESH_SEED = 3_000_000  # of the episodes on which both are compared: nobody has seen them
MAX_GRADIENT = 1.0


class Steps(NamedTuple):
    """What a data set has, episode after episode: observations and the actions that followed."""

    observation: Any
    action: Any
    returns: list[float]
    spaces: tuple[Any, Any]

    @property
    def count(self) -> int:
        first = next(iter(self.action.values())) if isinstance(self.action, dict) else self.action
        return len(first)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--expert", type=Path, default=SHIPPED, help="policy.pt of a run")
    parser.add_argument("--simulator", help="command line (default: the one of the expert)")
    parser.add_argument("--data-set", type=Path, help="learn from this one, record nobody")
    parser.add_argument("--episodes", type=int, default=32, help="of the expert, to be recorded")
    parser.add_argument("--epochs", type=int, default=6, help="how often each step is learnt from")
    parser.add_argument("--batch", type=int, default=256, help="steps of one update")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--hidden", type=int, default=128, help="width of the clone's hidden layer")
    parser.add_argument("--eval-episodes", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/behavior_cloning"))
    return parser.parse_args(argv)


# Recording ----------------------------------------------------------------------------------------


def record_expert(args: argparse.Namespace, simulator: str, expert: Policy) -> Path:
    """Let the expert play, and record it; return the data set's folder."""
    path = args.out / "expert-v0"
    shutil.rmtree(path, ignore_errors=True)
    with closing(wide_env(simulator, args.episodes)) as env, uerl_shm.record(env, path) as recorded:
        print(f"recording {args.episodes} episodes of the expert to {path}")
        watched(recorded, expert, args.episodes, args.seed)
    return path


def watched(env: Any, policy: Policy, num_episodes: int, seed: int) -> list[Episode]:
    """Play episodes behind a progress bar."""
    with tqdm(unit="step", mininterval=1.0) as bar:
        return play(env, policy.act, num_episodes, seed, lambda *_: bar.update(env.num_envs))


def load_steps(path: Path) -> Steps:
    """Read a data set with Minari."""
    data = minari.MinariDataset(path / "data")
    episodes = list(data.iterate_episodes())

    def joined(parts: list[Any]) -> Any:
        if isinstance(parts[0], dict):
            return {name: joined([part[name] for part in parts]) for name in parts[0]}
        return torch.as_tensor(np.concatenate(parts))

    # An episode has one observation more than actions: the one that nobody acted on.
    return Steps(
        joined([rows_of(episode.observations, slice(None, -1)) for episode in episodes]),
        joined([episode.actions for episode in episodes]),
        [float(episode.rewards.sum()) for episode in episodes],
        (data.observation_space, data.action_space),
    )


# Learning -----------------------------------------------------------------------------------------


def choice_of(policy: Policy, action: Any) -> Tensor:
    """Return the choices that `Policy.action` would have turned into these actions."""
    arrays = [action[name] for name in policy.acted] if isinstance(action, dict) else [action]
    columns = []
    for hand, array in zip(policy.hands, arrays, strict=True):
        flat = array.reshape(len(array), -1).double()
        if hand.counts is not None:
            flat = flat - hand.low
        elif hand.bounded:
            flat = (array.double() - hand.low) / hand.half - 1.0
            flat = flat.reshape(len(array), -1)
        columns.append(flat.float())
    return torch.cat(columns, 1)


def learn(args: argparse.Namespace, policy: Policy, steps: Steps) -> float:
    """Make the recorded actions likely; return the loss of the last epoch."""
    choice = choice_of(policy, steps.action)
    policy.see(rows_of(steps.observation, slice(None)))
    optimizer = torch.optim.Adam(policy.parameters(), args.learning_rate)
    num_updates = args.epochs * -(-steps.count // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.learning_rate, num_updates)
    losses: list[float] = []
    with tqdm(total=args.epochs * steps.count, unit="step", unit_scale=True) as bar:
        for _ in range(args.epochs):
            losses.clear()
            for index in torch.randperm(steps.count).split(args.batch):
                parameters, _ = policy(rows_of(steps.observation, index))
                made = policy.distributions(parameters)
                loss = -policy.log_prob(made, choice[index]).mean()
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(policy.parameters(), MAX_GRADIENT)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
                bar.update(len(index))
            bar.set_postfix(loss=f"{np.mean(losses):.3f}")
    return float(np.mean(losses))


# The whole ----------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    torch.manual_seed(args.seed)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    expert, _, trained_with = load_policy(args.expert)
    simulator = args.simulator or trained_with
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.data_set or record_expert(args, simulator, expert)
    steps = load_steps(path)
    print(f"learning from {len(steps.returns)} episodes, {steps.count:,} steps")
    with closing(wide_env(simulator, args.eval_episodes)) as env:
        if steps.spaces != (env.single_observation_space, env.single_action_space):
            sys.exit(
                f"{path} has other arrays than {simulator!r}, expected the same: {steps.spaces}"
            )
        clone = Policy(env.spec.groups[0], args.hidden)
        loss = learn(args, clone, steps)
        save_policy(args.out / "policy.pt", clone, args.hidden, env.spec, simulator)
        print("playing the clone, the expert and at random")
        cloned = watched(env, clone, args.eval_episodes, FRESH_SEED)
        if args.data_set is None:
            shown = watched(env, expert, args.eval_episodes, FRESH_SEED)
            expert_return = float(np.mean([episode.total for episode in shown]))
        else:
            expert_return = float(np.mean(steps.returns))
        drawn = play(env, at_random(env, args.seed), args.eval_episodes, FRESH_SEED)
    clone_return = float(np.mean([episode.total for episode in cloned]))
    random_return = float(np.mean([episode.total for episode in drawn]))
    share = clone_return / expert_return if expert_return > 0 else float("nan")
    print(
        f"RESULT clone_return={clone_return:.2f} expert_return={expert_return:.2f} "
        f"share={share:.2f} least={LEAST_SHARE} random_return={random_return:.2f} "
        f"episodes={len(steps.returns)} steps={steps.count} loss={loss:.3f}"
    )
    if not share >= LEAST_SHARE:
        sys.exit(f"the clone has {share:.2f} of the expert's return, expected {LEAST_SHARE}")


if __name__ == "__main__":
    try:
        main()
    except uerl_shm.UerlError as error:
        sys.exit(f"behavior_cloning.py: {error}")
