"""`uerl-shm record`: what passes through a segment, as a Minari data set."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uerl_shm.cli.output import ERROR_EXIT, console, count_text, plural, say, warn
from uerl_shm.errors import SpecError

if TYPE_CHECKING:
    from uerl_shm.recording_observer import Follower
    from uerl_shm.recording_tape import Counts

LOOKS_PER_PICTURE = 50  # a picture of the bar takes longer than a look


def record(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Name of the segment, as `uerl-shm ls` shows it."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DATASET", help="Folder to be made, such as run-v0."
        ),
    ] = Path("recorded-v0"),
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="End after so many steps of agents.")
    ] = None,
    episodes: Annotated[
        int | None, typer.Option("--episodes", min=1, help="End after so many episodes of agents.")
    ] = None,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Let the learner wait, so that no step is dropped.")
    ] = False,
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="Demonstrations of the Unreal plugin instead."),
    ] = None,
) -> None:
    """Write the steps of a running learner to a Minari data set.

    Examples:
        uerl-shm record train -o runs/apples-v0 --episodes 100
        uerl-shm record train -o runs/apples-v0 --steps 10000 --lossless
        uerl-shm record --from Saved/player.demo -o runs/player-v0

    Nobody is slowed down: steps that come faster than they can be read are dropped and counted, and
    an episode with a dropped step is cut there. With --lossless the learner waits before it sends
    commands, for 5 seconds at most. In the learner itself: uerl_shm.record(env, "runs/apples-v0").
    Ends with the learner, or with Ctrl-C.
    """
    need_h5py()
    if (name is None) == (not source):
        raise SpecError("record without a NAME or --from FILE, expected one of the two")
    if source:
        from uerl_shm.recording_demonstrations import convert

        _tell(convert(source, output), output)
        return
    from uerl_shm.recording_observer import Follower

    assert name is not None
    follower = Follower(name, output, lossless)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(follower, name, steps, episodes)
    finally:
        follower.tape.close()
    _tell(follower.tape.counts, output)


def need_h5py() -> None:
    """End with one line where the package that reads and writes data sets is missing."""
    if find_spec("h5py") is None:
        warn("uerl-shm: h5py not found, expected for data sets: pip install 'uerl_shm[record]'")
        raise typer.Exit(ERROR_EXIT)


def _follow(follower: Follower, name: str, steps: int | None, episodes: int | None) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    counts = follower.tape.counts
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(), disable=not console().is_terminal) as progress:
        bar = progress.add_task(f"recording {name}", total=steps or episodes)
        for look, _ in enumerate(follower.follow()):
            done = counts.steps if steps else counts.episodes
            if look % LOOKS_PER_PICTURE == 0:
                progress.update(bar, completed=done, description=_said(counts))
            if (steps and counts.steps >= steps) or (episodes and counts.episodes >= episodes):
                return


def _said(counts: Counts) -> str:
    return (
        f"{plural(counts.steps, 'step')}, {plural(counts.episodes, 'episode')}, "
        f"{count_text(counts.dropped)} dropped"
    )


def _tell(counts: Counts, output: Path) -> None:
    say(f"wrote {output}  {plural(counts.episodes, 'episode')}, {plural(counts.steps, 'step')}")
    losses = {
        f"{plural(counts.cut, 'episode')} cut": counts.cut,
        f"{plural(counts.dropped, 'step')} of envs dropped": counts.dropped,
        f"{plural(counts.left_out, 'step')} left out until the next reset": counts.left_out,
    }
    if any(losses.values()):
        say(", ".join(text for text, count in losses.items() if count))
    if counts.dropped > counts.steps:
        say(
            "most steps were not seen: record in the learner, uerl_shm.record(env, path). Loops "
            "that send to some envs only (send with env_ids, partial resets) need that"
        )
