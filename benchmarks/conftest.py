"""What every benchmark shares: the machine's facts, how long is measured, what is noted."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pytest
from peers.servers import Missing
from transports import stepping
from workload import Workload

PACKAGES = (
    "uerl_shm", "numpy", "torch", "gymnasium", "pytest-benchmark", "websockets", "websocket-client",
    "grpcio", "cbor2", "posix_ipc", "stable_baselines3", "torchrl", "pufferlib", "envpool",
)  # fmt: skip
PERCENTS = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
MIN_ROUNDS, MAX_ROUNDS = 30, 100_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--full``: every row of every table, not just those that something is promised about."""
    parser.addoption("--full", action="store_true", help="every row of every table")
    parser.addoption("--seconds", type=float, default=2.0, help="of each measurement")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only ``--full`` asks for."""
    if not config.getoption("--full"):
        items[:] = [item for item in items if item.get_closest_marker("full") is None]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of those rows."""
    config.addinivalue_line("markers", "full: only measured by `make bench-full`")


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Add what decides these figures: cores, kernel, memory, versions."""
    machine_info["cores"] = len(os.sched_getaffinity(0))
    machine_info["kernel"] = platform.release()
    machine_info["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    machine_info["versions"] = {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


Measure = Callable[..., None]


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest) -> Measure:
    """A function that times one call, over and over, for as long as each measurement takes."""

    def measure(question: str, call: Callable[[], Any], **facts: Any) -> None:
        benchmark.group = question
        benchmark.extra_info.update(question=question, **facts)
        start = time.perf_counter()
        for _ in range(10):
            call()
        each_s = (time.perf_counter() - start) / 10
        seconds = request.config.getoption("--seconds")
        rounds = int(np.clip(seconds / each_s, MIN_ROUNDS, MAX_ROUNDS))
        benchmark.pedantic(call, rounds=rounds, warmup_rounds=max(10, rounds // 20))
        times = np.array(benchmark.stats.stats.data)
        found = np.percentile(times, PERCENTS)
        benchmark.extra_info.update(percents=list(PERCENTS), percentiles_s=found.tolist())
        benchmark.extra_info["p50_s"] = float(np.median(times))
        benchmark.extra_info["mean_s"] = float(times.mean())

    return measure


@pytest.fixture
def measure_step(measure: Measure) -> Measure:
    """A function that times one step of all simulators of a workload behind a transport."""

    def measure_step(question: str, transport: str, workload: Workload, **facts: Any) -> None:
        actions = workload.actions()
        try:
            with stepping(transport, workload) as step:
                facts = {"transport": transport, "num_envs": workload.num_envs, **facts}
                facts.update(frame=list(workload.frame), step_us=workload.step_us)
                measure(question, lambda: step(actions), wait_us=workload.wait_us, **facts)
        except Missing as error:
            pytest.skip(str(error))

    return measure_step
