"""`uerl-shm probe`: is the simulator of a lane well, does a learner send batches?"""

from __future__ import annotations

from typing import Annotated

import typer


def probe(
    name: Annotated[str, typer.Argument(help="Segment; default: UERL_SHM_NAME.")] = "",
    lane: Annotated[str, typer.Argument(help="Lane; default: UERL_SHM_LANE.")] = "",
    learner: Annotated[
        int | None,
        typer.Option("--learner", metavar="SECONDS", help="Ask of the learner, for so long."),
    ] = None,
    path: Annotated[
        bool, typer.Option("--path", help="Print where the program is, to copy it.")
    ] = False,
) -> None:
    """Ask whether the simulator of a lane is well, or the learner at work, for liveness probes.

    Examples:
        uerl-shm probe train 3
        uerl-shm probe --learner 60 train
        cp $(uerl-shm probe --path) image/

    Exit code 0: healthy, or waiting for a learner or for commands; 1: late (silent for longer than
    the learner's step_deadline_s, or its process has stood still for 5 s) or fenced; 2: cannot
    tell. Of a learner: 0 as soon as it sends a batch; 1: none within SECONDS. This runs
    uerl-shm-probe, a static program that images of simulators use without Python.
    """
    from uerl_shm._bin import FOLDER, become

    if path:
        print(FOLDER / "uerl-shm-probe")
        return
    given = [argument for argument in (name, lane) if argument]
    asked = [] if learner is None else ["--learner", str(learner)]
    become("uerl-shm-probe", asked + given)
