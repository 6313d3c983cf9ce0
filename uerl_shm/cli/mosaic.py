"""Pictures side by side, each under its number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

MAX_WIDTH, MAX_HEIGHT = 1280, 960  # pixels of a mosaic, as long as a tile stays one pixel large
MAX_ZOOM = 12
GAP = 6  # pixels between tiles and around them
BACKGROUND = (17, 19, 24)
EMPTY = (30, 33, 40)
INK = (168, 176, 190)
ALARM = (255, 92, 92)

GLYPH_WIDTH, GLYPH_HEIGHT = 5, 7
GLYPHS = {
    "0": ".###. #...# #..## #.#.# ##..# #...# .###.",
    "1": "..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###.",
    "2": ".###. #...# ....# ...#. ..#.. .#... #####",
    "3": "##### ...#. ..#.. ...#. ....# #...# .###.",
    "4": "...#. ..##. .#.#. #..#. ##### ...#. ...#.",
    "5": "##### #.... ####. ....# ....# #...# .###.",
    "6": "..##. .#... #.... ####. #...# #...# .###.",
    "7": "##### ....# ...#. ..#.. .#... .#... .#...",
    "8": ".###. #...# #...# .###. #...# #...# .###.",
    "9": ".###. #...# #...# .#### ....# ...#. .##..",
    ".": "..... ..... ..... ..... ..... .##.. .##..",
}


@dataclass(frozen=True)
class Tile:
    """One picture of a mosaic.

    Attributes:
        label: Digits and dots, such as ``"3"`` or ``"3.1"``.
        picture: Shape ``(height, width, 3)``; None where there is none yet.
        alarm: Whether the label is drawn red.
        dim: Whether the picture is drawn dark.
    """

    label: str
    picture: Picture | None
    alarm: bool = False
    dim: bool = False


def text_mask(text: str, zoom: int) -> NDArray[np.bool_]:
    """Return digits and dots as a mask of shape ``(7 * zoom, width)``."""
    columns = []
    for character in text:
        lines = [[dot == "#" for dot in line] for line in GLYPHS[character].split()]
        columns.append(np.array(lines, bool))
        columns.append(np.zeros((GLYPH_HEIGHT, 1), bool))
    mask = np.concatenate(columns[:-1], axis=1)
    return mask.repeat(zoom, axis=0).repeat(zoom, axis=1)


@dataclass(frozen=True)
class Grid:
    """How tiles are arranged: columns, rows, and the size of a tile and of the strip above it."""

    columns: int
    rows: int
    zoom: int
    shrink: int
    width: int
    height: int
    strip: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the whole mosaic."""
        return (
            GAP + self.rows * (self.strip + self.height + GAP),
            GAP + self.columns * (self.width + GAP),
        )


def arrange(count: int, height: int, width: int) -> Grid:
    """Return the grid that shows ``count`` pictures largest on one screen."""
    grids = [_grid(columns, count, height, width) for columns in range(1, count + 1)]

    def worth(grid: Grid) -> tuple[float, int, float]:
        empty = grid.columns * grid.rows - count
        tall, wide = grid.size
        return grid.zoom / grid.shrink, -empty, -abs(math.log(wide / tall / 1.6))

    return max(grids, key=worth)


def _grid(columns: int, count: int, height: int, width: int) -> Grid:
    rows = math.ceil(count / columns)
    room_x = (MAX_WIDTH - GAP) / columns - GAP
    room_y = (MAX_HEIGHT - GAP) / rows - GAP - (GLYPH_HEIGHT * 2 + 6)
    zoom = int(max(min(room_x / width, room_y / height, MAX_ZOOM), 1))
    shrink = math.ceil(max(width / max(room_x, 1), height / max(room_y, 1), 1)) if zoom == 1 else 1
    wide, tall = width * zoom // shrink, height * zoom // shrink
    strip = GLYPH_HEIGHT * _label_zoom(wide) + 6
    return Grid(columns, rows, zoom, shrink, max(wide, 1), max(tall, 1), strip)


def _label_zoom(width: int) -> int:
    return 2 if width >= 60 else 1


def compose(tiles: Sequence[Tile], height: int, width: int) -> Picture:
    """Return the mosaic of tiles whose pictures have shape ``(height, width, 3)``."""
    grid = arrange(len(tiles), height, width)
    canvas = np.empty((*grid.size, 3), np.uint8)
    canvas[:] = BACKGROUND
    for index, tile in enumerate(tiles):
        row, column = divmod(index, grid.columns)
        top = GAP + row * (grid.strip + grid.height + GAP)
        left = GAP + column * (grid.width + GAP)
        _draw_label(canvas[top : top + grid.strip, left : left + grid.width], tile)
        top += grid.strip
        canvas[top : top + grid.height, left : left + grid.width] = _fitted(tile, grid)
    return canvas


def _draw_label(strip: Picture, tile: Tile) -> None:
    mask = text_mask(tile.label, _label_zoom(strip.shape[1]))
    mask = mask[:, : strip.shape[1]]
    top = (strip.shape[0] - mask.shape[0]) // 2
    strip[top : top + mask.shape[0], : mask.shape[1]][mask] = ALARM if tile.alarm else INK


def _fitted(tile: Tile, grid: Grid) -> Picture:
    """Return a tile's picture in the size of the grid: whole pixels larger, or averaged smaller."""
    if tile.picture is None:
        return np.full((grid.height, grid.width, 3), EMPTY, np.uint8)
    picture = tile.picture
    if grid.shrink > 1:
        step = grid.shrink
        whole = picture[: grid.height * step, : grid.width * step].astype(np.float32)
        shape = (grid.height, step, grid.width, step, 3)
        picture = whole.reshape(shape).mean(axis=(1, 3)).astype(np.uint8)
    else:
        picture = picture.repeat(grid.zoom, axis=0).repeat(grid.zoom, axis=1)
    return picture // 3 if tile.dim else picture
