"""`uerl-shm view`: what the simulators' cameras show now."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uerl_shm.cli.options import NameArgument
from uerl_shm.cli.output import say

if TYPE_CHECKING:
    from uerl_shm.cli.frames import Frames, View


class Colours(str, Enum):
    """How an array becomes a picture."""

    AUTO = "auto"
    RGB = "rgb"
    GRAY = "gray"
    DEPTH = "depth"
    LABELS = "labels"


def view(
    name: NameArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The PNG file; default: NAME.png."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Rewrite the file every second.")] = False,
    group: Annotated[str | None, typer.Option("--group", help="Group of agents.")] = None,
    array: Annotated[str | None, typer.Option("--array", help="Array, such as camera.")] = None,
    colours: Annotated[
        Colours, typer.Option("--colours", help="What the array shows; auto guesses.")
    ] = Colours.AUTO,
    max_envs: Annotated[
        int, typer.Option("--max-envs", min=1, help="Show so many envs, from the first.")
    ] = 64,
    interval_s: Annotated[
        float, typer.Option("--interval-s", min=0.05, help="Seconds between two pictures.")
    ] = 1.0,
    web: Annotated[
        bool, typer.Option("--web", help="Serve a page to this machine's browsers instead.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of the page; 0: one that is free.")
    ] = 0,
) -> None:
    """Write a PNG mosaic of the current frames, or serve a live page.

    Examples:
        uerl-shm view train
        uerl-shm view train --array depth -o depth.png
        uerl-shm view train --watch
        uerl-shm view train --web

    Each frame stands under the number of its env, or env.agent. Nobody is slowed down: frames are
    copied, and copies that were torn are taken again. Numbers are red where the simulator is lost,
    absent agents are dark, envs without a step are empty.

    --web prints the address of a page with all frames, sensors, actions, rewards, annotations,
    rates and lanes, and serves it until Ctrl-C, over restarts of the learner. Only this machine
    can ask for it, and only with the token that is part of the address.
    """
    if web:
        from uerl_shm.cli.view_web import serve

        if output or watch or group or array or colours is not Colours.AUTO:
            raise typer.BadParameter(
                "--web goes with --port and --max-envs only: choose on the page"
            )
        serve(name, port, max_envs)
        return
    from uerl_shm.cli.frames import Frames

    kind = None if colours is Colours.AUTO else colours.value
    path = Path(f"{name}.png") if output is None else output
    frames = Frames(name, group, array, kind)
    found = _write(frames, path, max_envs)
    say(_said(frames, found, path))
    while watch and frames.alive:
        time.sleep(interval_s)
        _write(frames, path, max_envs)


def _write(frames: Frames, path: Path, max_envs: int) -> View:
    from uerl_shm.cli import png

    found = frames.look(max_envs)
    png.write(path, found.picture)
    return found


def _said(frames: Frames, found: View, path: Path) -> str:
    height, width, _ = found.picture.shape
    span = ""
    if found.value_range is not None:
        near, far = found.value_range
        span = f", {near:.3g} (bright) to {far:.3g} (dark)"
    return (
        f"wrote {path}  {width}x{height}, {frames.array} of group {frames.group} as {frames.kind}"
        f"{span}, {found.shown} of {found.total} rows"
    )
