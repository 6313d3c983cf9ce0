"""What every benchmark shares: the machine's facts, and the peers' servers."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("numpy", "gymnasium", "websockets", "websocket-client", "pytest-benchmark")


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Add what decides these figures: cores, kernel, versions."""
    machine_info["cores"] = len(os.sched_getaffinity(0))
    machine_info["kernel"] = platform.release()
    machine_info["versions"] = {name: version(name) for name in PACKAGES}


@pytest.fixture(scope="session")
def websocket_server() -> list[str]:
    """Command of the C++ websocket server; skips where it cannot be built."""
    from peers.websockets_peer import build_server

    try:
        return [str(build_server(ROOT / "build" / "benchmarks"))]
    except FileNotFoundError as error:
        pytest.skip(str(error))
