"""Help for tests of the bundled simulators: where they are, their specs, actions for them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from uerl_shm import VecEnv

UERL_SIM = Path(__file__).resolve().parents[2] / "uerl_shm" / "bin" / "uerl-sim"
MODES = ["NextStep", "SameStep", "Disabled"]

MakeEnv = Callable[..., VecEnv]


def describe(tmp_path: Path, words: str) -> dict[str, Any]:
    """The spec of a scene, as JSON that may be changed."""
    path = tmp_path / "spec.json"
    subprocess.run([UERL_SIM, *words.split(), "--describe", path], check=True)
    return json.loads(path.read_text())


def random_actions(env: VecEnv, rng: np.random.Generator) -> np.ndarray:
    """Floats from -1 to 1 for every row of a single group."""
    shape = (env.num_envs, *env.spec.group.action_space().shape)
    return rng.uniform(-1.0, 1.0, shape).astype(np.float32)
