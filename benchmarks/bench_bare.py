"""What does the machine itself allow? Processes that exchange nothing but a counter, in C++.

Each writes the same bytes and does the same work as every simulator here; the faster of two ways
to wait counts. Nobody who has one process for each simulator can be much faster.
"""

from __future__ import annotations

import subprocess

import pytest
from peers.servers import Missing, program
from workload import Workload

BARE = "bare-counter"
TURNS = 3
WORKLOADS = [
    Workload(16),
    Workload(64),
    Workload(16, (640, 480, 4)),
    Workload(16, step_us=50),
    Workload(64, wait_us=10_000),
]


@pytest.mark.parametrize("workload", WORKLOADS, ids=str)
def bench_bare(benchmark, request, workload):
    """The median of three runs of each way, one after the other; the program checks its bytes."""
    try:
        bare = program("bare")
    except Missing as error:
        pytest.skip(str(error))
    seconds = request.config.getoption("--seconds") / TURNS
    numbers = (workload.num_envs, *workload.frame, workload.step_us, workload.wait_us)
    found: dict[str, list[float]] = {"yield": [], "sleep": []}

    def turn() -> None:
        for way, times in found.items():
            command = [bare, *map(str, numbers), f"{seconds}:{way}"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            times.append(int(done.stdout) * 1e-9)

    benchmark.group = "bare"
    benchmark.pedantic(turn, rounds=TURNS)
    medians = {way: sorted(times)[TURNS // 2] for way, times in found.items()}
    way = min(medians, key=lambda name: medians[name])
    benchmark.extra_info.update(
        question="bare", transport=BARE, way=way, p50_s=medians[way], num_envs=workload.num_envs,
        frame=list(workload.frame), step_us=workload.step_us, wait_us=workload.wait_us,
    )  # fmt: skip
