"""The service of `uerl-shm serve-metrics`, in this process, and what it answers."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families

from uerl_shm.cli.metrics_http import Server
from uerl_shm.cli.metrics_looks import Looks


@contextmanager
def serving(*names: str, stall_after_s: float = 300.0) -> Iterator[Server]:
    server = Server(Looks(names, stall_after_s), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(server: Server, path: str, **headers: str) -> tuple[int, str, bytes]:
    """Return status, content type and body."""
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.getheader("Content-Type", ""), answer.read()
    connection.close()
    return found


def scrape(server: Server) -> dict[tuple, float]:
    """Return every figure, by name and label values: `("uerl_shm_steps_total", "train")`."""
    time.sleep(0.11)  # a look is younger than that
    status, _, body = ask(server, "/metrics")
    assert status == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items(), reverse=True))): (
            sample.value
        )
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }
