"""Where the frames of an episode go: an mp4 file, written as they come.

The only module that imports imageio_ffmpeg, when it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Video"]


class Video:
    """An mp4 that appears under its name when it is whole.

    Frames go through a pipe to ffmpeg, a process of its own, so that none is kept here; when it
    falls behind, `add` waits.

    Args:
        path: Of the file; its folder is made.
        fps: Frames per second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path = path
        self._part = path.with_name(f".{path.stem}.part.mp4")
        self._fps = fps
        self._writer: Any = None

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Write one frame, ``(height, width, 3)``, both even and the same for all.

        Raises:
            OSError: ffmpeg ended, or could not be started.
        """
        if self._writer is None:
            import imageio_ffmpeg

            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = imageio_ffmpeg.write_frames(
                str(self._part),
                frame.shape[1::-1],
                fps=self._fps,
                quality=7,
                macro_block_size=2,
                # It shares the cores with simulators; and a browser may begin before the end.
                output_params=["-preset", "superfast", "-movflags", "+faststart"],
            )
            self._writer.send(None)
        self._writer.send(np.ascontiguousarray(frame))

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: ffmpeg could not write it.
        """
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._part.replace(self.path)

    def discard(self) -> None:
        """Give the file up."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._part.unlink(missing_ok=True)
