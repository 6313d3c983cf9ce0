"""RLlib's PPO on `apples` over many nodes, each of which steps its own simulators.

    python examples/ray_rllib.py --local-nodes 2      # nodes simulated on this machine
    python examples/ray_rllib.py --num-env-runners 8  # in a cluster of Ray

train_rllib.py has the settings and the network; docs/howto/ray.md says how many Pods do this.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import episodes
import ray_cluster
import torch
import train_rllib
from ray.rllib.algorithms.ppo import PPOConfig

from uerl_shm.integrations.rllib import RLlibVecEnv
from uerl_shm.ray import ROLLOUT_SPACE

EVAL_SEED, EVAL_EPISODES = 1_000_000, 50  # no world was trained from a seed this high
LEAST = 2.0  # times the return of random actions

Told = dict[str, Any]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--local-nodes", type=int, default=0, help="nodes to simulate here (0: join a cluster)")
    add("--num-env-runners", type=int, default=2, help="one in each Pod")
    add("--num-envs", type=int, default=8, help="of each env runner: one simulator each")
    add("--cpus", type=float, default=1.0, help="that an env runner asks of Ray")
    add("--spec", default="", help="JSON file: sidecars attach to UERL_SHM_NAME of their Pod")
    add("--shm-mode", default="0600", help="0660: sidecars of other users, of the same group")
    add("--total-steps", type=int, default=30_720, help="env steps of all env runners together")
    add("--seed", type=int, default=1, help="of policy, sampling and worlds")
    args = parser.parse_args(argv)
    args.scene, args.command = "apples", "uerl-sim apples"
    return args


def config_of(args: argparse.Namespace) -> PPOConfig:
    env: dict[str, Any] = {"simulator": args.command, "shm_mode": int(args.shm_mode, 8)}
    if args.spec:
        env |= {"simulator": None, "spec": json.loads(Path(args.spec).read_text())}
    return (
        train_rllib.config_of(args)
        .environment(RLlibVecEnv, env_config=env)
        .env_runners(
            num_env_runners=args.num_env_runners,
            num_envs_per_env_runner=args.num_envs,
            num_cpus_per_env_runner=args.cpus,
            custom_resources_per_env_runner={ROLLOUT_SPACE: 1},
        )
        .fault_tolerance(
            restart_failed_env_runners=True,  # Ray starts them again, also on another node
            restart_failed_sub_environments=True,  # they make their env anew
        )
    )


def train(algorithm: Any, args: argparse.Namespace, watch: Callable[[Told], None]) -> Told:
    """Train until the steps are done; return what was told last.

    An env runner that was lost shortly before is waited for, for as many steps at most.
    """
    begin = time.perf_counter()
    group = algorithm.env_runner_group
    while True:
        result = algorithm.train()["env_runners"]
        told = {
            "env_steps": int(result["num_env_steps_sampled_lifetime"]),
            "return": float(result.get("episode_return_mean", float("nan"))),
            "seconds": time.perf_counter() - begin,
            "env_runners": group.num_healthy_remote_workers(),
            "env_runner_restarts": group.num_remote_worker_restarts(),
        }
        print(" ".join(f"{name}={value:.6g}" for name, value in told.items()), flush=True)
        watch(told)
        share = told["env_steps"] / args.total_steps
        if share >= 2 or (share >= 1 and told["env_runners"] == args.num_env_runners):
            return told


def scores(act: Any, args: argparse.Namespace) -> dict[str, float]:
    """Play fresh episodes here; return the mean returns of the policy, and of random actions."""
    with closing(episodes.wide_env(args.command, EVAL_EPISODES)) as env:
        at_random = episodes.at_random(env, EVAL_SEED)
        players = {"mean_return": act, "random_return": at_random}
        return {
            name: episodes.mean_return(env, player, EVAL_EPISODES, EVAL_SEED)
            for name, player in players.items()
        }


def run(args: argparse.Namespace, watch: Callable[[Any, Told], None] = lambda *_: None) -> Told:
    """Train in the cluster that this process is connected to; return the RESULT."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)  # more of them fight with simulators when cores are few
    algorithm = config_of(args).build_algo()
    try:
        told = train(algorithm, args, lambda told: watch(algorithm, told))
        return told | scores(train_rllib.player(algorithm), args)
    finally:
        algorithm.stop()


def main() -> int:
    args = parse_args()
    with ray_cluster.connected(args.local_nodes):
        result = run(args)
    least = LEAST * result["random_return"]
    missed = result["mean_return"] < least
    if missed:
        print(
            f"mean_return {result['mean_return']:.2f}, expected at least {least:.2f}: train for "
            "longer",
            file=sys.stderr,
        )
    print("RESULT", *(f"{name}={value:.6g}" for name, value in result.items()), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
