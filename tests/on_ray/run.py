"""Trains on Ray over two simulated nodes, with RLlib and with DDP, while somebody kills.

    make test-ray

RLlib learns `apples` from sidecars to twice the return of random actions; ranks of DDP agree on
every bit of their parameters in each iteration; simulators, actors and a node are killed at random
times; nothing that an episode keeps changes. The last line is ``RESULT rllib_return=...``; the exit
code is 0 only if nothing fell short.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATHS = [str(ROOT), str(ROOT / "examples"), str(ROOT / "tests")]
sys.path[:0] = PATHS
# Of Ray's processes, too: they import what they are sent.
os.environ["PYTHONPATH"] = os.pathsep.join([*PATHS, os.environ.get("PYTHONPATH", "")])

import psutil
import ray
import ray_cluster
import ray_ddp
import ray_rllib
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

from on_ray import aliasing
from on_ray.faults import Training, kill, simulators_of
from processes import eventually
from support.bundled import UERL_SIM
from support.sidecars import Sidecars
from uerl_shm.integrations.rllib import RLlibVecEnv
from uerl_shm.launcher import describe
from uerl_shm.ray import ROLLOUT_SPACE

NUM_NODES, NUM_ENVS = 2, 2  # two simulators on each node: the whole fits on two cores
CPUS = 0.5
APPLES = f"{UERL_SIM} apples"
SAMPLED = 400  # steps of each env runner whose episodes are checked
ITERATIONS = 8  # of DDP before anybody is killed
Figures = dict[str, Any]


def episodes() -> Figures:
    """Check what episodes of env runners on two nodes hold; and those of an env with a bug."""
    held, wrong = sampled(RLlibVecEnv)
    return {
        "episode_observations": held,
        "episode_observations_wrong": wrong,
        "episode_observations_wrong_with_bug": sampled(aliasing.ReusedBuffer)[1],
    }


def sampled(env: type[RLlibVecEnv]) -> tuple[int, int]:
    """Return how many observations the episodes of both env runners hold, and how many wrong."""
    runner = ray.remote(num_cpus=CPUS, resources={ROLLOUT_SPACE: 1})(SingleAgentEnvRunner)
    config = aliasing.config_of(env, NUM_ENVS)
    runners = [runner.remote(config=config) for _ in range(NUM_NODES)]
    samples = ray.get(
        [each.sample.remote(num_timesteps=SAMPLED, random_actions=True) for each in runners]
    )
    ray.get([each.stop.remote() for each in runners])
    for each in runners:
        ray.kill(each)
    counts = [aliasing.counted(sample) for sample in samples]
    return sum(held for held, _ in counts), sum(wrong for _, wrong in counts)


def rllib(nodes: ray_cluster.Nodes, folder: Path, args: argparse.Namespace) -> Figures:
    """Train on sidecars; one of them and one env runner are killed meanwhile."""
    (folder / "spec.json").write_text(describe(APPLES).to_json())
    options = ray_rllib.parse_args(
        [
            *("--num-env-runners", str(NUM_NODES), "--num-envs", str(NUM_ENVS)),
            *("--cpus", str(CPUS), "--spec", str(folder / "spec.json")),
            *("--total-steps", str(args.rllib_steps)),
        ]
    )
    draw = random.Random(args.seed)
    seen: Figures = {"iterations": 0}

    def watch(algorithm: Any, told: Figures) -> None:
        pids = algorithm.env_runner_group.foreach_env_runner(
            lambda _: os.getpid(), local_env_runner=False
        )
        seen.update(told, iterations=seen["iterations"] + 1, pids=pids)

    def ready(num_faults: int) -> bool:
        """After the first iteration, and two more for each fault, with all env runners there."""
        return seen.get("env_runners") == NUM_NODES and seen["iterations"] > 2 * num_faults

    with closing(Sidecars(APPLES, dict.fromkeys(nodes.names, NUM_ENVS))) as sidecars:
        kills = [
            lambda: kill(draw.choice(sidecars.pids()), "a sidecar"),
            lambda: kill(draw.choice(seen["pids"]), "an env runner"),
        ]
        training = Training(lambda: ray_rllib.run(options, watch))
        num_kills = training.suffer(kills, ready, 10.0, args.seed)
        result, restarts = training.result(), sidecars.restarts
    return {
        "rllib_return": result["mean_return"],
        "rllib_random": result["random_return"],
        "rllib_env_steps": result["env_steps"],
        "rllib_seconds": result["seconds"],
        "rllib_kills": num_kills,
        "rllib_sidecar_restarts": restarts,
        "rllib_env_runner_restarts": result["env_runner_restarts"],
    }


def ddp(nodes: ray_cluster.Nodes, folder: Path, args: argparse.Namespace) -> Figures:
    """Train on one node, then on two; there a simulator, a rank and a node are lost."""
    options = ray_ddp.parse_args(
        [
            *("--num-envs", str(NUM_ENVS), "--cpus", str(CPUS), "--num-pods", "1"),
            *("--iterations", str(ITERATIONS), "--out", str(folder)),
            *("--log", str(folder / "one.jsonl"), "--name", "one"),
        ]
    )
    one = ray_ddp.run(options)
    options.iterations += 1  # the next run of this name, as after a lost head
    ray_ddp.run(options)
    resumed = ray_ddp.read_log(Path(options.log))[0]["ranks"][0]["iteration"]
    options.num_pods, options.name = NUM_NODES, "many"
    options.iterations, options.log = args.ddp_iterations, str(folder / "many.jsonl")
    draw, log = random.Random(args.seed), Path(options.log)

    def last() -> list[Figures]:
        return [line["ranks"] for line in ray_ddp.read_log(log) if "ranks" in line][-1]

    def kill_simulator() -> str:
        return kill(draw.choice(simulators_of(draw.choice(last())["pid"])), "a simulator")

    def kill_rank() -> str:
        return kill(draw.choice(last())["pid"], "a rank")

    def lose_node() -> str:
        number = draw.randrange(NUM_NODES)
        nodes.lose(number)
        return f"lost node {number}, and started another"

    def ready(num_faults: int) -> bool:
        """After so many iterations; after a loss, when all ranks are back for three."""
        lines = ray_ddp.read_log(log)
        losses = [place for place, line in enumerate(lines) if "lost" in line]
        back = len(lines) > losses[-1] + 3 if losses else len(lines) >= ITERATIONS
        return back and len(losses) >= num_faults - 1  # a lost simulator is no loss of a rank

    training = Training(lambda: ray_ddp.run(options))
    num_kills = training.suffer([kill_simulator, kill_rank, lose_node], ready, 3.0, args.seed)
    many = training.result()
    calm = ray_ddp.result_of(ray_ddp.read_log(log)[:ITERATIONS])
    return {
        "ddp_iterations": many["iterations"],
        "ddp_unequal_hashes": many["unequal_hashes"],
        "ddp_ranks": many["ranks"],
        "ddp_nodes": many["nodes"],
        "ddp_steps_per_s": calm["steps_per_s"],
        "ddp_steps_per_s_one_node": one["steps_per_s"],
        "ddp_resumed_with": resumed,
        "ddp_return": many["mean_return"],
        "ddp_kills": num_kills,
        "ddp_lost_ranks": many["lost_ranks"],
        "ddp_lost_simulators": many["lost_simulators"],
    }


def left_behind(names: list[str]) -> list[str]:
    """Return segments and processes of the nodes that are still there."""
    left = [name for name in names if Path("/dev/shm", name).exists()]
    for process in psutil.process_iter():
        try:
            if process.environ().get("UERL_SHM_NAME") in names:
                left.append(" ".join(process.cmdline()) or process.name())
        except psutil.Error:  # it has just ended, or is not ours
            continue
    return left


def shortfalls_of(figures: Figures, args: argparse.Namespace) -> list[str]:
    """Return what the figures fall short of."""
    least = {
        "episode_observations": NUM_NODES * SAMPLED,
        "episode_observations_wrong_with_bug": 1,
        "rllib_return": 2.0 * figures["rllib_random"],
        "rllib_kills": 2,
        "rllib_sidecar_restarts": 1,
        "rllib_env_runner_restarts": 1,
        "ddp_iterations": args.ddp_iterations,
        "ddp_resumed_with": ITERATIONS + 1,
        "ddp_ranks": NUM_NODES,
        "ddp_nodes": NUM_NODES,
        "ddp_kills": 3,
        "ddp_lost_ranks": 2,
        "ddp_lost_simulators": 1,
        "tests": 1,
    }
    most = dict.fromkeys(("episode_observations_wrong", "ddp_unequal_hashes", "left", "failed"), 0)
    return [
        f"{name} {figures[name]}, expected at least {value:.6g}"
        for name, value in least.items()
        if not figures[name] >= value
    ] + [
        f"{name} {figures[name]}, expected {value}"
        for name, value in most.items()
        if figures[name] != value
    ]


def tested() -> Figures:
    """Run the tests beside this file."""
    command = [sys.executable, "-m", "pytest", "tests/on_ray", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}
    if done.returncode != 0 or "skipped" in counts:
        print(done.stdout)
    failed = int(done.returncode != 0) + counts.get("skipped", 0)
    return {"tests": counts.get("passed", 0), "failed": failed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rllib-steps", type=int, default=20_480, help="env steps of RLlib")
    parser.add_argument("--ddp-iterations", type=int, default=48, help="of DDP over two nodes")
    parser.add_argument("--seed", type=int, default=1, help="of who is killed, and when")
    args = parser.parse_args()
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="uerl_shm-ray-") as folder:
        with ray_cluster.connected(NUM_NODES) as nodes:
            assert nodes is not None
            for part in (
                episodes,
                lambda: rllib(nodes, Path(folder), args),
                lambda: ddp(nodes, Path(folder), args),
            ):
                figures |= part()
                print(*(f"{name}={value}" for name, value in figures.items()), flush=True)
    eventually(lambda: not left_behind(nodes.names))
    figures["left"] = len(left := left_behind(nodes.names))
    figures |= tested()
    missed = shortfalls_of(figures, args)
    sys.stderr.writelines(f"{text}\n" for text in [*left, *missed])
    numbers = [f"{n}={v:.2f}" if isinstance(v, float) else f"{n}={v}" for n, v in figures.items()]
    print("RESULT", *numbers, f"shortfalls={len(missed)}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
