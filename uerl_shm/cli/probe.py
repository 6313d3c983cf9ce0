"""`uerl-shm probe`: is the simulator of a lane well?"""

from __future__ import annotations

from typing import Annotated

import typer


def probe(
    name: Annotated[str, typer.Argument(help="Segment; default: UERL_SHM_NAME.")] = "",
    lane: Annotated[str, typer.Argument(help="Lane; default: UERL_SHM_LANE.")] = "",
    path: Annotated[
        bool, typer.Option("--path", help="Print where the program is, to copy it.")
    ] = False,
) -> None:
    """Ask whether the simulator of a lane is well, for liveness probes.

    Examples:
        uerl-shm probe train 3
        cp $(uerl-shm probe --path) image/

    Exit code 0: healthy, or waiting for a learner or for commands; 1: late (silent for longer than
    the learner's step_deadline_s, or its process has stood still for 5 s) or fenced; 2: cannot
    tell. This runs uerl-shm-probe, a static program that images of simulators use without Python.
    """
    from uerl_shm._bin import FOLDER, become

    if path:
        print(FOLDER / "uerl-shm-probe")
        return
    become("uerl-shm-probe", [argument for argument in (name, lane) if argument])
