"""A gymnasium env that does nothing but hand over a frame: what is left is the transport."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

FRAME = (84, 84, 3)


class DummyEnv(gymnasium.Env):
    """Every observation is one frame, filled with the number of the step."""

    observation_space = Box(0, 255, FRAME, np.uint8)
    action_space = Discrete(6)

    def __init__(self) -> None:
        self.frame = np.zeros(FRAME, np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin an episode; it never ends."""
        self.frame[...] = 0
        return self.frame, {}

    def step(self, action: Any) -> Any:
        """Change the whole frame, as an env that renders does."""
        self.frame += 1
        return self.frame, 1.0, False, False, {}
