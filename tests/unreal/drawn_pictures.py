"""What the stand-in's renderer draws, and whether a batch holds it.

The picture of tick t of a world: red ``(7 x + 13 y) ^ t >> 16``, green ``(7 x + 13 y + 101) ^
t >> 8``, blue ``(7 x + 13 y + 202) ^ t``, each modulo 256 (shim/ShimRender.cpp). A step ticks the
world once, a reset does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

CAMERAS = ("small", "large")


def base(height: int, width: int) -> np.ndarray:
    """The picture of tick 0: uint8 (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width]
    pixels = (columns * 7 + rows * 13)[..., None] + np.array([0, 101, 202])
    return pixels.astype(np.uint8)


class PictureChecker:
    """Compares every picture of a `VecEnv` over the level Cameras, and the steps they carry.

    Args:
        env: In NEXT_STEP mode, about to be reset.
        latency: Of the camera ``large``.

    Attributes:
        num_pictures: Compared.
        num_wrong: Of which a pixel was wrong.
        num_wrong_steps: That carried another step than the one expected.
    """

    def __init__(self, env: Any, latency: int) -> None:
        self.latency = latency
        self.ticks = np.zeros(env.num_envs, np.int64)
        self.ended = np.ones(env.num_envs, bool)  # the first observations are of a reset
        space = env.single_observation_space
        # As rows of bytes: three at a time would be slow.
        pictures = {name: base(*space[name].shape[:2]) for name in CAMERAS}
        self.base = {name: picture.reshape(len(picture), -1) for name, picture in pictures.items()}
        self.wanted = {name: np.empty_like(picture) for name, picture in self.base.items()}
        self.num_pictures = self.num_wrong = self.num_wrong_steps = 0

    def check(self, observation: Any, info: Any, ended: np.ndarray) -> None:
        """Compare a batch; `ended` says which episodes it ended."""
        first = self.ended
        self.ticks += ~first
        for name in CAMERAS:
            lag = np.where(first, 0, self.latency if name == "large" else 0)
            steps = info["step"] - lag
            self.num_wrong_steps += int(np.count_nonzero(info[f"{name}_step"] != steps))
            for env, tick in enumerate(self.ticks - lag):
                self._compare(name, observation[name][env], int(tick))
        self.ended = ended.copy()

    def _compare(self, name: str, picture: np.ndarray, tick: int) -> None:
        key = np.array([tick >> 16 & 255, tick >> 8 & 255, tick & 255], np.uint8)
        start, wanted = self.base[name], self.wanted[name]
        np.bitwise_xor(start, np.tile(key, start.shape[1] // 3), out=wanted)
        self.num_pictures += 1
        self.num_wrong += not np.array_equal(picture.reshape(wanted.shape), wanted)
