"""What does Python cost? The same loop in C++ beside `env.step`, one after the other."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from pathlib import Path
from time import perf_counter

import numpy as np
from peers.servers import BUILT, FOLDER
from transports import ours
from workload import ROOT, Workload

from uerl_shm._bin import FOLDER as BIN

NUM_ENVS, TURNS = 16, 5


@lru_cache
def program() -> str:
    """Compile the loop with the learner's sources, those that know nothing of Python."""
    include = [f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'csrc' / 'include'}"]
    look = ["g++", "-std=c++17", "-nostdinc", "-nostdinc++", *include, "-M", "-MG"]
    sources = [*ROOT.glob("csrc/core/*.c"), FOLDER / "learner_loop.cpp"]
    for source in sorted(ROOT.glob("csrc/learner/*.cpp")):
        read = subprocess.run([*look, source], capture_output=True, text=True, check=True).stdout
        sources += [source] * ("pybind11" not in read)
    target = BUILT / "learner_loop"
    BUILT.mkdir(parents=True, exist_ok=True)
    objects = []
    for source in sources:
        objects.append(BUILT / f"loop-{Path(source).stem}.o")
        compiler = ["gcc", "-std=c17"] if str(source).endswith(".c") else ["g++", "-std=c++17"]
        subprocess.run(
            [*compiler, "-O3", *include, f"-I{ROOT / 'csrc' / 'core'}", "-c", source, "-o",
             objects[-1]], check=True,
        )  # fmt: skip
    subprocess.run(["g++", *objects, "-o", target, "-pthread"], check=True)
    return str(target)


def median_in_c(seconds: float) -> float:
    """Seconds of one step, and its simulators."""
    name = f"uerl-loop-{os.getpid()}"
    loop = subprocess.Popen(
        [program(), name, str(NUM_ENVS), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert loop.stdout is not None
    assert loop.stdout.readline() == "ready\n"
    probe = [BIN / "uerl-sim", "probe", "--episode-steps", "0", "--name", name, "--lane"]
    simulators = [subprocess.Popen([*probe, str(lane)]) for lane in range(NUM_ENVS)]
    median_ns = int(loop.communicate()[0].split()[0])
    for simulator in simulators:
        simulator.wait()
    return median_ns * 1e-9


def bench_c_loop(benchmark, request):
    """16 simulators, 84x84x3, zero work; five turns each, in alternation."""
    seconds = request.config.getoption("--seconds") / 2
    workload = Workload(NUM_ENVS)
    actions = workload.actions()
    in_c, in_python = [], []

    def turn() -> None:
        in_c.append(median_in_c(seconds))
        with ours(workload) as step:
            times: list[float] = []
            for _ in range(1000):
                step(actions)
            end = perf_counter() + seconds
            while (before := perf_counter()) < end:
                step(actions)
                times.append(perf_counter() - before)
        in_python.append(float(np.median(times)))

    benchmark.group = "c_loop"
    benchmark.pedantic(turn, rounds=TURNS)
    c, python = float(np.median(in_c)), float(np.median(in_python))
    benchmark.extra_info.update(
        question="c_loop", num_envs=NUM_ENVS, in_c_s=c, in_python_s=python, share=c / python,
        transport="uerl_shm",
    )  # fmt: skip
