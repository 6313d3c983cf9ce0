"""How long is one step of one simulator, with every transport?"""

from __future__ import annotations

import pytest
from peers.clients import PEERS
from transports import OURS
from workload import Workload

ALL = [OURS, *PEERS]


@pytest.mark.parametrize("transport", ALL)
def bench_latency(measure_step, transport):
    """84x84x3 and 64 floats; both processes have a core."""
    measure_step("latency", transport, Workload(1))
