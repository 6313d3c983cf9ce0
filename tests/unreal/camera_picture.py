"""Draws what a CPU camera sees of the reference scene, for a person to look at.

    camera_picture.py [--out FILE]

From left to right: the 42x42 picture that a policy sees, enlarged; colours, depth (near is bright)
and segmentation at 336x336.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from camera_scene import camera, first_pictures, scene

import build as shim_build

ROOT = Path(__file__).resolve().parents[2]
SIDE = 336  # 8 x 42
FAR_CM = 2500.0
GAP = 8


def panels(engine: Path) -> list[np.ndarray]:
    """Return the four pictures, uint8 (SIDE, SIDE, 3) each."""
    large = {"width": SIDE, "height": SIDE}
    what = scene(
        [
            camera("small"),
            camera("color", **large),
            camera("depth", "depth_camera_cpu", max_distance=FAR_CM, **large),
            camera("segmentation", "segmentation_camera_cpu", **large),
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        seen = first_pictures(engine, Path(folder), what)
    small = seen["small"].repeat(SIDE // 42, axis=0).repeat(SIDE // 42, axis=1)
    near = (255 * (1 - seen["depth"] / FAR_CM)).astype(np.uint8).repeat(3, axis=2)
    palette = np.random.default_rng(1).integers(60, 255, (256, 3), np.uint8)
    palette[0] = 0
    return [small, seen["color"], near, palette[seen["segmentation"][..., 0]]]


def main() -> None:
    """Build the stand-in, draw, and say where."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "camera-cpu.png")
    options = parser.parse_args()
    drawn = panels(shim_build.build(ROOT / "build" / "unreal" / "plain"))
    gap = np.full((SIDE, GAP, 3), 255, np.uint8)
    row = [part for panel in drawn for part in (panel, gap)][:-1]
    picture = np.concatenate(row, axis=1)
    imageio.imwrite(options.out, picture)
    num_colors = len(np.unique(drawn[1].reshape(-1, 3), axis=0))
    print(
        f"RESULT file={options.out} height={picture.shape[0]} width={picture.shape[1]} "
        f"colors={num_colors}"
    )
    if num_colors < 8:
        raise SystemExit(f"the picture has {num_colors} colours, expected at least 8: look at it")


if __name__ == "__main__":
    main()
