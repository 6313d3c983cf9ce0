"""What an engine is set to: in training as fast as it goes, in use as people want to see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uerl_shm import spec_checks as checks
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
        for name in ("fixed_fps", "time_scale", "target_fps"):
            value = getattr(self, name)
            if value is None:
                continue
            number = checks.checked_number(name, value)
            if number < 0 or (number == 0 and name != "target_fps"):
                raise SpecError(f"{name} {value!r}, expected a positive number")
        if self.quality_level is not None:
            checks.checked_integer("quality_level", self.quality_level, 0, 4)
        size = self.resolution
        if size is None:
            return
        if isinstance(size, str) or not isinstance(size, Sequence) or len(size) != 2:
            raise SpecError(f"resolution {size!r}, expected width and height in pixels")
        for pixels in size:
            checks.checked_integer("resolution", pixels, 1, 1 << 15)

    def to_json(self) -> dict[str, Any]:
        """Return the settings that are not None, as they stand in the segment's text."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if values["resolution"] is not None:
            values["resolution"] = [int(pixels) for pixels in values["resolution"]]
        return {name: value for name, value in values.items() if value is not None}
