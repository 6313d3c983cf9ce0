"""The example that is there to be looked at: it plays, annotates, and writes videos."""

from __future__ import annotations

import secrets

import pytest

pytest.importorskip("imageio_ffmpeg", reason="videos need imageio-ffmpeg (uerl_shm[video])")
watch = pytest.importorskip("watch", reason="the example needs torch")


def test_shipped_policy_is_shown_with_videos(tmp_path, capsys):
    name = f"uerl-test-{secrets.token_hex(4)}"
    watch.main(
        [
            *("--name", name, "--num-envs", "2", "--steps", "30", "--fps", "0"),
            *("--videos", str(tmp_path / "videos"), "--tensorboard", str(tmp_path / "board")),
        ]
    )
    said = capsys.readouterr().out
    assert f"uerl-shm view {name} --web" in said
    assert f"RESULT videos=1 folder={tmp_path}" in said
    (video,) = (tmp_path / "videos").iterdir()
    assert video.name == "episode-000000-cut.mp4" and video.stat().st_size > 5_000
