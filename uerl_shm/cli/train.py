"""`uerl-shm train`: the PPO example on somebody's simulator."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from uerl_shm.cli.output import ERROR_EXIT, warn

SCRIPT = "train_ppo.py"
PACKAGE = Path(__file__).resolve().parents[1]
# The wheel's copy, else that of a checkout.
FOLDERS = (PACKAGE / "_examples", PACKAGE.parent / "examples")


def train(
    ctx: typer.Context,
    simulator: Annotated[
        str | None,
        typer.Option("--simulator", metavar="CMD", help="Command line of a simulator, in quotes."),
    ] = None,
    num_envs: Annotated[
        int | None, typer.Option("--num-envs", min=1, help="Rows of the batch.")
    ] = None,
) -> None:
    """Train a policy with PPO, whatever the simulator shows and takes.

    Examples:
        uerl-shm train --simulator "uerl-sim apples" --num-envs 8
        uerl-shm train --simulator "./MyGame.sh -RenderOffScreen" --num-envs 16 --seed 3
        uerl-shm train -- --help

    Runs examples/train_ppo.py, one file to copy and change. Options that are not listed here are
    passed on to it; the last example lists them.
    """
    script = find_script()
    missing = [name for name in ("torch", "tensorboard") if find_spec(name) is None]
    if missing:
        warn(
            f"uerl-shm: {' and '.join(missing)} not found, expected for training: "
            "pip install 'uerl_shm[train]'"
        )
        raise typer.Exit(ERROR_EXIT)
    arguments = [] if simulator is None else ["--simulator", simulator]
    arguments += [] if num_envs is None else ["--num-envs", str(num_envs)]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, str(script), *arguments, *ctx.args])


def find_script() -> Path:
    """Return the path of the example."""
    for folder in FOLDERS:
        if (folder / SCRIPT).is_file():
            return folder / SCRIPT
    expected = " or ".join(str(folder / SCRIPT) for folder in FOLDERS)
    warn(f"uerl-shm: {SCRIPT} not found, expected {expected}: reinstall uerl_shm")
    raise typer.Exit(ERROR_EXIT)
