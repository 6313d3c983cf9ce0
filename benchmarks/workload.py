"""What is measured: how many simulators, which frames, how much work; and whether it arrived."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
NUM_CHECKED = 30  # steps whose bytes are compared before anything is timed

#: Takes actions, float32 (num_envs, 4); returns camera (num_envs, h, w, c), state (num_envs, 64).
Step = Callable[[np.ndarray], tuple[Any, Any]]


@dataclass(frozen=True)
class Workload:
    """What every transport carries.

    Attributes:
        num_envs: Simulators, one env each.
        frame: Width, height and channels of the camera, uint8; 64 floats come with it.
        step_us: Microseconds of computing in each step.
        wait_us: Microseconds of sleep in each step, as if for a GPU.
    """

    num_envs: int = 1
    frame: tuple[int, int, int] = (84, 84, 3)
    step_us: int = 0
    wait_us: int = 0

    @property
    def image(self) -> tuple[int, int, int]:
        """Shape of a camera's row."""
        width, height, channels = self.frame
        return height, width, channels

    def actions(self) -> np.ndarray:
        """The same actions for every transport."""
        return np.linspace(-1, 1, self.num_envs * 4, dtype=np.float32).reshape(-1, 4)

    def __str__(self) -> str:
        work = f"-{self.step_us}us_work" * bool(self.step_us)
        work += f"-{self.wait_us}us_wait" * bool(self.wait_us)
        return f"{self.num_envs}_simulators-{'x'.join(map(str, self.frame))}{work}"


def check(workload: Workload, step: Step, first: int) -> None:
    """Step a while, and compare every byte with what its simulator must have written.

    Args:
        workload: What `step` carries.
        step: The transport.
        first: Number of the pattern's step that comes next.
    """
    from probe_pattern import expected  # type: ignore[import-not-found]

    for number in range(first, first + NUM_CHECKED):
        camera, state = step(workload.actions())
        for env in range(workload.num_envs):
            wanted = expected("agent/observation/camera", env, 0, number, workload.image, "uint8")
            assert np.array_equal(camera[env], wanted), f"camera of env {env} at step {number}"
            wanted = expected("agent/observation/state", env, 0, number, (64,), "float32")
            assert np.array_equal(state[env], wanted), f"state of env {env} at step {number}"
