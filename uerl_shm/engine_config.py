"""What an engine is set to: in training as fast as it goes, in use as people want to see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uerl_shm.errors import SpecError


@dataclass(frozen=True)
class EngineConfig:
    """Settings of an engine, for ``VecEnv(engine={"training": ..., "inference": ...})``.

    None leaves what the project has. The plugin applies those of ``"training"`` while a learner
    steps it, and those of ``"inference"`` when it runs an exported policy by itself.

    Attributes:
        fixed_fps: Steps of the world in a second of its own time.
        time_scale: How fast the world's time passes.
        quality_level: 0 (low) to 4 (cinematic).
        resolution: Width and height of the window, in pixels.
        target_fps: Most frames a second of real time; 0: as many as there can be.

    Raises:
        SpecError: A number is out of its range.
    """

    fixed_fps: float | None = None
    time_scale: float | None = None
    quality_level: int | None = None
    resolution: Sequence[int] | None = None
    target_fps: float | None = None

    def __post_init__(self) -> None:
        for name, low in (("fixed_fps", 0.0), ("time_scale", 0.0)):
            value = getattr(self, name)
            if value is not None and not value > low:
                raise SpecError(f"{name} {value!r}, expected more than 0")
        if self.target_fps is not None and not self.target_fps >= 0:
            raise SpecError(f"target_fps {self.target_fps!r}, expected at least 0")
        if self.quality_level is not None and self.quality_level not in range(5):
            raise SpecError(f"quality_level {self.quality_level!r}, expected 0 to 4")
        size = self.resolution
        if size is not None and (len(size) != 2 or not all(pixels >= 1 for pixels in size)):
            raise SpecError(f"resolution {size!r}, expected width and height in pixels")

    def to_json(self) -> dict[str, Any]:
        """Return the settings that are not None, as they stand in the segment's text."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if values["resolution"] is not None:
            values["resolution"] = [int(pixels) for pixels in values["resolution"]]
        return {name: value for name, value in values.items() if value is not None}
