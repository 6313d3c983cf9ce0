"""Cameras that need no GPU: every pixel equals a ray tracer's that was written another way."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camera_scene import CRATE, FLOOR, WALL, box, camera, first_pictures, pictures, scene
from camera_tracer import trace

from uerl_shm import VecEnv
from uerl_shm.errors import UerlError

#: Hit.Time is a float: 15000 cm times 2 ** -24.
DEPTH_TOLERANCE_CM = 1e-3

KINDS = {
    "color": "camera_cpu",
    "depth": "depth_camera_cpu",
    "segmentation": "segmentation_camera_cpu",
}


def three(name: str, **settings: Any) -> list[dict[str, Any]]:
    """A camera of each kind."""
    return [camera(f"{name}_{what}", kind, **settings) for what, kind in KINDS.items()]


def compare(what: dict[str, Any], seen: dict[str, np.ndarray], **changed: Any) -> list[str]:
    """Return the cameras of a scene whose pictures differ from the tracer's."""
    wrong = []
    for each in what["cameras"]:
        picture = seen[each["name"]]
        kind = each["name"].rpartition("_")[2]
        wanted = trace(what, what["boxes"], what["agent"], {**each, **changed})[kind]
        assert picture.shape == wanted.shape
        assert picture.dtype == (np.float32 if kind == "depth" else np.uint8)
        tolerance = DEPTH_TOLERANCE_CM if kind == "depth" else 0
        if not np.allclose(picture, wanted, rtol=0, atol=tolerance):
            wrong.append(each["name"])
    return wrong


CAMERAS = {
    "square": {},
    "narrow": {"fov": 35.0},
    "wide": {"width": 64, "height": 24, "fov": 100.0},
    "tall": {"width": 20, "height": 50},
    "near": {"max_distance": 900.0},
    "pixel": {"width": 1, "height": 1},
}
REFERENCE = scene([each for name, settings in CAMERAS.items() for each in three(name, **settings)])


@pytest.fixture(scope="module")
def seen(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What every camera of the reference scene sees."""
    return first_pictures(engine, tmp_path_factory.mktemp("scene"), REFERENCE)


def test_every_pixel_of_the_reference_scene_equals_the_tracers(seen):
    assert compare(REFERENCE, seen) == []
    assert len(np.unique(seen["square_color"].reshape(-1, 3), axis=0)) > 8
    assert set(np.unique(seen["square_segmentation"])) == {0, 1, 2, 3, 7, 255}


@pytest.mark.parametrize("fov", [89.0, 91.0])
def test_another_angle_of_view_would_be_noticed(seen, fov):
    assert {"square_depth", "narrow_color", "wide_color"} <= set(compare(REFERENCE, seen, fov=fov))


def test_an_angle_from_top_to_bottom_would_be_noticed(seen):
    wide = CAMERAS["wide"]
    across = np.tan(np.radians(wide["fov"] / 2)) * wide["width"] / wide["height"]
    wrong = compare(REFERENCE, seen, fov=2 * np.degrees(np.arctan(across)))
    assert {"wide_color", "wide_depth", "wide_segmentation"} <= set(wrong)


def test_a_transposed_or_mirrored_picture_would_be_noticed(seen):
    for turn in (lambda p: p.transpose(1, 0, 2), lambda p: p[:, ::-1], lambda p: p[::-1]):
        turned = seen | {"square_color": turn(seen["square_color"])}
        assert compare(REFERENCE, turned) == ["square_color"]


def test_nothing_is_seen_beyond_the_farthest_distance_along_the_view(seen):
    depth, color = seen["near_depth"], seen["near_color"]
    assert depth.max() == 900.0
    assert (depth == 900.0).mean() > 0.2
    assert (color[depth[..., 0] == 900.0] == (135, 206, 235)).all()


def test_moved_and_turned_cameras_see_what_the_tracer_sees(engine, tmp_path):
    for seed in range(6):
        dice = random.Random(seed)
        what = scene(
            three("any", width=31, height=23, fov=dice.uniform(40, 120)),
            location=[dice.uniform(-300, 300) for _ in range(3)],
            rotation=[dice.uniform(-30, 30), dice.uniform(-180, 180), dice.uniform(-90, 90)],
        )
        assert compare(what, first_pictures(engine, tmp_path, what)) == [], seed


def test_the_camera_goes_where_the_agent_goes(engine, tmp_path):
    what = scene(three("walking"))
    with pictures(engine, tmp_path, what) as env:
        env.reset(seed=0)
        action = env.action_space.sample()
        action = np.ones_like(action) if isinstance(action, np.ndarray) else action
        for _ in range(5):
            observation, *_ = env.step(action)
            what["agent"]["location"] = observation["location"][0].tolist()
            seen = {each["name"]: observation[each["name"]][0] for each in what["cameras"]}
            assert compare(what, seen) == []
    assert what["agent"]["location"][0] > 50  # it has moved


@pytest.mark.parametrize("shows_owner", [False, True])
def test_the_agent_itself_is_seen_only_if_asked(engine, tmp_path, shows_owner):
    what = scene(three("from_behind", attach_to_actor_name="Tripod", render_owner=shows_owner))
    tripod = box("Tripod", [-400, 10, 80], [0, 0, 0])
    boxes = [*what["boxes"], *([what["agent"]] if shows_owner else [])]
    what["boxes"].append(tripod)  # which has no body
    seen = first_pictures(engine, tmp_path, what)
    for each in what["cameras"]:
        kind = each["name"].rpartition("_")[2]
        wanted = trace(what, boxes, tripod, each)[kind]
        np.testing.assert_allclose(seen[each["name"]], wanted, rtol=0, atol=DEPTH_TOLERANCE_CM)
    assert (9 in seen["from_behind_segmentation"]) == shows_owner


def test_gray_is_the_luma_of_the_colors(engine, tmp_path):
    what = scene([camera("color"), camera("gray", grayscale=True)])
    seen = first_pictures(engine, tmp_path, what)
    luma = np.rint(seen["color"] @ [0.299, 0.587, 0.114])
    assert seen["gray"].shape == (42, 42, 1)
    assert np.abs(seen["gray"][..., 0] - luma).max() <= 1


def run(engine: Path, folder: Path, what: dict[str, Any]) -> tuple[dict[str, np.ndarray], str]:
    """Return what a scene's cameras see, and what the process has said."""
    log = folder / "engine.log"
    wrapper = folder / "logged.sh"
    wrapper.write_text(f'#!/bin/sh\nexec "{engine}" "$@" >> "{log}" 2>&1\n')
    wrapper.chmod(0o755)
    return first_pictures(wrapper, folder, what), log.read_text()


def test_a_material_without_a_color_gets_one_of_its_name_and_is_told_of_once(engine, tmp_path):
    what = scene([camera("one_color"), camera("other_color")])
    del what["colors"][WALL], what["colors"][CRATE]
    seen, log = run(engine, tmp_path, what)
    assert compare(what, seen) == []
    for path in (WALL, CRATE):
        assert log.count(f"material {path} not found in the colour table") == 1
    assert FLOOR not in log


def test_without_a_table_every_material_gets_a_color_of_its_name(engine, tmp_path):
    what = scene([camera("one_color")]) | {"colors": None}
    assert compare(what, first_pictures(engine, tmp_path, what)) == []


def test_a_body_without_materials_is_gray(engine, tmp_path):
    what = scene([camera("one_color")])
    what["boxes"][1]["materials"] = []
    seen = first_pictures(engine, tmp_path, what)
    what["boxes"][1]["materials"] = [None]
    assert compare(what, seen) == []


@pytest.mark.parametrize("uses_camera_channel", [False, True])
def test_what_ignores_the_channel_is_not_seen(engine, tmp_path, uses_camera_channel):
    what = scene(
        [
            camera(f"one_{what}", kind, uses_camera_channel=uses_camera_channel)
            for what, kind in KINDS.items()
        ]
    )
    what["boxes"][2]["ignores_visibility"] = True
    seen = first_pictures(engine, tmp_path, what)
    if not uses_camera_channel:
        del what["boxes"][2]
    assert compare(what, seen) == []


def test_a_stencil_value_outside_a_byte_is_the_nearest_byte(engine, tmp_path):
    what = scene([camera("one_segmentation", KINDS["segmentation"])])
    what["boxes"][1]["stencil"], what["boxes"][2]["stencil"] = 1000, -5
    seen = first_pictures(engine, tmp_path, what)
    what["boxes"][1]["stencil"], what["boxes"][2]["stencil"] = 255, 0
    assert compare(what, seen) == []


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"fov": 180.0}, "180 degrees, expected"),
        ({"max_distance": 0.0}, "sees 0 cm far, expected more than 0: set MaxDistance"),
        ({"max_distance": -1.0}, "sees -1 cm far, expected more than 0"),
        ({"attach_to_comp_name": "Head"}, "component 'Head' not found"),
    ],
)
def test_a_camera_that_cannot_be_is_refused(engine, tmp_path, settings, problem):
    with pytest.raises(UerlError, match=problem):
        first_pictures(engine, tmp_path, scene([camera("one", **settings)]))


def test_a_gpu_camera_without_a_gpu_is_refused_and_camera_cpu_named(engine):
    with pytest.raises(UerlError, match="-nullrhi, expected a GPU: use camera_cpu"):
        VecEnv(f"{engine} Cameras -nullrhi", num_envs=1).close()


def test_uerls_camera_is_a_cpu_camera_unless_it_uses_the_gpu(engine, tmp_path):
    what = scene([camera("one_color", "camera")])
    assert compare(what, first_pictures(engine, tmp_path, what)) == []
