"""Envs of several processes in one Pod: each takes a segment name that is free."""

from __future__ import annotations

import os
import time
from typing import Any

from uerl_shm.errors import SegmentExists, SpecError
from uerl_shm.launcher import Simulator
from uerl_shm.launcher_command import ENV_NAME
from uerl_shm.vec_env import VecEnv

__all__ = ["make_env"]

_PAUSE_S = 0.1


def make_env(simulator: Simulator | None = None, num_envs: int = 1, **options: Any) -> VecEnv:
    """Make a `VecEnv` over a segment name that no other process of this Pod has.

    In a Pod ``UERL_SHM_NAME`` lists the names of its segments, ``"train-0,train-1"``: one for each
    process that steps envs, and sidecars wait for theirs. The env takes the first whose owner's
    lock is free. While all are in use it waits for one: whoever was killed gave up its lock, and
    its successor takes over its segment, so that nothing dead piles up in /dev/shm.

    Args:
        simulator: As of `VecEnv`; None: sidecars, which need the names.
        num_envs: As of `VecEnv`.
        options: Of `VecEnv`. With ``name=``, or without names in the environment, nothing is chosen
            here. ``startup_timeout_s`` also is the longest wait for a free name.

    Raises:
        SpecError: No simulator, and no name of a segment; or as `VecEnv`.
        SegmentExists: Every name stayed in use.
    """
    text = os.environ.get(ENV_NAME, "")
    names = [name.strip() for name in text.split(",") if name.strip()]
    if options.get("name") is not None or (simulator is not None and not names):
        return VecEnv(simulator, num_envs, **options)
    if not names:
        raise SpecError(
            f"no simulator and {ENV_NAME} {text!r} in the environment, expected the names that "
            "simulators attach to: set it as in their containers, or give a command that starts "
            "simulators"
        )
    deadline = time.monotonic() + options.get("startup_timeout_s", 300.0)
    while True:
        for name in names:
            try:
                return VecEnv(simulator, num_envs, **{**options, "name": name})
            except SegmentExists as error:
                in_use = error
        if time.monotonic() > deadline:
            raise SegmentExists(
                f"segments {', '.join(names)} are all in use, expected a free one: list a name in "
                f"{ENV_NAME} for each process of this Pod that steps envs"
            ) from in_use
        time.sleep(_PAUSE_S)
