"""Pictures that the GPU drew: every pixel, and the step that each carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from camera_steps import run
from drawn_pictures import base

import build as shim_build
import uerl_shm
from uerl_shm.errors import LayoutMismatch

READBACK_US = 300
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("latency", [0, 1])
def test_every_picture_is_that_of_its_step(engine, latency):
    checker = run(engine, 400, 2, latency, READBACK_US)
    assert checker.num_pictures == 804
    assert checker.num_wrong == 0
    assert checker.num_wrong_steps == 0


@pytest.mark.parametrize("mutant", ["commit_early", "ignore_pitch"])
def test_a_plugin_that_commits_early_or_ignores_the_padding_is_caught(mutant):
    program = shim_build.build(ROOT / "build" / "unreal" / "plain", mutant)
    assert run(program, 200, 2, 0, READBACK_US).num_wrong > 0


def test_a_late_camera_says_so_in_the_spec(engine):
    spec = uerl_shm.describe.describe(f"{engine} Cameras -ShimLatency=1")
    observation = spec.groups[0].observation
    assert observation["large"].latency == 1
    assert observation["small"].latency == 0
    assert observation["large"].shape == (480, 640, 3)


@pytest.mark.parametrize("latency", [0, 1])
def test_in_same_step_mode_the_final_picture_is_the_old_episode_s(engine, latency):
    command = f"{engine} Cameras -ShimLatency={latency} -ShimWidth=31 -ShimHeight=17"
    env = uerl_shm.VecEnv(f"{command} -ShimReadbackUs=100", 1, autoreset_mode="SameStep")
    try:
        env.reset(seed=0)
        for _ in range(99):
            env.step(np.zeros((1, 2), np.float32))
        observation, _, _, truncated, info = env.step(np.zeros((1, 2), np.float32))
        assert truncated.all()
        key = np.array([0, 0, 100 - latency], np.uint8)  # ticks of the world
        final = info["final_obs"]["large"][0]
        assert np.array_equal(final, base(17, 31) ^ key)
        assert np.array_equal(observation["large"][0], base(17, 31) ^ np.array([0, 0, 100]))
    finally:
        env.close()


def test_a_gpu_camera_without_a_gpu_is_refused_and_names_the_other_one(engine):
    spec = uerl_shm.describe.describe(f"{engine} Cameras")
    with pytest.raises(LayoutMismatch, match=r"GPU camera under -nullrhi.*use camera_cpu"):
        uerl_shm.VecEnv(f"{engine} Cameras -nullrhi", 1, spec=spec, startup_timeout_s=20)


def test_no_thread_ever_stalls_for_the_gpu(engine, tmp_path):
    env = uerl_shm.VecEnv(f"{engine} Cameras -ShimReadbackUs=200", 1, log_dir=tmp_path)
    env.reset()
    for _ in range(50):
        env.step(np.zeros((1, 2), np.float32))
    env.close()
    text = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "stalls=0 heartbeats=0" in text, text
