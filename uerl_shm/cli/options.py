"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

SimulatorOption = Annotated[
    str,
    typer.Option(
        "--simulator",
        metavar="CMD",
        help="Command line of one simulator, in quotes; {lane} and {name} are replaced.",
    ),
]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the segment, as `uerl-shm ls` shows it.")
]
NumEnvsOption = Annotated[
    int, typer.Option("--num-envs", min=1, help="Rows of the batch: worlds times agents.")
]
EnvsPerSimulatorOption = Annotated[
    int, typer.Option("--envs-per-simulator", min=1, help="Worlds that each simulator holds.")
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout-s", min=0.0, help="Longest wait for one step of all, in seconds."),
]
StartupTimeoutOption = Annotated[
    float,
    typer.Option("--startup-timeout-s", min=0.0, help="Longest wait for all to start, in seconds."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
