"""How many env steps a second, with 1 to 64 simulators that do no work?"""

from __future__ import annotations

import pytest
from transports import BEST_WEBSOCKETS, OURS, PYTHON_WEBSOCKETS
from workload import Workload

CLIENT = "websockets-served_by_c++-websocket_client"
ROWS = [(OURS, n) for n in (1, 2, 4, 8, 16, 32, 64)]
ROWS += [(peer, n) for peer in (BEST_WEBSOCKETS, CLIENT) for n in (16, 64)]
ROWS += [(PYTHON_WEBSOCKETS, 16), ("grpc-stream", 16), ("grpc-unary", 16)]
MORE = [(peer, n) for peer in (BEST_WEBSOCKETS, CLIENT) for n in (1, 2, 4, 8, 32)]
MORE += [(PYTHON_WEBSOCKETS, n) for n in (1, 4, 64)] + [("grpc-stream", n) for n in (1, 4, 64)]
MORE += [
    (peer, n) for peer in ("tcp", "semaphores-holodeck", "websockets-cbor") for n in (4, 16, 64)
]


def named(rows: list[tuple[str, int]], *marks: pytest.MarkDecorator) -> list:
    """The rows as parameters of pytest."""
    return [pytest.param(t, n, id=f"{t}-{n}_simulators", marks=marks) for t, n in rows]


@pytest.mark.parametrize(("transport", "num_envs"), [*named(ROWS), *named(MORE, pytest.mark.full)])
def bench_throughput(measure_step, transport, num_envs):
    """84x84x3 and 64 floats."""
    measure_step("throughput", transport, Workload(num_envs))
