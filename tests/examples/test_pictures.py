"""Mosaics, videos and learning curves hold what they were given."""

from __future__ import annotations

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from matplotlib.image import imread
from pictures import CAPTION, GAP, Progress, Video, draw_learning_curve, mosaic, num_columns

from uerl_shm import ArraySpec, EnvSpec

RED, BLUE = (250, 10, 10), (10, 10, 250)
ACTION = ArraySpec.discrete(2)


def painted(num_envs, height=42, width=42):
    """Pictures whose left half is red and whose right half is blue."""
    pictures = np.zeros((num_envs, height, width, 3), np.uint8)
    pictures[:, :, : width // 2] = RED
    pictures[:, :, width // 2 :] = BLUE
    return pictures


@pytest.mark.parametrize(
    ("tiles", "columns"),
    [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (8, 4), (16, 4), (17, 5), (64, 8)],
)
def test_mosaics_are_rectangles_near_a_square(tiles, columns):
    assert num_columns(tiles) == columns


def test_every_pixel_of_a_small_picture_becomes_a_square():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 42, 42, 3), np.uint8)
    whole = mosaic(pictures, ["", ""])
    for number, picture in enumerate(pictures):
        left = GAP + number * (42 * 5 + GAP)
        tile = whole[GAP : GAP + 42 * 5, left : left + 42 * 5]
        assert (tile.reshape(42, 5, 42, 5, 3) == picture[:, None, :, None]).all()


def test_captions_stand_under_their_pictures():
    with_text, without = mosaic(painted(2), ["", "return 3"]), mosaic(painted(2), ["", ""])
    rows, columns = np.nonzero((with_text != without).any(axis=-1))
    bottom = GAP + 42 * 5
    assert len(rows) > 50
    assert bottom <= rows.min() and rows.max() < bottom + CAPTION
    assert columns.min() > GAP + 42 * 5


@pytest.mark.parametrize("size", [(42, 42), (720, 1280), (333, 77), (16, 16)])
@pytest.mark.parametrize("num_envs", [1, 5, 64])
def test_mosaics_have_sides_that_a_video_can_have(num_envs, size):
    whole = mosaic(painted(num_envs, *size), [""] * num_envs)
    height, width, channels = whole.shape
    assert height % 2 == width % 2 == 0 and channels == 3
    assert 40 <= width <= 1800
    for color in (RED, BLUE):
        assert (whole == color).all(axis=-1).mean() > 0.1


def test_gray_pictures_are_shown_gray():
    whole = mosaic(np.full((1, 20, 20, 1), 77, np.uint8), [""])
    assert (whole == 77).all(axis=-1).mean() > 0.5


def spec_with(**observation):
    return EnvSpec.single(observation, ACTION, render_fps=10)


def test_a_video_has_a_frame_for_each_batch(tmp_path):
    path = tmp_path / "video.mp4"
    spec = spec_with(camera=ArraySpec.image(42, 42, 3), state=ArraySpec.box(0, 1, (3,)))
    batch = {"camera": torch.from_numpy(painted(2)), "state": torch.zeros(2, 3)}
    with Video(path, spec) as video:
        for step in range(15):
            video.watch(batch, torch.tensor([0.0, step]))
    expected = mosaic(painted(2), ["env 0   return 0", "env 1   return 0"]).astype(int)
    decode = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo"]
    process = subprocess.run([*decode, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    assert b" 10 fps" in process.stderr
    frames = np.frombuffer(process.stdout, np.uint8).reshape(-1, *expected.shape)
    assert len(frames) == 15
    assert np.abs(frames[0] - expected).mean() < 20


def test_no_video_is_written_where_there_is_no_picture(tmp_path):
    with Video(tmp_path / "video.mp4", spec_with(state=ArraySpec.box(0, 1, (3,)))) as video:
        video.watch(torch.zeros(2, 3), torch.zeros(2))
    assert list(tmp_path.iterdir()) == []


def share_of(path, red, green, blue):
    """Share of a PNG's pixels that are about of one colour."""
    distance = np.abs(imread(path)[..., :3] - np.array([red, green, blue]) / 255).max(axis=-1)
    return (distance < 0.05).mean()


def test_a_learning_curve_shows_episodes_and_what_to_compare_with(tmp_path):
    path = tmp_path / "curve.png"
    episodes = np.stack([np.arange(100) * 10, np.linspace(0, 5, 100)], axis=1)
    draw_learning_curve(path, "a title", episodes, {"seconds": 3.0})
    assert share_of(path, 31, 119, 180) > 0.002  # the blue line
    assert share_of(path, 255, 127, 14) == 0
    draw_learning_curve(path, "a title", episodes, {"mean_return": 4.0})
    assert share_of(path, 255, 127, 14) > 0.0005  # the orange one


def test_a_run_without_an_episode_has_a_learning_curve(tmp_path):
    draw_learning_curve(tmp_path / "curve.png", "a title", np.zeros((0, 2)), {})
    assert (tmp_path / "curve.png").exists()


def test_progress_in_a_log_is_ten_lines(capsys):
    progress = Progress(1000, 0)
    for done in range(7, 1001, 7):
        progress.update(done, f"at {done}")
    progress.update(1000, "at the end")
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert "at the end" in lines[-1] and "1,000 of 1,000 steps" in lines[-1]
