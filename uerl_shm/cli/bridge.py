"""`uerl-shm bridge`: simulators of other machines in the lanes of a segment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uerl_shm.cli.options import NameArgument
from uerl_shm.cli.output import say


def bridge(
    name: NameArgument,
    token_file: Annotated[
        Path, typer.Option("--token-file", metavar="FILE", help="What engines have to know.")
    ],
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Address; port 0: a free one.")
    ] = "127.0.0.1:7450",
    certificate: Annotated[
        str | None, typer.Option("--certificate", metavar="FILE", help="PEM, for TLS.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="FILE", help="PEM, of the certificate.")
    ] = None,
) -> None:
    """Carry the lanes of a segment to simulators on other machines, over TCP or TLS.

    Examples:
        uerl-shm bridge train --listen 10.0.0.2:7450 --token-file token
        uerl-shm bridge train --listen 0.0.0.0:7450 --token-file token --certificate c --key k

    The token file has one line, made with `openssl rand -hex 32`, and a copy on the engine's
    machine. Runs beside the learner, before or after it. An engine comes with
    -UerlBridge=10.0.0.2:7450 -UerlBridgeTokenFile=token, a simulator in Python with
    Simulator(bridge="10.0.0.2:7450"). Each holds a lane as if it were here, only slower. Whoever
    has the token is a simulator of this learner; without TLS, rows travel in the clear. Ends with
    Ctrl-C. See docs/howto/bridge.md.
    """
    from uerl_shm import _core
    from uerl_shm.bridge_server import BridgeServer
    from uerl_shm.bridge_wire import address_of, read_token
    from uerl_shm.errors import SpecError

    _core.check_name(name)
    if key is not None and certificate is None:
        raise SpecError(
            f"--key {key} was given without --certificate, expected both, or neither for a bridge "
            "in the clear: give the certificate, too"
        )
    pair = None if certificate is None else (certificate, key)
    server = BridgeServer(name, read_token(token_file), address_of(listen), pair, say)
    say(f"carries the lanes of {name} to engines at {server.address[0]}:{server.address[1]}")
    try:
        server.serve_forever()
    finally:
        server.close()
