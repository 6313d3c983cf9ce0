"""What do larger frames cost?"""

from __future__ import annotations

import pytest
from transports import BEST_WEBSOCKETS, OURS
from workload import Workload

CLIENT = "websockets-served_by_c++-websocket_client"
PROMISED = (640, 480, 4)
FRAMES = [(42, 42, 3), (84, 84, 3), (320, 240, 3), PROMISED, (1280, 720, 4)]


@pytest.mark.parametrize("transport", [OURS, BEST_WEBSOCKETS, CLIENT, "tcp"])
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(f, id="x".join(map(str, f)), marks=[pytest.mark.full] * (f != PROMISED))
        for f in FRAMES
    ],
)
def bench_frames(measure_step, transport, frame):
    """16 simulators that do no work but to write the frame."""
    measure_step("frames", transport, Workload(16, frame))
