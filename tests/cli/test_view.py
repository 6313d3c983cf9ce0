"""`uerl-shm view`: the picture holds the very pixels that simulators wrote."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import uerl_shm
from command_line import ENVIRONMENT, PROGRAM, kill, start_learner
from support.probe_pattern import STRIDE
from uerl_shm.cli import png
from uerl_shm.cli.frames import Frames
from uerl_shm.cli.mosaic import (
    ALARM,
    BACKGROUND,
    EMPTY,
    GAP,
    INK,
    Tile,
    arrange,
    compose,
    text_mask,
)
from uerl_shm.pictures import kind_of, picture_shape, to_pictures


def decoded(path: Path) -> np.ndarray:
    """Read a PNG of 8-bit RGB whose lines are not filtered."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, packed = 8, b""
    while position < len(data):
        (size,) = struct.unpack_from(">I", data, position)
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        (check,) = struct.unpack_from(">I", data, position + 8 + size)
        assert check == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height, *rest = struct.unpack(">IIBBBBB", body)
            assert rest == [8, 2, 0, 0, 0]
        packed += body if kind == b"IDAT" else b""
        position += 12 + size
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 3 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


def tile_of(picture: np.ndarray, index: int, count: int, height: int, width: int) -> np.ndarray:
    """Cut one tile out of a mosaic, in the size of the original."""
    grid = arrange(count, height, width)
    row, column = divmod(index, grid.columns)
    top = GAP + row * (grid.strip + grid.height + GAP) + grid.strip
    left = GAP + column * (grid.width + GAP)
    return picture[top : top + grid.height : grid.zoom, left : left + grid.width : grid.zoom]


def test_view_shows_every_env_under_its_number(run, env, name, tmp_path):
    for _ in range(5):
        observation = env.step(env.action_space.sample())[0]
    result = run("view", name, "-o", tmp_path / "now.png")
    assert result.exit_code == 0
    assert "4 of 4 rows" in result.stdout
    picture = decoded(tmp_path / "now.png")
    for index in range(4):
        shown = tile_of(picture, index, 4, 42, 42)
        assert np.array_equal(shown, observation["camera"][index])
    grid = arrange(4, 42, 42)
    label = picture[GAP : GAP + grid.strip, 2 * GAP + grid.width :]
    mask = text_mask("1", 2)
    drawn = (label[3 : 3 + mask.shape[0], : mask.shape[1]] == INK).all(axis=-1)
    assert np.array_equal(drawn, mask)


def test_view_writes_name_png_by_default(run, env, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("view", name).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.png"]


def test_depth_is_bright_where_it_is_near(run, env, name, tmp_path):
    observation = env.step(env.action_space.sample())[0]
    result = run("view", name, "--array", "depth", "-o", tmp_path / "depth.png")
    assert "as depth" in result.stdout
    depth = observation["depth"].reshape(4, 42, 42)
    shown = tile_of(decoded(tmp_path / "depth.png"), 2, 4, 42, 42).astype(int).sum(axis=-1)
    near = np.unravel_index(depth[2].argmin(), depth[2].shape)
    far = np.unravel_index(depth[2].argmax(), depth[2].shape)
    assert shown[near] > shown[far]


def test_segmentation_has_one_colour_for_each_label(run, env, name, tmp_path):
    observation = env.step(env.action_space.sample())[0]
    assert run("view", name, "--array", "segmentation", "-o", tmp_path / "s.png").exit_code == 0
    labels = observation["segmentation"].reshape(4, 42, 42)
    picture = decoded(tmp_path / "s.png")
    colours: dict[int, set[tuple[int, ...]]] = {}
    for index in range(4):
        for label in np.unique(labels[index]).tolist():
            pixels = tile_of(picture, index, 4, 42, 42)[labels[index] == label]
            colours.setdefault(label, set()).update(map(tuple, pixels.tolist()))
    assert all(len(found) == 1 for found in colours.values())
    assert len({found.copy().pop() for found in colours.values()}) == len(colours) > 1


def test_max_envs_limits_the_tiles(run, env, name, tmp_path):
    result = run("view", name, "--max-envs", 1, "-o", tmp_path / "one.png")
    assert "1 of 4 rows" in result.stdout


def test_envs_without_a_step_are_empty(run, name, tmp_path):
    with closing(uerl_shm.VecEnv("uerl-sim apples", num_envs=1, name=name)):
        result = run("view", name, "-o", tmp_path / "empty.png")
    assert "0 of 1 rows" in result.stdout
    assert (tile_of(decoded(tmp_path / "empty.png"), 0, 1, 42, 42) == EMPTY).all()


def test_number_of_a_lost_simulator_is_red(run, env, name, tmp_path):
    os.kill(env._simulators.launcher.pid(0), signal.SIGKILL)
    observer = uerl_shm.segment._core.Observer(name)
    while observer.lane(0)["locked"]:
        time.sleep(0.01)
    run("view", name, "-o", tmp_path / "lost.png")
    picture = decoded(tmp_path / "lost.png").reshape(-1, 3)
    assert (picture == ALARM).all(axis=1).any()
    assert (picture == INK).all(axis=1).any()


def test_view_without_a_picture_says_what_there_is(run, name, tmp_path):
    with closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=1, name=name)):
        result = run("view", name, "-o", tmp_path / "none.png")
        wrong = run("view", name, "--array", "camera")
        vector = run("view", name, "--array", "position")
    assert result.exit_code == wrong.exit_code == vector.exit_code == 2
    assert "position (20,)" in result.stderr
    assert "expected one of ['position']" in wrong.stderr
    assert "expected a picture" in vector.stderr
    assert not (tmp_path / "none.png").exists()


def test_absent_agents_are_dark_and_agents_have_numbers_of_their_own(run, tmp_path):
    picture = np.full((2, 8, 8, 3), 90, np.uint8)
    tiles = [Tile("0.0", picture[0]), Tile("0.1", picture[1], dim=True), Tile("1.0", None)]
    mosaic = compose(tiles, 8, 8)
    assert (tile_of(mosaic, 0, 3, 8, 8) == 90).all()
    assert (tile_of(mosaic, 1, 3, 8, 8) == 30).all()
    assert (tile_of(mosaic, 2, 3, 8, 8) == EMPTY).all()
    assert (mosaic[0, 0] == BACKGROUND).all()


def test_watch_rewrites_the_file_until_the_learner_ends(env, name, tmp_path):
    path = tmp_path / "watched.png"
    command = ["view", name, "--watch", "--interval-s", "0.05", "-o", str(path)]
    watching = subprocess.Popen([*PROGRAM, *command], stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    while not path.exists():
        time.sleep(0.01)
    first = path.read_bytes()
    while path.read_bytes() == first:
        env.step(env.action_space.sample())
    decoded(path)
    env.close()
    assert watching.wait(timeout=30) == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["watched.png"]


def test_frames_of_a_learner_at_full_speed_are_whole(name):
    simulator = "uerl-sim probe --observation camera:uint8:64x64x3"
    learner = start_learner("step", simulator=simulator, num_envs=2, name=name)
    try:
        frames = Frames(name, None, None, None)
        for _ in range(200):
            rows, _, _ = frames._lane(1, 1)
            # Of one step, the words of a row go up by one stride; a torn copy would have two steps.
            words = rows.reshape(-1).view("<u8")
            assert (np.diff(words) == STRIDE).all()
    finally:
        kill(learner)
        os.unlink(f"/dev/shm/{name}")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((42, 42), (42, 42, 1)),
        ((42, 30, 3), (42, 30, 3)),
        ((3, 42, 30), (42, 30, 3)),
        ((84, 84, 4), (84, 84, 4)),
        ((20,), None),
        ((), None),
        ((1, 20), None),
        ((5, 5, 7), None),
    ],
)
def test_shapes_that_are_pictures(shape, expected):
    assert picture_shape(shape) == expected


def test_kinds_follow_from_name_dtype_and_channels():
    assert kind_of("camera", np.dtype("uint8"), (8, 8, 3)) == "rgb"
    assert kind_of("camera", np.dtype("uint8"), (8, 8, 1)) == "gray"
    assert kind_of("depth", np.dtype("float32"), (8, 8)) == "depth"
    assert kind_of("labels", np.dtype("uint8"), (8, 8)) == "labels"
    assert kind_of("ids", np.dtype("uint16"), (8, 8)) == "labels"


def test_channels_may_come_first_and_alpha_is_left_out():
    rows = np.arange(2 * 4 * 6 * 5, dtype=np.uint8).reshape(2, 4, 6, 5)
    pictures, _ = to_pictures(rows, "rgb")
    assert np.array_equal(pictures, np.moveaxis(rows, 1, -1)[..., :3])


def test_depth_with_nan_and_infinity_is_a_picture():
    rows = np.array([[[1.0, 10.0], [np.nan, np.inf]]])
    (picture,), span = to_pictures(rows, "depth")
    assert span is not None
    assert picture[0, 0].sum() > picture[0, 1].sum()
    assert tuple(picture[1, 0]) == (200, 0, 120)


def test_large_frames_are_averaged_into_the_screen():
    tall = np.zeros((2000, 3000, 3), np.uint8)
    tall[:, 1500:] = 200
    mosaic = compose([Tile("0", tall)], 2000, 3000)
    assert mosaic.shape[1] <= 1280
    assert mosaic[-GAP - 1, GAP, 0] == 0
    assert mosaic[-GAP - 1, -GAP - 1, 0] == 200


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 100])
def test_every_tile_finds_a_place(count):
    grid = arrange(count, 84, 84)
    assert grid.columns * grid.rows >= count
    assert grid.size[1] <= 1280


def test_png_of_any_size_can_be_read_back(tmp_path):
    for shape in ((1, 1, 3), (3, 7, 3), (50, 20, 3)):
        picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        png.write(tmp_path / "any.png", picture)
        assert np.array_equal(decoded(tmp_path / "any.png"), picture)
