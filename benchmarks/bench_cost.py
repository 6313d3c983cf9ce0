"""What does a step cost the learner: processor time, system calls, memory?"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from peers.servers import Missing
from transports import BEST_WEBSOCKETS, OURS, stepping, vec_env
from workload import Workload

FRAMES = [(84, 84, 3), (1280, 720, 4)]
NUM_STEPS = 10_000
PEERS = [BEST_WEBSOCKETS, "grpc-stream", "tcp", "semaphores-holodeck"]


@pytest.mark.parametrize("frame", FRAMES, ids=["84x84x3", "1280x720x4"])
def bench_learner_cpu(measure, benchmark, frame):
    """16 simulators that write nothing: whatever is left does not depend on the frame's size."""
    workload = Workload(16, frame)
    actions = workload.actions()
    with closing(vec_env(workload, "--no-write", slots=4)) as env:
        env.reset(seed=0)
        calls, start = 0, 0.0

        def step() -> None:
            nonlocal calls, start
            if calls == 0:
                start = time.thread_time()
            calls += 1
            env.step(actions)

        measure("learner_cpu", step, num_envs=16, frame=list(frame), transport="uerl_shm")
        benchmark.extra_info["cpu_s"] = (time.thread_time() - start) / calls
        stats = env.stats()
        copies = {name: stats[name] for name in ("copied_batches", "gathered_rows", "copied_rows")}
        benchmark.extra_info.update(copies)
        assert not any(copies.values())


@pytest.mark.full
@pytest.mark.parametrize("frame", [(84, 84, 3), (640, 480, 4)], ids=["84x84x3", "640x480x4"])
@pytest.mark.parametrize("transport", [OURS, *PEERS])
def bench_process_cpu(measure, benchmark, transport, frame):
    """16 simulators that write their frames: processor time of the learner, all its threads."""
    workload = Workload(16, frame)
    actions = workload.actions()
    try:
        with stepping(transport, workload) as step:
            start, calls = time.process_time(), 0

            def counted() -> None:
                nonlocal calls
                calls += 1
                step(actions)

            facts = {"num_envs": 16, "frame": list(frame), "transport": transport}
            measure("process_cpu", counted, **facts)
            benchmark.extra_info["cpu_s"] = (time.process_time() - start) / calls
    except Missing as error:
        pytest.skip(str(error))


STEPS = """
import sys
sys.path[:0] = sys.argv[1:3]
from transports import stepping
from workload import Workload
actions = Workload(1).actions()
with stepping({transport!r}, Workload(1)) as step:
    for _ in range(1000):
        step(actions)
    open("/dev/null").close()  # a mark in the trace
    for _ in range({num_steps}):
        step(actions)
    open("/dev/null").close()
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")
@pytest.mark.parametrize(
    "transport", [OURS, *(pytest.param(peer, marks=pytest.mark.full) for peer in PEERS)]
)
def bench_system_calls(benchmark, tmp_path, transport):
    """10,000 steps of one simulator with a core of its own, as strace counts them."""
    folder, trace = Path(__file__).parent, tmp_path / "trace"
    code = STEPS.format(num_steps=NUM_STEPS, transport=transport)
    words = [sys.executable, "-c", code, folder, folder.parent]
    command = ["strace", "-f", "-qq", "-o", trace, *words]
    benchmark.pedantic(lambda: subprocess.run(list(map(str, command)), check=True), rounds=1)
    # Of the thread that steps alone: each line begins with the number of its thread.
    learner = trace.read_text().split(maxsplit=1)[0]
    lines = [line for line in trace.read_text().splitlines() if line.startswith(f"{learner} ")]
    marks = [number for number, line in enumerate(lines) if '"/dev/null"' in line]
    between = lines[marks[-2] + 1 : marks[-1]]
    calls = [line for line in between if re.match(r"\d+ +\w+\(", line)]
    benchmark.group = "system_calls"
    benchmark.extra_info.update(
        question="system_calls", calls=len(calls), steps=NUM_STEPS, transport=transport
    )


@pytest.mark.full
@pytest.mark.parametrize("num_envs", [1, 16, 64], ids="{}_simulators".format)
def bench_memory(benchmark, num_envs):
    """What one more simulator costs, in bytes of its own and in the segment."""
    with closing(vec_env(Workload(num_envs))) as env:
        env.reset(seed=0)
        own = [
            psutil.Process(env._simulators.launcher.pid(lane)).memory_full_info().uss
            for lane in range(num_envs)
        ]
        segment = Path("/dev/shm", env.segment_name).stat().st_size
        benchmark.group = "memory"
        benchmark.extra_info.update(
            question="memory", num_envs=num_envs, own_bytes=sum(own) // num_envs,
            segment_bytes=segment // num_envs, transport="uerl_shm",
        )  # fmt: skip
        benchmark.pedantic(lambda: env.step(Workload(num_envs).actions()), rounds=10)
