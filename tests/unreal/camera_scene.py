"""A scene for cameras that need no GPU: boxes, colours and cameras, as the level Scene reads them.

Distances are centimetres, angles degrees, axes the engine's: x forward, y right, z up.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from uerl_shm import VecEnv

Json = dict[str, Any]

#: Asset paths of materials, and the colours that the reference table has for them.
FLOOR, WALL, CRATE, BALL, POST = (
    f"/Game/{name}.{name}" for name in ("Floor", "Wall", "Crate", "Ball", "Post")
)
SIDES = [f"/Game/Side{side}.Side{side}" for side in range(6)]  # faces -x +x -y +y -z +z
COLORS = {
    FLOOR: [110, 120, 105],
    WALL: [200, 190, 170],
    CRATE: [190, 110, 40],
    BALL: [220, 30, 30],
    POST: [40, 80, 200],
    **{path: [40 * side + 30, 255 - 40 * side, 128] for side, path in enumerate(SIDES)},
}


def box(name: str, location: list[float], extent: list[float], **more: Any) -> Json:
    """A box: where its middle is, half its edges, and ``materials``, ``stencil`` and the like."""
    return {"name": name, "location": location, "extent": extent, "rotation": [0, 0, 0], **more}


def camera(name: str, kind: str = "camera_cpu", **settings: Any) -> Json:
    """A camera with UERL's keys."""
    return {"ue_class_name": kind, "name": name, "width": 42, "height": 42, **settings}


def scene(cameras: list[Json], **agent: Any) -> Json:
    """The reference scene, seen by an agent that stands in its front, with these cameras."""
    return {
        "colors": dict(COLORS),
        "boxes": [
            box("Floor", [900, 0, -110], [1500, 800, 10], materials=[FLOOR], stencil=1),
            box("Wall", [1817, 13, 190], [20, 640, 290], materials=[WALL], stencil=2),
            box("Crate", [710, -230, -37], [63, 63, 63], materials=[CRATE], stencil=3),
            box("Sides", [560, 190, 11], [71, 83, 57], materials=SIDES, stencil=255),
            box("Ball", [1210, 31, 243], [57, 57, 57], materials=[BALL], stencil=7, dynamic=True),
            box("Post", [990, 411, 101], [23, 23, 201], materials=[POST]),
        ],
        "agent": box("Watcher", [3, -7, 60], [50, 50, 50], materials=[BALL], stencil=9) | agent,
        "cameras": cameras,
    }


@contextmanager
def pictures(
    engine: Path, folder: Path, what: Mapping[str, Any], arguments: str = "-nullrhi"
) -> Iterator[VecEnv]:
    """Start a simulator of a scene, which is written into a folder."""
    file = folder / "scene.json"
    file.write_text(json.dumps(what))
    command = f"{shlex.quote(str(engine))} Scene -ShimScene={file} {arguments}"
    env = VecEnv(command, num_envs=1, timeout_s=60.0)
    try:
        yield env
    finally:
        env.close()


def first_pictures(engine: Path, folder: Path, what: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return what every camera of a scene sees at the first reset: copies, (H, W, C) each."""
    with pictures(engine, folder, what) as env:
        observation, _ = env.reset(seed=0)
        return {each["name"]: observation[each["name"]][0].copy() for each in what["cameras"]}
