"""PPO in one file, on any `uerl_shm.VecEnv`: pictures and vectors in, every kind of action out.

    python examples/train_ppo.py                     # bundled simulators collect apples they see
    python examples/train_ppo.py --simulator "/game/MyGame.sh -nullrhi" --num-envs 16

PPO is here; policy.py has its network, episodes.py plays, pictures.py draws.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import shlex
import signal
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import episodes
import numpy as np
import pictures
import torch
from policy import MODEL, Policy, make_policy, rows_of, save_policy
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

import uerl_shm
from uerl_shm.launcher import describe


@dataclass
class Args:
    scene: str = "apples"
    """scene of the bundled uerl-sim to train on; apples and basic have settings of their own"""
    simulator: str = ""
    """command line of your own simulator, instead of a scene"""
    name: str = ""
    """segment that simulators attach to by themselves; with it, none is started"""
    spec: str = ""
    """file of their spec as JSON; without it, one of them is asked"""
    shm_mode: str = "0600"
    """who may open the segment; 0660: simulators of other users, of the same group"""
    num_envs: int = 8
    """rows of a batch, one simulator for each world"""
    seed: int = 1
    """of the policy, of the sampling and of the first episodes"""
    total_steps: int = 1_000_000
    """env steps to train for"""
    out: str = ""
    """folder of all that is written (default: runs/ and the name of the scene)"""
    resume: str = ""
    """checkpoint.pt of a run to go on with, under that run's options"""
    num_steps: int = 128
    """steps of each env in one rollout"""
    learning_rate: float = 3e-4
    """of Adam; falls to zero at the last step"""
    gamma: float = 0.99
    """discount of one step"""
    gae_lambda: float = 0.95
    """weight of long returns in the advantage"""
    num_epochs: int = 4
    """passes over each rollout"""
    minibatch_rows: int = 256
    """rows of one gradient step, about"""
    clip: float = 0.2
    """how far one rollout may move the probability of an action"""
    entropy_weight: float = 0.005
    """bonus for undecided policies"""
    value_weight: float = 0.5
    """of the value's loss beside the policy's"""
    max_gradient_norm: float = 0.5
    """longer gradients are shortened to it"""
    hidden: int = 128
    """width of the hidden layers"""
    model: str = MODEL
    """class of the network: nets:Mine of a nets.py here, nets:Mine(depth=3) with arguments"""
    threads: int = 1
    """of torch; more of them fight with simulators and neighbours when cores are few"""
    eval_episodes: int = 50
    """episodes on unseen seeds after training; 0: none, and no video"""

    @property
    def command(self) -> str:
        return self.simulator or f"uerl-sim {self.scene}"


SCENES: dict[str, dict[str, Any]] = {
    "apples": {"total_steps": 71_680, "learning_rate": 7e-4},
    "basic": {"total_steps": 8_192, "learning_rate": 5e-3, "num_steps": 32, "minibatch_rows": 64},
}
COPIES = "copied_batches", "gathered_rows", "copied_rows"  # counters that stay 0
EVAL_SEED = 1_000_000  # no world was trained from a seed this high


def parse_args(argv: list[str] | None = None) -> Args:
    """Make the command line of `Args`: the string under a field is its help."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    body = ast.parse(inspect.getsource(Args)).body[0].body  # type: ignore[attr-defined]
    texts = [ast.literal_eval(node.value) for node in body if isinstance(node, ast.Expr)]
    for field, text in zip(fields(Args), texts, strict=True):
        flag, kind = f"--{field.name.replace('_', '-')}", type(field.default)
        parser.add_argument(flag, type=kind, default=field.default, help=text)
    first, _ = parser.parse_known_args(argv)
    if first.resume:
        parser.set_defaults(**torch.load(first.resume, weights_only=True)["args"])
    elif not first.simulator:
        parser.set_defaults(**SCENES.get(first.scene, {}))
    args = Args(**vars(parser.parse_args(argv)))
    name = Path(shlex.split(args.simulator)[0]).stem if args.simulator else args.scene
    args.out = args.out or f"runs/{name}"
    return args


def advantages_of(
    reward: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    valid: Tensor,
    value: Tensor,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """Return generalised advantages, zero in rows that are not valid.

    The envs reset themselves in the step after an episode's last one (NEXT_STEP), so
    ``observation[t + 1]`` always is what step t led to, also at the end of an episode: its value is
    what a truncated episode would still have brought. The reset step is not valid, which keeps two
    episodes apart. Nothing else of an invalid row is used, whatever it holds.

    Args:
        reward, terminated, truncated, valid: Shape ``(T, rows)``, of each step.
        value: Shape ``(T + 1, rows)``, of each observation and of the one after the last step.
        gamma: Discount of one step.
        gae_lambda: Weight of longer returns.
    """
    advantage = torch.zeros_like(reward)
    later = torch.zeros_like(reward[0])
    for t in reversed(range(len(reward))):
        next_value = value[t + 1].masked_fill(terminated[t], 0.0)
        carried = later.masked_fill(terminated[t] | truncated[t], 0.0)
        later = reward[t] + gamma * next_value - value[t] + gamma * gae_lambda * carried
        advantage[t] = later = later.masked_fill(~valid[t], 0.0)
    return advantage


@dataclass
class Batch:
    """T steps of every row. The observations are the simulators' memory: nobody copied them."""

    observation: Any  # [T, rows, ...], or a dict of them
    choice: Tensor  # [T, rows, columns]
    log_prob: Tensor  # [T, rows]
    value: Tensor  # [T + 1, rows]
    reward: Tensor  # [T, rows]
    terminated: Tensor  # [T, rows]
    truncated: Tensor  # [T, rows]
    valid: Tensor  # [T, rows]: False where a step only reset its env, or has no agent


def loss_of(
    policy: Policy, batch: Batch, advantage: Tensor, pick: Any, args: Args
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return PPO's loss over the rows (step, row) that ``pick`` names, and what it consists of."""
    parameters, value = policy(rows_of(batch.observation, pick))
    chances = policy.distributions(parameters)
    log_ratio = policy.log_prob(chances, batch.choice[pick]) - batch.log_prob[pick]
    ratio = log_ratio.exp()
    gain = advantage[pick]
    target = gain + batch.value[:-1][pick]
    gain = (gain - gain.mean()) / (gain.std(correction=0) + 1e-8)
    clipped = ratio.clamp(1 - args.clip, 1 + args.clip)
    policy_loss = -torch.min(ratio * gain, clipped * gain).mean()
    value_loss = 0.5 * (value - target).square().mean()
    entropy = policy.entropy(chances).mean()
    loss = policy_loss + args.value_weight * value_loss - args.entropy_weight * entropy
    parts = {"policy": policy_loss, "value": value_loss, "entropy": entropy}
    parts["divergence"] = (ratio - 1 - log_ratio).mean()
    return loss, {name: part.detach() for name, part in parts.items()}


def learn(policy: Policy, optimizer: Any, batch: Batch, args: Args) -> dict[str, float]:
    """Take the gradient steps of one rollout; return the mean of each part of the loss."""
    flags = batch.terminated, batch.truncated, batch.valid
    advantage = advantages_of(batch.reward, *flags, batch.value, args.gamma, args.gae_lambda)
    steps, rows = batch.valid.nonzero(as_tuple=True)
    if len(steps) == 0:
        return {}
    seen = []
    for _ in range(args.num_epochs):
        num_minibatches = max(1, round(len(steps) / args.minibatch_rows))
        for order in torch.randperm(len(steps)).chunk(num_minibatches):
            pick = steps[order], rows[order]
            loss, parts = loss_of(policy, batch, advantage, pick, args)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), args.max_gradient_norm)
            optimizer.step()
            seen.append(parts)
    policy.see(rows_of(batch.observation, (steps, rows)))
    return {name: torch.stack([parts[name] for parts in seen]).mean().item() for name in seen[0]}


class Run:
    """Everything of one training: envs, policy, optimizer, and what was seen on the way."""

    def __init__(self, args: Args, env: uerl_shm.VecEnv) -> None:
        self.args, self.env = args, env
        groups = env.spec.groups
        if len(groups) != 1:
            sys.exit(f"the simulator has {len(groups)} groups, expected 1: train them one by one")
        self.policy = make_policy(groups[0], args.hidden, args.model)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), args.learning_rate, eps=1e-5)
        self.env_steps, self.seconds, self.begin = 0, 0.0, time.time()
        self.history: list[tuple[int, float]] = []  # env steps and return of each episode's end
        self.running = torch.zeros(env.num_envs)  # return so far of each row's episode
        self.spent = dict.fromkeys(("policy", "step", "learning"), 0.0)  # seconds
        self.out, self.log = Path(args.out), SummaryWriter(args.out)
        if args.resume:
            self.load(Path(args.resume))

    def train(self) -> None:
        """Train until ``total_steps`` are done."""
        args, begin, saved = self.args, time.perf_counter() - self.seconds, 0.0
        self.observation, self.info = self.env.reset(seed=args.seed + self.env_steps)
        with closing(pictures.Progress(args.total_steps, self.env_steps)) as progress:
            while self.env_steps < args.total_steps:
                share_left = 1 - self.env_steps / args.total_steps
                self.optimizer.param_groups[0]["lr"] = args.learning_rate * share_left
                losses = self.iterate()
                self.seconds = time.perf_counter() - begin
                progress.update(self.env_steps, self.report(losses))
                if time.perf_counter() - saved > 60.0:
                    self.save()
                    saved = time.perf_counter()

    def iterate(self) -> dict[str, float]:
        """Learn from one rollout. On return its memory is free: no name refers to it any more."""
        batch, start = self.collect(), time.perf_counter()
        losses = learn(self.policy, self.optimizer, batch, self.args)
        self.spent["learning"] += time.perf_counter() - start
        self.count_episodes(batch)
        self.env_steps += batch.reward.numel()
        return losses

    @torch.no_grad()
    def collect(self) -> Batch:
        """Step every env ``num_steps`` times; the observations stay where simulators wrote them."""
        env, policy, num_steps = self.env, self.policy, self.args.num_steps
        kept: list[tuple[Tensor, ...]] = []
        everybody = torch.ones(env.num_envs, dtype=torch.bool)
        with env.rollout(num_steps) as rollout:
            for _ in range(num_steps):
                start = time.perf_counter()
                parameters, value = policy(self.observation)
                choice = policy.draw(policy.distributions(parameters))
                present = self.info.get("mask", everybody)
                kept.append((parameters, choice, value, present))
                action, middle = policy.action(choice), time.perf_counter()
                self.observation, _, _, _, self.info = env.step(action)
                self.spent["policy"] += middle - start
                self.spent["step"] += time.perf_counter() - middle
        parameters, choice, value, present = map(torch.stack, zip(*kept, strict=True))
        value = torch.cat([value, policy(self.observation)[1].unsqueeze(0)])
        chances = policy.distributions(parameters.flatten(0, 1))
        log_prob = policy.log_prob(chances, choice.flatten(0, 1)).reshape(present.shape)
        flags = rollout.terminated, rollout.truncated, rollout.valid & present
        return Batch(rollout.observation, choice, log_prob, value, rollout.reward, *flags)

    def count_episodes(self, batch: Batch) -> None:
        """Add the rewards of each row; note the return of each episode that ended."""
        ended = batch.terminated | batch.truncated
        for t in range(len(batch.reward)):
            self.running += batch.reward[t].masked_fill(~batch.valid[t], 0.0)
            for total in self.running[ended[t] & batch.valid[t]].tolist():
                self.history.append((self.env_steps + (t + 1) * self.env.num_envs, total))
            self.running.masked_fill_(ended[t], 0.0)

    def report(self, losses: dict[str, float]) -> str:
        """Log this rollout for TensorBoard; return a short text."""
        stats, spent = self.env.stats(), sum(self.spent.values())
        speed = self.env_steps / self.seconds
        scalars = {f"loss/{name}": value for name, value in losses.items()}
        scalars |= {f"time/{name}_share": value / spent for name, value in self.spent.items()}
        scalars |= {f"transport/{name}": stats[name] for name in ("wait_s", *COPIES)}
        scalars["time/env_steps_per_second"] = speed
        recent = [total for _, total in self.history[-4 * self.env.num_envs :]]
        if recent:
            scalars["episode/return"] = float(np.mean(recent))
        for name, value in scalars.items():
            self.log.add_scalar(name, value, self.env_steps)
        return (f"return {np.mean(recent):.2f}  " if recent else "") + f"{speed:,.0f} steps/s"

    def save(self) -> None:
        """Write checkpoint.pt, to go on from, and policy.pt, which is small and enough to play."""
        checkpoint = {
            "args": asdict(self.args),
            "spec": self.env.spec.to_json(),
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "env_steps": self.env_steps,
            "seconds": self.seconds,
            "history": self.history,
        }
        torch.save(checkpoint, self.out / "checkpoint.new")
        os.replace(self.out / "checkpoint.new", self.out / "checkpoint.pt")
        about = self.args.hidden, self.env.spec, self.args.command, self.args.model
        save_policy(self.out / "policy.pt", self.policy, *about)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        checkpoint = torch.load(path, weights_only=True)
        if checkpoint["spec"] != self.env.spec.to_json():
            sys.exit(f"{path} was trained with another spec than this simulator's: start a new run")
        self.policy.load_state_dict(checkpoint["policy"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.env_steps, self.seconds = checkpoint["env_steps"], checkpoint["seconds"]
        self.history = checkpoint["history"]

    def close(self, result: dict[str, float]) -> None:
        """Write what there is, the learning curve with the returns that a policy has to beat."""
        self.log.close()
        self.save()
        size = f"{self.env_steps:,} env steps of {self.env.num_envs} envs"
        title = f"PPO on {self.out.name}: {size} in {self.seconds:,.0f} s"
        history, curve = np.array(self.history).reshape(-1, 2), self.out / "learning_curve.png"
        pictures.draw_learning_curve(curve, title, history, result)
        for path in sorted(self.out.iterdir()):
            if path.stat().st_mtime >= self.begin:
                print(f"wrote {path}")

    def describe(self) -> str:
        """Return where the time went, and how often the transport had to copy."""
        stats, spent = self.env.stats(), max(sum(self.spent.values()), 1e-9)
        shares = ", ".join(f"{name} {value / spent:.0%}" for name, value in self.spent.items())
        copies = " ".join(f"{name}={stats[name]}" for name in COPIES)
        waiting = f"waiting for simulators {stats['wait_s'] / spent:.0%}"
        return f"time: {shares} ({waiting})\ntransport: {copies}"


def evaluate(run: Run) -> dict[str, float]:
    """Play episodes on unseen seeds, the first of each env into video.mp4; return the RESULT."""
    args, env, act = run.args, run.env, run.policy.act
    scene = "" if args.simulator else args.scene
    steps = "agent_steps" if scene == "basic" else "env_steps"
    done = {steps: run.env_steps, "seconds": run.seconds}
    if args.eval_episodes < 1:
        return done
    num_episodes = env.num_envs if scene == "apples" else args.eval_episodes
    with pictures.Video(run.out / "video.mp4", env.spec) as video:
        played = episodes.play(env, act, num_episodes, EVAL_SEED, video.watch)
    totals = [episode.total for episode in played]
    if scene == "apples":
        return episodes.compare(args.command, run.policy, args.eval_episodes, EVAL_SEED) | done
    if scene == "basic":
        return {"mean_return": float(np.mean(totals)), **done, "eval_min": min(totals)}
    at_random = episodes.at_random(env, EVAL_SEED)
    random = episodes.mean_return(env, at_random, args.eval_episodes, EVAL_SEED)
    return {"mean_return": float(np.mean(totals)), "random_return": random, **done}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    started, spec = (None, args.spec or describe(args.command)) if args.name else (args.command, "")
    about = {"spec": spec or None, "name": args.name or None, "slots": 2 * args.num_steps + 2}
    about["shm_mode"] = int(args.shm_mode, 8)
    result: dict[str, float] = {}
    with closing(uerl_shm.VecEnv(started, args.num_envs, output="torch", **about)) as env:
        run = Run(args, env)
        try:
            print(f"training on {args.command!r}, writing to {run.out}", flush=True)
            run.train()
            print(run.describe())
            result = evaluate(run)
        except KeyboardInterrupt:
            print(f"interrupted: go on with --resume {run.out / 'checkpoint.pt'}")
            return 130
        finally:
            run.close(result)
    missed = [] if args.simulator else episodes.shortfalls(args.scene, result)
    sys.stderr.writelines(f"{text}\n" for text in missed)
    numbers = [f"{n}={v:.2f}" if isinstance(v, float) else f"{n}={v}" for n, v in result.items()]
    print("RESULT", *numbers, flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a Pod's end: one more checkpoint
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # `uerl-shm train` blocks it
        sys.exit(main())
    except (KeyboardInterrupt, uerl_shm.UerlError) as error:  # the former: before training
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else f"train_ppo.py: {error}")
