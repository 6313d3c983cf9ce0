"""How long does the conversion of camera pixels take, beside a plain loop and a plain copy?"""

from __future__ import annotations

import subprocess

import pytest
from peers.servers import Missing, program

#: Width, height and row pitch in bytes, as Direct3D 12 aligns it to 256.
FRAMES = [
    pytest.param(84, 84, 512, id="84x84_pitch_512"),
    pytest.param(84, 84, 336, id="84x84"),
    pytest.param(640, 480, 2560, id="640x480"),
]
PIXELS = ["rgb", *(pytest.param(name, marks=pytest.mark.full) for name in ("gray", "bgra"))]


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize(("width", "height", "pitch_bytes"), FRAMES)
def bench_pixels(benchmark, request, width, height, pitch_bytes, pixels):
    """One frame over and over, in the cache; all ways take turns, and their bytes are compared."""
    try:
        probe = program("pixels")
    except Missing as error:
        pytest.skip(str(error))
    seconds = request.config.getoption("--seconds")
    command = [probe, *map(str, (width, height, pitch_bytes)), pixels, str(seconds)]
    times_s: dict[str, float] = {}

    def turn() -> None:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            name, nanoseconds = line.split()
            times_s[name] = float(nanoseconds) * 1e-9

    benchmark.group = "pixels"
    benchmark.pedantic(turn, rounds=1)
    benchmark.extra_info.update(
        question="pixels", frame=[width, height], pitch_bytes=pitch_bytes, pixels=pixels,
        times_s=times_s, p50_s=times_s["uerl_shm"],
    )  # fmt: skip
