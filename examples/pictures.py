"""What a run shows: a progress bar, a learning curve, and a video of all envs side by side."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

import uerl_shm

TILE = 210  # pixels, about, of one env in a mosaic
MAX_WIDTH = 1600  # pixels of a mosaic
CAPTION = 26  # pixels, height of the line under an env
GAP = 6
BACKGROUND, INK = (24, 26, 30), (225, 228, 232)
PLAYERS = {
    "mean_return": "policy after training",
    "best_constant_return": "best constant action",
    "random_return": "random actions",
    "blind_return": "policy fed black frames",
}
MAX_FRAMES = 1800  # of a video


class Progress:
    """A bar on a terminal; elsewhere ten lines, which suit a log."""

    def __init__(self, total: int, done: int) -> None:
        self.bar = tqdm(
            total=total, initial=done, unit=" steps", disable=None, dynamic_ncols=True, leave=True
        )
        self.total, self.done, self.shown = total, done, done * 10 // total

    def update(self, done: int, text: str) -> None:
        """Show that ``done`` steps of all are done."""
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update(done - self.done)
        self.done = done
        if self.bar.disable and done * 10 // self.total > self.shown:
            self.shown = done * 10 // self.total
            print(f"{done:>10,} of {self.total:,} steps  {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self.bar.close()


def num_columns(num_tiles: int) -> int:
    """Return a width that fills a rectangle if one is near a square, else a square's."""
    start = math.ceil(math.sqrt(num_tiles))
    for columns in range(start, start * 3 // 2 + 1):
        if num_tiles % columns == 0:
            return columns
    return start


def enlarged(picture: np.ndarray, tile: int) -> np.ndarray:
    """Return a picture (height, width, 1 or 3), its pixels whole, sides of at most ``tile``."""
    factor = tile / max(picture.shape[:2])
    if factor >= 1:
        picture = picture.repeat(int(factor), axis=0).repeat(int(factor), axis=1)
    else:
        picture = picture[:: math.ceil(1 / factor), :: math.ceil(1 / factor)]
    return np.broadcast_to(picture, (*picture.shape[:2], 3))


def mosaic(pictures: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """Put the pictures of all envs into one.

    Args:
        pictures: Shape ``(num_envs, height, width, 1 or 3)``, uint8.
        captions: A short line for each env.

    Returns:
        Shape ``(height, width, 3)``, uint8; both even, as videos want them.
    """
    columns = num_columns(len(pictures))
    tiles = [enlarged(picture, min(TILE, MAX_WIDTH // columns)) for picture in pictures]
    height, width = tiles[0].shape[0] + CAPTION + GAP, tiles[0].shape[1] + GAP
    lines = math.ceil(len(tiles) / columns)
    whole = np.empty((even(lines * height + GAP), even(columns * width + GAP), 3), np.uint8)
    whole[:] = BACKGROUND
    for number, (tile, text) in enumerate(zip(tiles, captions, strict=True)):
        y, x = GAP + number // columns * height, GAP + number % columns * width
        bottom, right = y + tile.shape[0], x + tile.shape[1]
        whole[y:bottom, x:right] = tile
        whole[bottom : bottom + CAPTION, x:right] = written(text, right - x)
    return whole


def even(number: int) -> int:
    return number + number % 2


@functools.lru_cache(maxsize=1000)  # captions change seldom, and writing is slow
def written(text: str, width: int) -> np.ndarray:
    """Return a caption as a picture of shape ``(CAPTION, width, 3)``."""
    image = Image.new("RGB", (width, CAPTION), BACKGROUND)
    ImageDraw.Draw(image).text((4, 4), text, INK, ImageFont.load_default(size=15))
    return np.asarray(image)


class Video:
    """An mp4 of all envs side by side; a context manager.

    Args:
        path: Of the file; nothing is written where the spec names no picture.
        spec: Says which observation array is the picture, and how fast they follow each other.
    """

    def __init__(self, path: Path, spec: uerl_shm.EnvSpec) -> None:
        self.path, self.spec = path, spec
        self._writer: Any = None
        self._num_frames = 0

    def watch(self, observation: Any, totals: Any) -> None:
        """Add the envs as they are now.

        Args:
            observation: A batch of `VecEnv`.
            totals: Shape ``(num_envs,)``: their returns so far.
        """
        if self.spec.render is None or self._num_frames == MAX_FRAMES:
            return
        seen = observation[self.spec.render] if isinstance(observation, dict) else observation
        captions = [f"env {row}   return {total:g}" for row, total in enumerate(totals.tolist())]
        frame = mosaic(np.asarray(seen), captions)
        if self._writer is None:
            self._writer = imageio_ffmpeg.write_frames(
                str(self.path),
                frame.shape[1::-1],
                fps=self.spec.render_fps,
                macro_block_size=2,
                output_params=["-preset", "superfast"],  # it shares the cores with simulators
            )
            self._writer.send(None)
        self._writer.send(frame)
        self._num_frames += 1

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._writer is not None:
            self._writer.close()


def draw_learning_curve(
    path: Path, title: str, episodes: np.ndarray, result: dict[str, float], smooth: int = 40
) -> None:
    """Draw the return of each episode over env steps.

    Args:
        path: Of the PNG.
        title: Above the picture.
        episodes: Shape ``(num_episodes, 2)``: env steps when it ended, return.
        result: Returns to compare with (those of ``PLAYERS``), each drawn as a line.
        smooth: Episodes in the moving mean.
    """
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    if len(episodes):
        steps, totals = episodes.T
        sums = np.cumsum(np.concatenate([[0.0], totals]))
        ends = np.flatnonzero(np.diff(steps, append=np.inf)) + 1  # envs often end at the same time
        starts = np.maximum(ends - smooth, 0)
        mean = (sums[ends] - sums[starts]) / (ends - starts)
        dots = {"linestyle": "", "marker": ".", "markersize": 4, "alpha": 0.3}
        axes.plot(steps, totals, color="tab:blue", label="one episode", **dots)
        label = f"mean of the last {smooth}"
        axes.plot(steps[ends - 1], mean, color="tab:blue", linewidth=2, label=label)
    for number, (key, name) in enumerate(PLAYERS.items()):
        if key in result:
            style = {"color": f"C{number + 1}", "linestyle": "--", "linewidth": 1.2}
            axes.axhline(result[key], label=f"{name}: {result[key]:.2f}", **style)
    axes.set(title=title, xlabel="env steps", ylabel="return of an episode (sum of rewards)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside right upper", fontsize="small", frameon=False)
    figure.savefig(path)
