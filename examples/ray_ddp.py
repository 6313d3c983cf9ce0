"""PPO with DDP on Ray: one rank in each Pod steps its own simulators, and only gradients travel.

    python examples/ray_ddp.py --local-nodes 2    # nodes simulated on this machine
    python examples/ray_ddp.py --num-pods 8 --out s3://bucket/runs   # in a cluster of Ray

train_ppo.py has PPO, policy.py the network. Here is what many ranks add: equally many gradient
steps on each, checkpoints that Ray keeps, and a hash that shows that all parameters are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
import ray.train.torch
import ray_cluster
import torch
import train_ppo
from policy import make_policy, rows_of
from torch import distributed, nn

import uerl_shm.ray


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--local-nodes", type=int, default=0, help="nodes to simulate here (0: join a cluster)")
    add("--num-pods", type=int, default=2, help="ranks, one in each Pod")
    add("--num-envs", type=int, default=8, help="of each rank: one simulator each")
    add("--num-steps", type=int, default=128, help="of each env in one rollout")
    add("--iterations", type=int, default=35, help="rollouts to learn from")
    add("--cpus", type=float, default=1.0, help="that a rank asks of Ray")
    add("--simulator", default="uerl-sim apples", help="command line of one simulator")
    add("--spec", default="", help="JSON file: sidecars attach to UERL_SHM_NAME of their Pod")
    add("--shm-mode", default="0600", help="0660: sidecars of other users, of the same group")
    add("--out", default="runs/ray", help="folder or bucket that every Pod sees, for checkpoints")
    add("--name", default=f"ddp-{int(time.time())}", help="of the run; an old one is gone on with")
    add("--log", default="runs/ray/iterations.jsonl", help="file here, a line each iteration")
    add("--max-failures", type=int, default=3, help="lost ranks and Pods that are replaced")
    add("--seed", type=int, default=1, help="of the policy, of the sampling and of the worlds")
    return parser.parse_args(argv)


class Shared:
    """A policy that is called through DDP: whoever calls it takes part in averaging gradients."""

    def __init__(self, policy: nn.Module) -> None:
        self.policy, self.ddp = policy, ray.train.torch.prepare_model(policy)

    def __call__(self, observation: Any) -> Any:
        return self.ddp(observation)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)


def picks(valid: torch.Tensor, num_minibatches: int) -> Iterator[tuple[Any, float]]:
    """Yield the rows (step, row) of each minibatch, and its weight.

    There are equally many on every rank, however many rows are valid there: ranks wait for each
    other in each gradient step. One without valid rows has weight 0.
    """
    steps, rows = valid.nonzero(as_tuple=True)
    for order in torch.randperm(len(steps)).tensor_split(num_minibatches):
        if len(order):
            yield (steps[order], rows[order]), 1.0
        else:
            first = torch.zeros(1, dtype=torch.int64)
            yield (first, first), 0.0


class Rank(train_ppo.Run):
    """A `train_ppo.Run` that shares its policy with other Pods; files and logs are Ray's."""

    def __init__(self, args: train_ppo.Args, env: Any) -> None:
        self.args, self.env = args, env
        self.policy = make_policy(env.spec.groups[0], args.hidden, args.model)
        self.shared = Shared(self.policy)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), args.learning_rate, eps=1e-5)
        self.env_steps, self.iteration = 0, 0
        self.history: list[tuple[int, float]] = []
        self.running = torch.zeros(env.num_envs)
        self.spent = dict.fromkeys(("policy", "step"), 0.0)
        self.clock = time.perf_counter()

    def iterate(self) -> dict[str, Any]:
        """Learn from one rollout; return what is reported."""
        batch = self.collect()
        self.learn(batch)
        self.count_episodes(batch)
        self.env_steps += batch.reward.numel()
        self.iteration += 1
        recent = [total for _, total in self.history[-4 * self.env.num_envs :]]
        before, self.clock = self.clock, time.perf_counter()
        return {
            "iteration": self.iteration,
            "env_steps": batch.reward.numel(),
            "seconds": self.clock - before,  # the report of the last iteration among it
            "return": float(np.mean(recent)) if recent else None,
            "hash": policy_hash(self.policy),
            "lost_simulators": self.env.stats()["lost"],
            "node": ray.get_runtime_context().get_node_id(),
            "pid": os.getpid(),
        }

    def learn(self, batch: train_ppo.Batch) -> None:
        """Take the gradient steps of one rollout, together with all other ranks."""
        args = self.args
        flags = batch.terminated, batch.truncated, batch.valid
        gain = train_ppo.advantages_of(
            batch.reward, *flags, batch.value, args.gamma, args.gae_lambda
        )
        num_minibatches = max(1, round(batch.reward.numel() / args.minibatch_rows))
        for _ in range(args.num_epochs):
            for pick, weight in picks(batch.valid, num_minibatches):
                loss, _ = train_ppo.loss_of(self.shared, batch, gain, pick, args)
                self.optimizer.zero_grad()
                (weight * loss).backward()
                nn.utils.clip_grad_norm_(self.policy.parameters(), args.max_gradient_norm)
                self.optimizer.step()
        self.policy.see(rows_of(batch.observation, batch.valid.nonzero(as_tuple=True)))
        agree(self.policy)

    def keep(self, folder: Path) -> None:
        """Write what a run goes on from."""
        parts = {"policy": self.policy.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(parts | {"iteration": self.iteration}, folder / "rank.pt")

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint."""
        parts = torch.load(folder / "rank.pt", weights_only=True)
        self.policy.load_state_dict(parts["policy"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.iteration = parts["iteration"]


def agree(policy: nn.Module) -> None:
    """Average what each rank saw of its own observations: their means and spreads.

    Gradients do not carry it, and ranks that scale observations in different ways have different
    policies.
    """
    for buffer in policy.buffers():
        if buffer.is_floating_point():
            distributed.all_reduce(buffer)
            buffer /= distributed.get_world_size()


def policy_hash(policy: nn.Module) -> str:
    """Return 12 digits that differ when a single bit of what the policy computes with does."""
    digest = hashlib.sha256()
    for value in policy.state_dict().values():
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def train_loop(config: dict[str, Any]) -> None:
    """Train on this Pod's simulators; Ray calls this once in each Pod, and anew after a loss."""
    args = train_ppo.Args(**config["ppo"])
    rank = ray.train.get_context().get_world_rank()
    torch.manual_seed(args.seed)  # all ranks begin with one policy
    torch.set_num_threads(args.threads)
    slots = 2 * args.num_steps + 2
    with closing(
        uerl_shm.ray.make_env(num_envs=args.num_envs, output="torch", slots=slots, **config["env"])
    ) as env:
        run = Rank(args, env)
        with uerl_shm.ray.checkpoint() as folder:
            if folder:
                run.restore(folder)
        # Ranks draw different actions in different worlds, and others after a restart.
        seed = args.seed + 10_000 * (1 + rank) + 1_000_000 * run.iteration
        torch.manual_seed(seed)
        run.observation, run.info = env.reset(seed=seed)
        run.clock = time.perf_counter()
        while run.iteration < config["iterations"]:
            share_left = 1 - run.iteration / config["iterations"]
            run.optimizer.param_groups[0]["lr"] = args.learning_rate * share_left
            uerl_shm.ray.report(run.iterate(), run.keep)


class Log(ray.train.UserCallback):
    """Writes what all ranks report as JSON lines; runs beside the driver, in Ray's controller."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def write(self, line: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], **_: Any) -> None:
        self.write({"ranks": metrics})

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        self.write({"lost": list(worker_exceptions)})


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the lines that a `Log` has written so far; one that is being written is left out."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


@contextmanager
def shown(path: Path) -> Iterator[None]:
    """Print the lines of a `Log` as they come."""
    over, num_shown = threading.Event(), 0

    def show() -> None:
        nonlocal num_shown
        lines = read_log(path)
        for line in lines[num_shown:]:
            print(*texts_of(line), sep="\n", flush=True)
        num_shown = len(lines)

    def follow() -> None:
        while not over.wait(0.2):
            show()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        show()


def texts_of(line: dict[str, Any]) -> list[str]:
    """Return what a person reads of a line."""
    if "lost" in line:
        return [f"lost: rank {', '.join(map(str, line['lost']))}; Ray calls the loop anew"]
    texts = []
    for rank, told in enumerate(line["ranks"]):
        score = "-" if told["return"] is None else f"{told['return']:.2f}"
        texts.append(
            f"iteration {told['iteration']} rank {rank} parameters {told['hash']} "
            f"return {score} {told['env_steps'] / told['seconds']:,.0f} steps/s"
        )
    return texts


def result_of(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the RESULT: how far it came, whether ranks agreed, how fast all were together."""
    told = [line["ranks"] for line in lines if "ranks" in line]
    steps = sum(rank["env_steps"] for ranks in told for rank in ranks)
    seconds = sum(max(rank["seconds"] for rank in ranks) for ranks in told)
    returns = [rank["return"] for rank in told[-1] if rank["return"] is not None]
    lost = {rank["pid"]: rank["lost_simulators"] for ranks in told for rank in ranks}
    return {
        "iterations": told[-1][0]["iteration"],
        "ranks": len(told[-1]),
        "nodes": len({rank["node"] for rank in told[-1]}),
        "unequal_hashes": sum(len({rank["hash"] for rank in ranks}) > 1 for ranks in told),
        "steps_per_s": round(steps / seconds),
        "mean_return": float(np.mean(returns)) if returns else float("nan"),
        "lost_ranks": sum("lost" in line for line in lines),
        "lost_simulators": sum(lost.values()),
    }


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train in the cluster that this process is connected to; return the RESULT."""
    log = Log(Path(args.log))
    log.path.parent.mkdir(parents=True, exist_ok=True)
    log.path.unlink(missing_ok=True)
    ppo = {
        "num_envs": args.num_envs,
        "num_steps": args.num_steps,
        "seed": args.seed,
        "learning_rate": 7e-4,
    }
    env: dict[str, Any] = {"simulator": args.simulator, "shm_mode": int(args.shm_mode, 8)}
    if args.spec:
        env |= {"simulator": None, "spec": json.loads(Path(args.spec).read_text())}
    bucket = "://" in args.out
    with shown(log.path):
        done = uerl_shm.ray.train(
            train_loop,
            {"ppo": ppo, "env": env, "iterations": args.iterations},
            num_pods=args.num_pods,
            resources={"CPU": args.cpus},
            storage_path=args.out if bucket else str(Path(args.out).absolute()),
            name=args.name,
            max_failures=args.max_failures,
            callbacks=[log],
        )
    lines = read_log(log.path)
    if not any("ranks" in line for line in lines):  # it was finished before: a Job's second try
        return {"iterations": done.metrics["iteration"], "unequal_hashes": 0}
    return result_of(lines)


def main() -> int:
    args = parse_args()
    with ray_cluster.connected(args.local_nodes):
        result = run(args)
    missed = []
    if result["unequal_hashes"]:
        missed.append(
            f"parameters differ between ranks in {result['unequal_hashes']} iterations, expected "
            "none: learn with the shared policy, and equally often on every rank"
        )
    if result["iterations"] < args.iterations:
        missed.append(f"iterations {result['iterations']}, expected {args.iterations}")
    sys.stderr.writelines(f"{text}\n" for text in missed)
    print("RESULT", *(f"{name}={value}" for name, value in result.items()), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
