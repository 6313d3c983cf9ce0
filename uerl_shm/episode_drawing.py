"""Frames of a video: pictures side by side, each with a title above and captions below.

The only module that imports PIL, when it is used.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Panel", "animated_gif", "caption", "compose", "shrunk"]

Picture = NDArray[np.uint8]

GAP = 6  # pixels between panels and around them
LINE = 20  # pixels, height of one line of text
BACKGROUND, INK = (17, 19, 24), (225, 228, 232)
INSET = 3  # an inset is this many times smaller than the picture


@dataclass(frozen=True)
class Panel:
    """One view of one frame.

    Attributes:
        title: Line above the picture.
        picture: Shape ``(height, width, 3)``.
        inset: Likewise, of any size; None: there is none.
        lines: Captions below it; the same number in each frame of a video.
    """

    title: str
    picture: Picture
    inset: Picture | None
    lines: tuple[str, ...]


def compose(panels: Sequence[Panel], size: tuple[int, int]) -> Picture:
    """Return all panels in one frame, ``(height, width, 3)``, both even, as videos want them.

    Args:
        panels: At least one.
        size: Height and width of each picture, in pixels.
    """
    height, width = size
    columns = math.ceil(math.sqrt(len(panels)))
    num_lines = 1 + max(len(panel.lines) for panel in panels)
    tall, wide = height + num_lines * LINE + GAP, width + GAP
    rows = math.ceil(len(panels) / columns)
    frame: Picture = _blank(_even(rows * tall + GAP), _even(columns * wide + GAP)).copy()
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        top, left = GAP + row * tall, GAP + column * wide
        frame[top : top + LINE, left : left + width] = caption(panel.title, width)
        top += LINE
        frame[top : top + height, left : left + width] = _drawn(panel, size)
        for line, text in enumerate(panel.lines):
            place = top + height + line * LINE
            frame[place : place + LINE, left : left + width] = caption(text, width)
    return frame


def _drawn(panel: Panel, size: tuple[int, int]) -> Picture:
    picture = _fitted(panel.picture, size)
    if panel.inset is not None:
        small = (max(size[0] // INSET, 1), max(size[1] // INSET, 1))
        picture[: small[0], -small[1] :] = _fitted(panel.inset, small)
    return picture


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """Return a picture in the middle of ``size``: its pixels whole when larger, else averaged."""
    height, width = picture.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    if scale >= 1:
        picture = picture.repeat(int(scale), axis=0).repeat(int(scale), axis=1)
    else:
        picture = shrunk(picture, max(int(height * scale), 1), max(int(width * scale), 1))
    whole: Picture = _blank(*size).copy()
    top, left = (size[0] - picture.shape[0]) // 2, (size[1] - picture.shape[1]) // 2
    whole[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return whole


@functools.lru_cache(maxsize=8)  # copying is quicker than filling pixel by pixel
def _blank(height: int, width: int) -> Picture:
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def shrunk(picture: Picture, height: int, width: int) -> Picture:
    """Return a picture in another, smaller size; each pixel is the mean of those it covers."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def _even(number: int) -> int:
    return number + number % 2


@functools.lru_cache(maxsize=256)  # titles stay, and counts differ little between views
def caption(text: str, width: int) -> Picture:
    """Return a line of text as a picture of shape ``(LINE, width, 3)``."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, LINE), BACKGROUND)
    ImageDraw.Draw(image).text((2, 1), text, INK, _font())
    return np.asarray(image)


@functools.cache
def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=14)


def animated_gif(frames: Sequence[Picture], seconds_per_frame: float) -> bytes:
    """Return frames of one size as a GIF that repeats for ever."""
    from PIL import Image

    first, *rest = (Image.fromarray(frame) for frame in frames)
    target = io.BytesIO()
    first.save(
        target,
        "GIF",
        save_all=True,
        append_images=rest,
        duration=max(round(seconds_per_frame * 1000), 20),  # browsers slow down faster ones
        loop=0,
    )
    return target.getvalue()
