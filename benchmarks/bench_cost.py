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
from transports import vec_env
from workload import Workload

FRAMES = [(84, 84, 3), (1280, 720, 4)]
NUM_STEPS = 10_000


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


STEPS = """
import sys
sys.path[:0] = sys.argv[1:3]
from transports import vec_env
from workload import Workload
env, actions = vec_env(Workload(1)), Workload(1).actions()
env.reset(seed=0)
for _ in range(1000):
    env.step(actions)
open("/dev/null").close()  # a mark in the trace
for _ in range({num_steps}):
    env.step(actions)
open("/dev/null").close()
env.close()
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")
def bench_system_calls(benchmark, tmp_path):
    """10,000 steps of one simulator with a core of its own, as strace counts them."""
    folder, trace = Path(__file__).parent, tmp_path / "trace"
    words = [sys.executable, "-c", STEPS.format(num_steps=NUM_STEPS), folder, folder.parent]
    command = ["strace", "-f", "-qq", "-o", trace, *words]
    # Of the learner alone: each line begins with the number of its thread.
    benchmark.pedantic(lambda: subprocess.run(list(map(str, command)), check=True), rounds=1)
    learner = trace.read_text().split(maxsplit=1)[0]
    lines = [line for line in trace.read_text().splitlines() if line.startswith(f"{learner} ")]
    marks = [number for number, line in enumerate(lines) if '"/dev/null"' in line]
    between = lines[marks[-2] + 1 : marks[-1]]
    calls = [line for line in between if re.match(r"\d+ +\w+\(", line)]
    benchmark.group = "system_calls"
    benchmark.extra_info.update(
        question="system_calls", calls=len(calls), steps=NUM_STEPS, transport="uerl_shm"
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
