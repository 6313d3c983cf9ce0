"""`uerl-shm serve`: an ONNX policy that answers over HTTP."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from uerl_shm.cli.output import ERROR_EXIT, say, warn


def serve(
    policy: Annotated[Path, typer.Argument(metavar="FILE", help="What `uerl-shm export` wrote.")],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0: one that is free.")
    ] = 8000,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
) -> None:
    """Answer observations with actions over HTTP, JSON in and out.

    Examples:
        uerl-shm serve policy.onnx --port 8000
        curl 127.0.0.1:8000/                       # what it expects
        curl 127.0.0.1:8000/predict -d '{"observation": {"position": [0.5, 1.0]}}'

    One observation, or a list of rows of each array. Actions are those that the policy takes when
    it plays without drawing. A request that is wrong is answered with 4xx and {"error": "..."}, one
    line. GET /healthz says that it is there. Whoever reaches the address may ask: there is neither
    a password nor TLS. Ends with Ctrl-C.
    """
    if find_spec("onnxruntime") is None:
        warn("uerl-shm: onnxruntime not found, expected for serving: pip install 'uerl_shm[serve]'")
        raise typer.Exit(ERROR_EXIT)
    from uerl_shm.cli.serve_http import Server
    from uerl_shm.onnx_policy import OnnxPolicy

    with Server(OnnxPolicy(policy), host, port) as server:
        say(server.address)
        server.serve_forever()
