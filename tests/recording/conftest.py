"""What tests of recordings share: folders, scenes, and data sets compared byte for byte."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uerl_shm
from command_line import ENVIRONMENT, PROGRAM
from support.bundled import UERL_SIM

h5py = pytest.importorskip("h5py", reason="recording needs it: pip install 'uerl_shm[record]'")


def scene(words: str) -> list[str]:
    """Command line of a bundled simulator."""
    return [str(UERL_SIM), *words.split()]


def replay(path: Path) -> list[str]:
    """Command line of a simulator that plays a data set."""
    return [*PROGRAM, "replay", str(path)]


def play(
    simulator: list[str],
    path: Path | None = None,
    num_steps: int = 150,
    seed: int = 0,
    **options: Any,
) -> Any:
    """Step an env with random actions, recorded if there is a path; return what was counted."""
    options.setdefault("environ", {"PYTHONPATH": ENVIRONMENT["PYTHONPATH"]})
    with closing(uerl_shm.VecEnv(simulator, **options)) as env:
        recorded = env if path is None else uerl_shm.record(env, path)
        env.action_space.seed(seed)
        recorded.reset(seed=seed)
        for _ in range(num_steps):
            *_, terminated, truncated, _ = recorded.step(env.action_space.sample())
            done = ended(env, terminated, truncated)
            if options.get("autoreset_mode") == "Disabled" and done.any():
                recorded.reset(options={"reset_mask": done})
        if path is None:
            return None
        recorded.__exit__()
        return recorded.counts


def ended(env: uerl_shm.VecEnv, terminated: Any, truncated: Any) -> np.ndarray:
    """Which entries of a reset_mask have ended; in the scenes used here all agents end at once."""
    if not isinstance(terminated, dict):
        return terminated | truncated
    each = [(terminated[name] | truncated[name]) for name in terminated]
    return np.logical_or.reduce([rows.reshape(env.num_worlds, -1).all(axis=1) for rows in each])


def folders(path: Path) -> list[Path]:
    """The data sets of a recording: one for each group."""
    if (path / "data").exists():
        return [path / "data"]
    return [folder / "data" for folder in sorted(path.iterdir())]


def contents(folder: Path) -> dict[str, Any]:
    """Everything in a data set's file, as bytes; why an episode was cut is left out."""
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        attributes = {key: int(value) for key, value in item.attrs.items() if key != "cut"}
        is_array = isinstance(item, h5py.Dataset)
        found[name] = (attributes, item.dtype.str, item[()].tobytes()) if is_array else attributes

    with h5py.File(folder / "main_data.hdf5") as file:
        file.visititems(visit)
    return found


def run_python(text: str) -> list[str]:
    """Command line of a Python program."""
    return [sys.executable, "-c", text]
