"""`uerl-shm train`: the PPO example on somebody's simulator."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from uerl_shm.cli.output import ERROR_EXIT, warn

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
    passed on to it; the last example lists them. --model nets:Mine trains a network of your own.
    """
    arguments = [] if simulator is None else ["--simulator", simulator]
    arguments += [] if num_envs is None else ["--num-envs", str(num_envs)]
    # The example's own handler stands only after its imports, and the first process of a container
    # ignores what it has no handler for: the kernel keeps the signal until the example takes it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    run_example("train_ppo.py", [*arguments, *ctx.args], ("torch", "tensorboard"), "train")


def run_example(
    name: str, arguments: Sequence[str], packages: Sequence[str], extra: str
) -> NoReturn:
    """Become an example.

    Args:
        name: Of its file.
        arguments: What it is given.
        packages: What it imports beyond what uerl_shm needs.
        extra: Of uerl_shm, which brings these packages.
    """
    script = find_script(name)
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        warn(
            f"uerl-shm: {' and '.join(missing)} not found, expected by {name}: "
            f"pip install 'uerl_shm[{extra}]'"
        )
        raise typer.Exit(ERROR_EXIT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, str(script), *arguments])


def find_script(name: str) -> Path:
    """Return the path of an example."""
    for folder in FOLDERS:
        if (folder / name).is_file():
            return folder / name
    expected = " or ".join(str(folder / name) for folder in FOLDERS)
    warn(f"uerl-shm: {name} not found, expected {expected}: reinstall uerl_shm")
    raise typer.Exit(ERROR_EXIT)
