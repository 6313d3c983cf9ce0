"""What TensorBoard can show of an episode: a small animated GIF.

TensorBoard has no page for videos: it shows images, and browsers play a GIF among them. The only
module that imports tensorboard, when it is used.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uerl_shm import episode_drawing as drawing

__all__ = ["Board", "Clip"]

MAX_FRAMES = 64
MAX_SIDE = 320  # pixels


class Clip:
    """The frames of an episode, few and small, however long it is.

    When `MAX_FRAMES` are kept, every second one is let go, and from then on only every second one
    of those that come is kept: so they cover the whole episode evenly.
    """

    def __init__(self) -> None:
        self._frames: list[NDArray[np.uint8]] = []
        self._stride, self._num_seen = 1, 0

    @property
    def num_frames(self) -> int:
        """Frames that are kept."""
        return len(self._frames)

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Look at the next frame, ``(height, width, 3)``; a smaller copy is kept, or none."""
        number, self._num_seen = self._num_seen, self._num_seen + 1
        if number % self._stride:
            return
        if len(self._frames) == MAX_FRAMES:
            del self._frames[1::2]
            self._stride *= 2
            if number % self._stride:
                return
        height, width = frame.shape[:2]
        scale = min(MAX_SIDE / max(height, width), 1.0)
        size = max(int(height * scale), 1), max(int(width * scale), 1)
        self._frames.append(drawing.shrunk(frame, *size))

    def gif(self, fps: float) -> tuple[bytes, int, int]:
        """Return a GIF as fast as the episode was, with its height and width."""
        height, width = self._frames[0].shape[:2]
        return drawing.animated_gif(self._frames, self._stride / fps), height, width


class Board:
    """Writes clips and figures of episodes where TensorBoard looks for them.

    Args:
        folder: A run of TensorBoard's ``--logdir``.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))

    def add(self, clip: Clip, fps: float, numbers: dict[str, float], episode: int) -> None:
        """Write one episode; its number is TensorBoard's step."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        encoded, height, width = clip.gif(fps)
        image = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=encoded
        )
        values = [Summary.Value(tag="episode/video", image=image)]
        values += [Summary.Value(tag=tag, simple_value=number) for tag, number in numbers.items()]
        self._writer.add_event(
            Event(wall_time=time.time(), step=episode, summary=Summary(value=values))
        )
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
