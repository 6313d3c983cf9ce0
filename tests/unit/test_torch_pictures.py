"""Pictures on their way into a network: as Gymnasium's wrappers, and as torch's own functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from uerl_shm import VecEnv
from uerl_shm.torch import grayscale, normalize, resize

RNG = np.random.default_rng(3)
FRAMES = RNG.integers(0, 256, (2, 3, 12, 20, 3), np.uint8)


def test_normalize_scales_and_puts_channels_first():
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    found = normalize(torch.from_numpy(FRAMES), mean, std)
    expected = (FRAMES.astype(np.float64) / 255 - mean) / std
    assert found.dtype == torch.float32 and found.shape == (2, 3, 3, 12, 20)
    np.testing.assert_allclose(found.permute(0, 1, 3, 4, 2).numpy(), expected, atol=1e-6)


def test_normalize_takes_numbers_and_changes_nothing():
    frames = torch.from_numpy(FRAMES.copy())
    found = normalize(frames)
    assert found.min() >= 0 and 0.99 < found.max() <= 1
    np.testing.assert_array_equal(frames, FRAMES)


def test_normalize_leaves_numbers_of_ones_own_alone():
    frames = torch.full((1, 2, 2, 3), 51.0)
    assert normalize(frames).max() == pytest.approx(0.2)
    assert (frames == 51.0).all()


def test_grayscale_is_gymnasiums():
    expected = np.sum(FRAMES * np.array([0.2125, 0.7154, 0.0721]), axis=-1).astype(np.uint8)
    found = grayscale(torch.from_numpy(FRAMES))
    assert found.shape == (2, 3, 12, 20, 1)
    np.testing.assert_array_equal(found[..., 0], expected)


def test_resize_takes_the_mean_of_what_a_pixel_covers():
    found = resize(torch.from_numpy(FRAMES), 6, 5)
    blocks = FRAMES.reshape(2, 3, 6, 2, 5, 4, 3).mean(axis=(3, 5))
    assert found.dtype == torch.uint8
    assert np.abs(found.numpy() - blocks).max() <= 0.51


@pytest.mark.parametrize("output", ["numpy", "torch"])
def test_batches_cross_to_other_libraries_without_a_copy(output):
    env = VecEnv("uerl-sim probe", 2, output=output)
    try:
        camera = env.reset(seed=0)[0]["camera"]
        if output == "torch":
            other = np.from_dlpack(camera)
            address = camera.data_ptr()
        else:
            other = np.from_dlpack(camera)  # read-only stays read-only
            address = camera.ctypes.data
            assert not other.flags.writeable
        assert other.ctypes.data == address
        np.testing.assert_array_equal(other, camera)
    finally:
        env.close()
