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
            *_, terminated, truncated, info = recorded.step(env.action_space.sample())
            done = ended(env, terminated, truncated, info)
            if options.get("autoreset_mode") == "Disabled" and done.any():
                recorded.reset(options={"reset_mask": done})
        if path is None:
            return None
        recorded.__exit__()
        return recorded.counts


def ended(env: uerl_shm.VecEnv, terminated: Any, truncated: Any, info: Any) -> np.ndarray:
    """Which worlds have ended, as a reset_mask: every agent is done or absent."""
    if not isinstance(terminated, dict):
        return terminated | truncated  # all agents of these scenes end at once
    done = [terminated[name] | truncated[name] for name in terminated]
    away = [~info[name]["mask"] for name in terminated]
    pairs = zip(done, away, strict=True)
    all_out = [(d | a).reshape(env.num_worlds, -1).all(axis=1) for d, a in pairs]
    any_done = [d.reshape(env.num_worlds, -1).any(axis=1) for d in done]
    return np.logical_and.reduce(all_out) & np.logical_or.reduce(any_done)


def folders(path: Path) -> list[Path]:
    """The data sets of a recording: one for each group."""
    if (path / "data").exists():
        return [path / "data"]
    return [folder / "data" for folder in sorted(path.iterdir())]


def contents(folder: Path) -> dict[str, Any]:
    """Every array of a data set as bytes, by where its episode belongs.

    In which order episodes of one step end, and why one was cut, may differ.
    """
    found: dict[str, Any] = {}
    with h5py.File(folder / "main_data.hdf5") as file:
        for episode in file.values():
            keys = ("env", "agent", "episode", "first_step", "total_steps")
            place = ", ".join(f"{key} {episode.attrs[key]}" for key in keys)

            def visit(name: str, item: Any, place: str = place) -> None:
                if isinstance(item, h5py.Dataset):
                    found[f"{place}: {name}"] = item.dtype.str, item[()].tobytes()

            episode.visititems(visit)
            found[f"{place}: seed"] = episode.attrs.get("seed")
    return found


def run_python(text: str) -> list[str]:
    """Command line of a Python program."""
    return [sys.executable, "-c", text]
