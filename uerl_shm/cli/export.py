"""`uerl-shm export`: a trained policy as an ONNX file, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uerl_shm.cli.train import run_example

PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime")


def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT", help="policy.pt or checkpoint.pt of a run, or a state_dict."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The ONNX file to write.")
    ] = Path("policy.onnx"),
    simulator: Annotated[
        str | None,
        typer.Option(
            "--simulator",
            metavar="CMD",
            help="Shows observations to check the file on (default: the one it was trained with).",
        ),
    ] = None,
    recorded: Annotated[
        Path | None,
        typer.Option(
            "--recorded", metavar="DATASET", help="Observations of `uerl-shm record` instead."
        ),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Observations to check it on.")] = 256,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="CLASS", help="Of a state_dict: nets:Mine, or nets:Mine(depth=3)."
        ),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option("--spec", metavar="FILE", help="Of a state_dict: what it was trained for."),
    ] = None,
) -> None:
    """Write a trained policy as an ONNX file for Unreal, and check that it acts as torch does.

    Examples:
        uerl-shm export runs/apples/policy.pt -o policy.onnx
        uerl-shm export runs/apples/policy.pt -o policy.onnx --recorded runs/apples-v0
        uerl-shm export weights.pt --model nets:Mine --spec spec.json --simulator ./MyGame.sh

    Runs examples/export_policy.py, one file to copy and change. The file is written if onnxruntime
    and torch agree on the observations that the simulator shows, or that were recorded.
    """
    options = {
        "--simulator": simulator, "--recorded": recorded, "--model": model, "--spec": spec
    }  # fmt: skip
    given = [part for item in options.items() if item[1] is not None for part in map(str, item)]
    arguments = [str(checkpoint), "-o", str(output), "--rows", str(rows), *given]
    run_example("export_policy.py", arguments, PACKAGES, "onnx")
