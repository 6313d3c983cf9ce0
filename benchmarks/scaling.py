"""`make scaling`: measures what of many Pods can be measured on one machine, and keeps it.

Two things: how long gloo's all-reduce of the policy's gradient takes between 1, 2 and 4 processes,
beside what the ring's formula says; and how much iterations of one training differ in length, which
is what many Pods wait for. `scaling_report.py` writes docs/scaling.md from what is kept.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing
from scaling_model import Network, Training, ring_s

import uerl_shm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))
KEPT = ROOT / "benchmarks" / "results" / "scaling"
NUM_ENVS, NUM_ITERATIONS = 8, 40
RANKS = (2, 4)
SMALL_BYTES, LARGE_BYTES = 4096, 1 << 24  # of which latency and bandwidth are worked out
MOST_OFF = 5.0  # measured over computed, either way


def train(num_iterations: int) -> Training:
    """Measure iterations of PPO on `apples`, with its own settings; the first is not counted."""
    import train_ppo

    with tempfile.TemporaryDirectory() as folder:
        args = train_ppo.parse_args(["--out", folder])
        torch.manual_seed(args.seed)
        torch.set_num_threads(1)
        slots = 2 * args.num_steps + 2
        with closing(uerl_shm.VecEnv(args.command, NUM_ENVS, slots=slots, output="torch")) as env:
            run = train_ppo.Run(args, env)
            run.observation, run.info = env.reset(seed=args.seed)
            run.iterate()
            run.spent = dict.fromkeys(run.spent, 0.0)
            spread = []
            for _ in range(num_iterations):
                begin = time.perf_counter()
                run.iterate()
                spread.append(time.perf_counter() - begin)
            run.log.close()
            spent = {key: seconds / num_iterations for key, seconds in run.spent.items()}
            steps = NUM_ENVS * args.num_steps
            return Training(
                num_parameters=sum(each.numel() for each in run.policy.parameters()),
                num_reductions=args.num_epochs * max(1, round(steps / args.minibatch_rows)),
                steps=steps,
                seconds=statistics.mean(spread),
                observation_bytes=sum(
                    array.nbytes for array in env.spec.groups[0].observation.values()
                ),
                spread=[seconds / statistics.mean(spread) for seconds in spread],
                sampling_s=spent["policy"] + spent["step"],
                learning_s=spent["learning"],
            )


def reduce_between(rank: int, ranks: int, folder: str, sizes: tuple[int, ...]) -> None:
    """Be one rank: reduce gradients of these sizes over and over; rank 0 writes the medians."""
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(f"{folder}/store", ranks)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
    medians = []
    for num_bytes in sizes:
        gradient = torch.empty(num_bytes // 4)
        seconds = []
        for _ in range(60 if num_bytes < 1 << 22 else 15):
            gradient.fill_(rank + 1.0)
            torch.distributed.barrier()
            begin = time.perf_counter()
            torch.distributed.all_reduce(gradient)
            seconds.append(time.perf_counter() - begin)
            if not bool((gradient == ranks * (ranks + 1) / 2).all()):
                raise AssertionError(f"rank {rank} of {ranks} has another sum")
        medians.append(statistics.median(seconds))
    if rank == 0:
        Path(folder, "medians.json").write_text(json.dumps(medians))
    torch.distributed.destroy_process_group()


def reduced_s(ranks: int, sizes: tuple[int, ...]) -> list[float]:
    """Return the median time of an all-reduce of each size between processes of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(reduce_between, (ranks, folder, sizes), nprocs=ranks)
        medians: list[float] = json.loads(Path(folder, "medians.json").read_text())
        return medians


def network_of(small_s: float, large_s: float) -> Network:
    """Return what two processes' times say of the way between them."""
    latency_s = small_s / 2  # two rounds; their bytes hardly count
    return Network("this machine", LARGE_BYTES / (large_s - small_s), latency_s)


def measure() -> dict[str, Any]:
    """Return all that is kept."""
    training = train(NUM_ITERATIONS)
    sizes = (SMALL_BYTES, training.gradient_bytes, LARGE_BYTES)
    found = {ranks: reduced_s(ranks, sizes) for ranks in RANKS}
    here = network_of(found[2][0], found[2][2])
    cores = len(os.sched_getaffinity(0))
    reductions = [
        {
            "ranks": ranks,
            "measured_s": found[ranks][1],
            # Ranks that share cores take turns: on cores of their own it would be sooner.
            "computed_s": ring_s(ranks, training.gradient_bytes, here) * max(1.0, ranks / cores),
        }
        for ranks in RANKS
    ]
    return {
        "when": date.today().isoformat(),
        "cores": cores,
        "training": {**vars(training)},
        "here": {"bytes_per_s": here.bytes_per_s, "latency_s": here.latency_s},
        "reductions": reductions,
    }


def main() -> int:
    """Return the exit code: 1 where the formula is far from what was measured."""
    kept = measure()
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{kept['when']}-{kept['cores']}_cores.json"
    path.write_text(json.dumps(kept, indent=1) + "\n")
    ratios = {each["ranks"]: each["measured_s"] / each["computed_s"] for each in kept["reductions"]}
    training = kept["training"]
    print(f"wrote {path.relative_to(ROOT)}: now `make scaling-report`")
    print(
        f"RESULT gradient_bytes={4 * training['num_parameters']} "
        f"env_steps_per_s={training['steps'] / training['seconds']:.0f} "
        + " ".join(
            f"allreduce_{each['ranks']}_us={each['measured_s'] * 1e6:.0f} "
            f"allreduce_{each['ranks']}_ratio={ratios[each['ranks']]:.2f}"
            for each in kept["reductions"]
        ),
        flush=True,
    )
    return 0 if all(1 / MOST_OFF <= ratio <= MOST_OFF for ratio in ratios.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
