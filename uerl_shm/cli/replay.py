"""`uerl-shm replay`: a simulator that plays what was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uerl_shm.cli.output import warn
from uerl_shm.cli.record import need_h5py


def replay(
    data_set: Annotated[Path, typer.Argument(metavar="DATASET", help="What was recorded.")],
    describe: Annotated[
        Path | None,
        typer.Option("--describe", metavar="FILE", help="Write the spec as JSON and end."),
    ] = None,
) -> None:
    """Be a simulator that plays recorded episodes, byte for byte.

    Examples:
        uerl-shm bench --simulator "uerl-shm replay runs/apples-v0" --num-envs 4
        UERL_SHM_NAME=train uerl-shm replay runs/apples-v0

    In Python: VecEnv("uerl-shm replay runs/apples-v0", num_envs=4). Env i plays the episodes of the
    recorded world i in their order, then those of the next one. Actions change nothing; those that
    differ from the recorded ones are counted, and the number is printed at the end.
    """
    need_h5py()
    from uerl_shm.recording_replay import Replay

    played = Replay(data_set, lambda text: warn(f"replay: {text}"))
    if describe is not None:
        played.spec.save(describe)
        return
    played.run()
