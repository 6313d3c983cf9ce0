"""`uerl-shm serve-metrics`: figures and health of segments over HTTP, for Prometheus and probes."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from uerl_shm.cli.output import ERROR_EXIT, say, warn


def serve_metrics(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Names of the segments; none, or all: all."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0: one that is free.")
    ] = 9464,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    stall_after_s: Annotated[
        float,
        typer.Option("--stall-after-s", min=1.0, help="A learner may stand still for so long."),
    ] = 300.0,
) -> None:
    """Serve figures and health of learners over HTTP.

    Examples:
        uerl-shm serve-metrics train
        uerl-shm serve-metrics all --host 0.0.0.0
        curl 127.0.0.1:9464/metrics                # for Prometheus
        curl 127.0.0.1:9464/healthz                # 200: training goes on; 503: why not

    It reads segments and never writes; nobody waits for it. Segments that come later, and learners
    that are started again, are followed. /healthz is judged by progress: a learner that sends no
    batch for --stall-after-s (a checkpoint may take long) is not well. Whoever reaches the address
    may read both; the live page (its address is printed) needs its token, and an address that names
    this machine: forward the port. Ends with Ctrl-C or SIGTERM.
    """
    if find_spec("prometheus_client") is None:
        warn(
            "uerl-shm: prometheus_client not found, expected for serving figures: "
            "pip install 'uerl_shm[metrics]'"
        )
        raise typer.Exit(ERROR_EXIT)
    from uerl_shm import _core
    from uerl_shm.cli.metrics_http import Server
    from uerl_shm.cli.metrics_looks import Looks
    from uerl_shm.cli.view_web import NICE

    wanted = [] if not names or names == ["all"] else list(dict.fromkeys(names))
    for name in wanted:
        _core.check_name(name)
    with Server(Looks(wanted, stall_after_s), host, port) as server:
        os.nice(NICE)
        for path in ("metrics", "healthz"):
            say(f"{server.address}{path}")
        say(server.url)
        sys.stdout.flush()
        server.serve_forever()
