"""What a CPU camera should see, computed in another way: every face of every box, in NumPy."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np

SKY = np.array([135, 206, 235], np.uint8)
LIGHT = np.array([0.36, 0.48, 0.8])


def axes(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Columns: forward, right and up of something that is turned; float64 (3, 3)."""
    (sp, sy, sr), (cp, cy, cr) = (
        [function(math.radians(angle)) for angle in (pitch, yaw, roll)]
        for function in (math.sin, math.cos)
    )
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, sr], [0, -sr, cr]])
    return about_z @ about_y @ about_x


def rays(eye: dict[str, Any], width: int, height: int, fov: float) -> np.ndarray:
    """Rays through the middles of pixels, one centimetre along the view; (H, W, 3)."""
    pixel = 2 * math.tan(math.radians(fov) / 2) / width
    right, down = np.meshgrid(
        (np.arange(width) + 0.5 - width / 2) * pixel, (np.arange(height) + 0.5 - height / 2) * pixel
    )
    return np.stack([np.ones_like(right), right, -down], axis=-1) @ axes(*eye["rotation"]).T


def material_color(what: dict[str, Any], path: str | None) -> np.ndarray:
    """The table's colour, else 64 to 191 by the CRC of the path; gray without a material."""
    if path is None:
        return np.array([128, 128, 128], np.uint8)
    crc = zlib.crc32(path.encode("utf-32-le"))
    made = [64 + (crc >> shift & 127) for shift in (16, 8, 0)]
    return np.array((what["colors"] or {}).get(path, made), np.uint8)


def trace(
    what: dict[str, Any], boxes: list[dict[str, Any]], eye: dict[str, Any], camera: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Return ``color`` uint8 (H, W, 3), ``depth`` float64 cm and ``segmentation`` uint8 (H, W, 1).

    Args:
        what: The scene, for its colours.
        boxes: That are seen.
        eye: Whose ``location`` and ``rotation`` are the camera's.
        camera: Its ``width``, ``height``, and ``fov`` and ``max_distance`` unless they are default.
    """
    far = camera.get("max_distance", 15000.0)
    ray = rays(eye, camera["width"], camera["height"], camera.get("fov", 90.0))
    start = np.array(eye["location"], float)
    depth = np.full(ray.shape[:2], far)
    color = np.broadcast_to(SKY, ray.shape).copy()
    segmentation = np.zeros(ray.shape[:2], np.uint8)
    for box in boxes:
        for face in range(6):
            axis, sign = face // 2, 1 if face % 2 else -1
            location, extent = np.array(box["location"]), np.array(box["extent"])
            with np.errstate(divide="ignore", invalid="ignore"):
                at = (location[axis] + sign * extent[axis] - start[axis]) / ray[..., axis]
                point = start + ray * at[..., None]
            others = [other for other in range(3) if other != axis]
            inside = (np.abs(point - location) <= extent)[..., others].all(axis=-1)
            hit = inside & (ray[..., axis] * sign < 0) & (at >= 0) & (at <= far) & (at < depth)
            materials = box.get("materials", [None])
            path = materials[face] if len(materials) == 6 else materials[0]
            brightness = np.float32(0.625 + 0.375 * sign * LIGHT[axis])
            shaded = material_color(what, path).astype(np.float32) * brightness + np.float32(0.5)
            depth[hit] = at[hit]
            color[hit] = shaded.astype(np.uint8)
            segmentation[hit] = box.get("stencil", 0)
    return {
        "color": color,
        "depth": depth[..., None],
        "segmentation": segmentation[..., None],
    }
