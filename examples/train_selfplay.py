"""PPO by self-play: against itself, and against a pool of its past, each with an Elo rating.

    python examples/train_selfplay.py     # the two players of the bundled scene `tennis`

In half of the worlds the policy plays both sides and learns from both. In the others it plays one
side, and a member of the pool the other: a policy that only meets itself forgets how to beat what
it beat before.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import episodes
import numpy as np
import pictures
import torch
import train_ppo
from policy import Policy, save_policy

import uerl_shm

COMMAND = "uerl-sim tennis"
NUM_SIMULATORS, NUM_WORLDS = 2, 64  # two processes with many worlds: the most steps per second
NUM_SEATS = 4  # members of the pool that play at one time
SEATED = 4  # rollouts that they stay: longer than any game
FIRST_RATING, RATING_STEP = 1200.0, 4.0  # Elo's; what one game can move a rating
MEMBER_GAIN = 30.0  # who is rated so much higher than the last member joins the pool
NUM_GAMES, EVAL_SEED = 200, 1_000_000  # of a match; no world was trained from a seed this high
PREDECESSOR = 10  # the final policy has to beat the member that joined as the tenth last
SETTINGS = train_ppo.Args(
    num_steps=128, learning_rate=5e-4, minibatch_rows=2048, hidden=64, entropy_weight=0.0
)


class Member(NamedTuple):
    policy: Policy
    env_steps: int  # that it had learned from


class Seat(NamedTuple):
    """Who of the pool plays in which rows."""

    number: int  # of the member
    rows: torch.Tensor


class Pool:
    """Past policies and the ratings of all. The last rating is the learning policy's own."""

    def __init__(self, policy: Policy) -> None:
        self.members = [Member(copy.deepcopy(policy), 0)]
        self.ratings = [FIRST_RATING, FIRST_RATING]
        self.joined_at = FIRST_RATING  # rating of the last member when it joined

    def add(self, policy: Policy, env_steps: int) -> None:
        """Keep the learning policy as it is now; it begins with the rating that it has."""
        self.joined_at = self.ratings[-1]
        self.members.append(Member(copy.deepcopy(policy), env_steps))
        self.ratings.append(self.ratings[-1])

    def rate(self, number: int, score: float) -> None:
        """Move two ratings after a game of the learning policy: 1 won, 0.5 drawn, 0 lost."""
        expected = 1.0 / (1.0 + 10.0 ** ((self.ratings[number] - self.ratings[-1]) / 400.0))
        self.ratings[-1] += RATING_STEP * (score - expected)
        self.ratings[number] -= RATING_STEP * (score - expected)

    def table(self) -> str:
        """Return a line for each member and one for the policy that learns, the best first."""
        names = [f"after {member.env_steps:>9,} env steps" for member in self.members]
        pairs = sorted(zip(self.ratings, [*names, "final policy"], strict=True), reverse=True)
        return "\n".join(f"  {rating:6.0f}  {name}" for rating, name in pairs)


class Run:
    """Everything of one training: envs, policy, optimizer, and the pool."""

    def __init__(self, args: argparse.Namespace, env: uerl_shm.VecEnv) -> None:
        self.args, self.env, self.out = args, env, Path(args.out)
        self.policy = Policy(env.spec.groups[0], SETTINGS.hidden)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), eps=1e-5)
        self.pool = Pool(self.policy)
        self.env_steps, self.results = 0, np.zeros(3, int)  # won, drawn, lost against the pool
        self.seats: list[Seat] = []
        self.num_rollouts = 0
        self.random = np.random.default_rng(args.seed)
        self.out.mkdir(parents=True, exist_ok=True)
        if args.resume:
            self.load(Path(args.resume))

    def train(self) -> None:
        """Train until all steps are done."""
        total = self.args.total_steps
        progress = pictures.Progress(total, self.env_steps)
        self.observation, _ = self.env.reset(seed=self.args.seed + self.env_steps)
        try:
            while self.env_steps < total:
                share_left = 1 - self.env_steps / total
                self.optimizer.param_groups[0]["lr"] = SETTINGS.learning_rate * share_left
                if self.num_rollouts % SEATED == 0:
                    self.take_seats()
                self.iterate()
                if self.pool.ratings[-1] >= self.pool.joined_at + MEMBER_GAIN:
                    self.pool.add(self.policy, self.env_steps)
                    self.save()
                won, drawn, lost = self.results
                progress.update(
                    self.env_steps,
                    f"Elo {self.pool.ratings[-1]:.0f}  won {won} drawn {drawn} lost {lost}",
                )
        finally:
            progress.close()

    def take_seats(self) -> None:
        """Draw who of the pool plays, and begin new games in the worlds where it does."""
        worlds = np.arange(1, self.env.num_worlds, 2)
        sides = worlds // 2 % 2  # the pool's side alternates from one such world to the next
        rows = torch.as_tensor(2 * worlds + sides)
        numbers = self.random.integers(len(self.pool.members), size=NUM_SEATS)
        self.seats = [Seat(*seat) for seat in zip(numbers, rows.chunk(NUM_SEATS), strict=True)]
        new_game = np.repeat(np.arange(self.env.num_worlds) % 2 == 1, 2)
        self.observation, _ = self.env.reset(options={"reset_mask": new_game})

    def iterate(self) -> None:
        """Learn from one rollout. On return its memory is free: no name refers to it any more."""
        batch = self.collect()
        for seat in self.seats:
            self.rate(batch, seat)
            batch.valid[:, seat.rows] = False  # somebody else's actions
        train_ppo.learn(self.policy, self.optimizer, batch, SETTINGS)
        self.env_steps += batch.reward.numel()
        self.num_rollouts += 1

    @torch.no_grad()
    def collect(self) -> train_ppo.Batch:
        """Step every world ``num_steps`` times; the observations stay where they were written."""
        env, policy = self.env, self.policy
        kept = []
        with env.rollout(SETTINGS.num_steps) as rollout:
            for _ in range(SETTINGS.num_steps):
                parameters, value = policy(self.observation)
                chances = policy.distributions(parameters)
                choice = policy.draw(chances)
                kept.append((choice, policy.log_prob(chances, choice), value))
                action = policy.action(choice)
                for seat in self.seats:
                    member = self.pool.members[seat.number].policy
                    action[seat.rows] = member.act(self.observation[seat.rows], greedy=False)
                self.observation = env.step(action)[0]
        choice, log_prob, value = map(torch.stack, zip(*kept, strict=True))
        value = torch.cat([value, policy(self.observation)[1].unsqueeze(0)])
        flags = rollout.terminated, rollout.truncated, rollout.valid
        return train_ppo.Batch(rollout.observation, choice, log_prob, value, rollout.reward, *flags)

    def rate(self, batch: train_ppo.Batch, seat: Seat) -> None:
        """Rate the games of this rollout that ended against a member of the pool."""
        ended = ((batch.terminated | batch.truncated) & batch.valid)[:, seat.rows]
        for gain in batch.reward[:, seat.rows][ended].tolist():  # of the member
            self.results += [gain < 0, gain == 0, gain > 0]
            self.pool.rate(seat.number, (1 - gain) / 2)

    def save(self) -> None:
        """Write checkpoint.pt, to go on from, and policy.pt, which is small and enough to play."""
        checkpoint = {
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "members": [(one.policy.state_dict(), one.env_steps) for one in self.pool.members],
            "ratings": self.pool.ratings,
            "joined_at": self.pool.joined_at,
            "env_steps": self.env_steps,
        }
        torch.save(checkpoint, self.out / "checkpoint.new")
        os.replace(self.out / "checkpoint.new", self.out / "checkpoint.pt")
        save_policy(self.out / "policy.pt", self.policy, SETTINGS.hidden, self.env.spec, COMMAND)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        checkpoint = torch.load(path, weights_only=True)
        self.policy.load_state_dict(checkpoint["policy"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.pool.members = []
        for weights, env_steps in checkpoint["members"]:
            member = copy.deepcopy(self.policy)
            member.load_state_dict(weights)
            self.pool.members.append(Member(member, env_steps))
        self.pool.ratings, self.pool.joined_at = checkpoint["ratings"], checkpoint["joined_at"]
        self.env_steps = checkpoint["env_steps"]


def share_won(
    env: uerl_shm.VecEnv, act: episodes.Act, rival: episodes.Act, num_games: int, seed: int
) -> float:
    """Return the share of games that ``act`` wins, sides changing from game to game.

    A drawn game counts as one that was not won.
    """
    row = torch.arange(env.num_envs)
    own = row % 2 == row // 2 % 2

    def both(observation: Any) -> torch.Tensor:
        ours, theirs = torch.as_tensor(act(observation)), torch.as_tensor(rival(observation))
        return torch.where(own.unsqueeze(1), ours, theirs)

    played = episodes.play(env, both, 2 * num_games, seed)
    totals = [episode.total for i, episode in enumerate(played) if own[i % len(own)]]
    return float(np.mean([total > 0 for total in totals]))


def evaluate(run: Run) -> dict[str, float]:
    """Let the final policy play the two matches that it has to win, as it was trained to play."""
    env, pool = run.env, run.pool
    member = pool.members[max(len(pool.members) - PREDECESSOR, 0)]
    players = {"random": episodes.at_random(env, EVAL_SEED), "predecessor": drawing(member.policy)}
    result: dict[str, float] = {
        f"beats_{name}": share_won(env, drawing(run.policy), player, NUM_GAMES, EVAL_SEED)
        for name, player in players.items()
    }
    return result | {"predecessor_steps": member.env_steps, "members": len(pool.members)}


def drawing(policy: Policy) -> episodes.Act:
    """Draw actions, as in training: who always plays the likeliest one is easily seen through."""
    return lambda observation: policy.act(observation, greedy=False)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    add = parser.add_argument
    add("--total-steps", type=int, default=2_000_000, help="rows to train for, two for each world")
    add("--seed", type=int, default=1, help="of policies, of sampling, of the first games")
    add("--out", default="runs/tennis", help="folder of all that is written")
    add("--resume", default="", help="checkpoint.pt of a run to go on with")
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
    with closing(uerl_shm.VecEnv(COMMAND, 2 * NUM_WORLDS, **layout)) as env:
        run, begin = Run(args, env), time.perf_counter()
        try:
            run.train()
        except KeyboardInterrupt:
            print(f"interrupted: go on with --resume {run.out / 'checkpoint.pt'}")
            return 130
        finally:
            run.save()
        seconds = time.perf_counter() - begin
        print(f"Elo ratings:\n{run.pool.table()}")
        result = evaluate(run) | {"env_steps": run.env_steps, "seconds": seconds}
    least = {"beats_random": 0.9, "beats_predecessor": 0.6, "members": PREDECESSOR}
    missed = [name for name, floor in least.items() if result[name] < floor]
    for name in missed:
        print(f"{name} {result[name]:.3g}, expected at least {least[name]}", file=sys.stderr)
    numbers = [f"{n}={v:.3f}" if isinstance(v, float) else f"{n}={v}" for n, v in result.items()]
    print("RESULT", *numbers, flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except uerl_shm.UerlError as error:
        sys.exit(f"train_selfplay.py: {error}")
