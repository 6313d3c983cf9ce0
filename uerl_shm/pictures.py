"""From arrays of any dtype to pictures: photographs, depth, segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Kind = Literal["rgb", "gray", "depth", "labels"]
KINDS: tuple[Kind, ...] = ("rgb", "gray", "depth", "labels")

# Viridis, dark to bright, at equal distances; bright is near.
_VIRIDIS = np.array(
    [
        (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141),
        (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
    ],
    np.float64,
)  # fmt: skip
_MISSING = (200, 0, 120)  # NaN
_NOTHING = (28, 30, 36)  # the sky of depth, label 0
_GOLDEN = 0.618033988749895  # of a turn: neighbouring numbers get colours far apart
_LABEL_WORDS = ("segment", "label", "class", "instance", "stencil")


def picture_shape(shape: Sequence[int]) -> tuple[int, int, int] | None:
    """Return ``(height, width, channels)`` of one row's array; None if it is no picture."""
    if len(shape) == 2 and min(shape) > 1:
        return shape[0], shape[1], 1
    if len(shape) != 3:
        return None
    if _is_channels_first(shape):
        return shape[1], shape[2], shape[0]
    return (shape[0], shape[1], shape[2]) if shape[2] <= 4 and min(shape[:2]) > 1 else None


def _is_channels_first(shape: Sequence[int]) -> bool:
    return shape[0] <= 4 < min(shape[1], shape[2])


def kind_of(name: str, dtype: np.dtype[Any], shape: Sequence[int]) -> Kind:
    """Guess what an array shows, from its name, dtype and shape."""
    found = picture_shape(shape)
    channels = 1 if found is None else found[2]
    if any(word in name.lower() for word in _LABEL_WORDS):
        return "labels"
    if channels >= 3:
        return "rgb"
    if dtype.kind == "f":
        return "depth"
    return "gray" if dtype == np.uint8 else "labels"


def to_pictures(rows: NDArray[Any], kind: Kind) -> tuple[Picture, tuple[float, float] | None]:
    """Return pictures of shape ``(rows, height, width, 3)``, and the range that colours span.

    Args:
        rows: Shape ``(rows, height, width)``, ``(rows, height, width, channels)`` or
            ``(rows, channels, height, width)``.
        kind: What they show.
    """
    if rows.ndim == 3:
        rows = rows[..., None]
    elif _is_channels_first(rows.shape[1:]):
        rows = np.moveaxis(rows, 1, -1)
    if kind == "labels":
        return _labels(rows[..., 0]), None
    if kind == "depth":
        return _depth(rows[..., 0].astype(np.float64))
    bright = rows if rows.dtype == np.uint8 else _as_bytes(rows)
    if kind == "rgb" and bright.shape[-1] >= 3:
        return np.ascontiguousarray(bright[..., :3]), None
    return np.repeat(bright[..., :1], 3, axis=-1), None


def _as_bytes(rows: NDArray[Any]) -> Picture:
    """Spread values over 0 to 255: from 0 to 1 where they are fractions, else from end to end."""
    values = np.nan_to_num(rows.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if rows.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    return np.clip((values - low) / max(high - low, 1e-12) * 255, 0, 255).astype(np.uint8)


def _depth(values: NDArray[np.float64]) -> tuple[Picture, tuple[float, float] | None]:
    """Colour by distance, near bright; on a logarithmic scale, as detail is in what is near."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.full((*values.shape, 3), _MISSING, np.uint8), None
    sky = values == finite.max()  # as far as numbers go
    sky &= bool(sky.mean() > 0.01)
    hits = finite[finite < finite.max()] if sky.any() else finite
    near, far = (float(edge) for edge in np.percentile(hits if hits.size else finite, (1, 99)))
    scale = np.log if near > 0.0 else np.positive
    with np.errstate(divide="ignore", invalid="ignore"):
        nearness = (scale(far) - scale(values)) / max(float(scale(far) - scale(near)), 1e-12)
    nearness = np.clip(np.nan_to_num(nearness, posinf=1.0, neginf=0.0), 0.0, 1.0)
    place = nearness * (len(_VIRIDIS) - 1)
    below = np.minimum(place.astype(np.int64), len(_VIRIDIS) - 2)
    part = (place - below)[..., None]
    colours = _VIRIDIS[below] * (1 - part) + _VIRIDIS[below + 1] * part
    colours[sky] = _NOTHING
    colours[np.isnan(values)] = _MISSING
    return colours.astype(np.uint8), (near, far)


def _labels(values: NDArray[Any]) -> Picture:
    numbers = values.astype(np.int64)
    hue = (numbers * _GOLDEN) % 1.0
    bright = np.where(numbers % 2 == 0, 0.95, 0.72)
    sector = np.stack([(hue * 6 + shift) % 6 for shift in (5, 3, 1)], axis=-1)
    fade = np.clip(np.minimum(sector, 4 - sector), 0.0, 1.0)  # hue to red, green, blue
    colours = bright[..., None] * (1 - 0.65 * fade) * 255
    colours[numbers == 0] = _NOTHING
    return np.asarray(colours, np.uint8)
