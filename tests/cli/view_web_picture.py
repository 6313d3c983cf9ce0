"""Renews the pictures of docs/howto/watching.md: the page in Chromium, and a frame of a video.

    view_web_picture.py [--images FOLDER]

A trained policy plays `apples` meanwhile. Needs Chromium, and the packages of the extra `video`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from command_line import ENVIRONMENT, PROGRAM
from support.browser import Browser

SIZE = (1360, 900)
FRAME = 60  # of the video: what a policy sees after two seconds


def start_learner(name: str, videos: Path) -> subprocess.Popen[str]:
    """Start the example; return when its simulators have stepped."""
    program = [sys.executable, str(ROOT / "examples" / "watch.py"), "--name", name]
    learner = subprocess.Popen(
        [*program, "--videos", str(videos), "--every-nth-episode", "1"],
        stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert learner.stdout is not None
    learner.stdout.readline()
    return learner


def shoot_page(name: str, target: Path) -> None:
    command = [*PROGRAM, "view", name, "--web"]
    viewing = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert viewing.stdout is not None
        with Browser(*SIZE) as page:
            page.dark(True)
            page.open(viewing.stdout.readline().strip())
            page.wait_for("+document.body.dataset.looks >= 100")  # so that curves have a shape
            page.run("document.querySelector('[data-row=\"2\"]').click()")
            page.wait_for("document.querySelectorAll('#row img').length > 0")
            target.write_bytes(page.picture())
    finally:
        viewing.kill()
        viewing.communicate()


def shoot_video(videos: Path, target: Path) -> None:
    import imageio_ffmpeg

    (path, *_) = sorted(videos.glob("episode-*.mp4"))
    select = ["-vf", f"select=eq(n\\,{FRAME})", "-frames:v", "1", "-y", str(target)]
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    subprocess.run([*ffmpeg, *select], check=True)


def main() -> None:
    """Play, look, and say where the pictures are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    images = parser.parse_args().images
    name = f"watch-{time.monotonic_ns() % 100_000}"
    with tempfile.TemporaryDirectory() as folder:
        learner = start_learner(name, Path(folder))
        try:
            shoot_page(name, images / "view-web.png")
        finally:
            learner.send_signal(2)
            learner.communicate(timeout=60)
        shoot_video(Path(folder), images / "episode-video.png")
    colours = []
    for file in ("view-web.png", "episode-video.png"):
        picture = np.asarray(Image.open(images / file).convert("RGB"))
        colours.append(len(np.unique(picture.reshape(-1, 3), axis=0)))
        print(f"wrote {images / file}  {picture.shape[1]}x{picture.shape[0]}")
    print(f"RESULT page_colours={colours[0]} video_colours={colours[1]}")
    if min(colours) < 100:
        raise SystemExit("a picture has fewer than 100 colours, expected frames in it: look at it")


if __name__ == "__main__":
    main()
