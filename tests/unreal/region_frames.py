"""Reads frames from a region that an engine's stand-in made itself, and compares every byte.

The last line is ``RESULT frames=... torn=0 dropped=... missed=... untouched=1``: frames that were
accepted, accepted ones with a wrong byte, copies that the reader dropped, frames that it never
returned, and whether size, inode, mode and name of the region stayed as the writer made them. The
exit code is 0 only if nothing was wrong. ``--mutant`` has the writer raise its counter before the
bytes are written, and must end with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uerl_shm.region_ring import RingReader

SOURCE = Path(__file__).with_name("region_writer.cpp")
FLAGS = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror")
SHM = Path("/dev/shm")
FRAME = (84, 84, 4)  # BGRA
FRAME_BYTES = 84 * 84 * 4
FIRST_OFFSET = 64
NUM_BUFFERS = 3
FRAME_STEP, WORD_STEP = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
MASK = (1 << 64) - 1
TIMEOUT_S = 20.0
_OF_FRAME_0 = np.arange(FRAME_BYTES // 8, dtype=np.uint64) * np.uint64(WORD_STEP)


@dataclass
class Tally:
    """What a campaign saw."""

    frames: int = 0
    torn: int = 0
    dropped: int = 0
    missed: int = 0
    untouched: int = 0
    accounted: int = 0  # every published frame was returned or counted as missed

    def is_good(self, frames: int) -> bool:
        """Whether everything that was asked for held."""
        return self.frames == frames and not self.torn and bool(self.untouched and self.accounted)


def expected(index: int) -> np.ndarray:
    """The words of a frame."""
    return _OF_FRAME_0 + np.uint64((index + 1) * FRAME_STEP & MASK)


def compiled(folder: Path) -> Path:
    """Compile the writer into a folder; return the program."""
    program = folder / "region_writer"
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    subprocess.run([*compiler, *FLAGS, str(SOURCE), "-o", str(program), "-lrt"], check=True)
    return program


@contextmanager
def writing(program: Path, name: str, mutant: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run the writer until the block ends; it takes its region away as Unreal does."""
    arguments = [str(program), name, str(FRAME_BYTES), str(NUM_BUFFERS)]
    process = subprocess.Popen(
        [*arguments, *(["--mutant"] if mutant else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            if process.stdout.readline() != "ready\n":
                raise RuntimeError(f"{program} did not start")
            yield process
        finally:
            process.stdin.close()
            process.wait(TIMEOUT_S)


def identity(name: str) -> tuple[int, ...]:
    """What a reader must leave alone: size, inode, mode, links and owner of a region's file."""
    file = os.stat(SHM / name)
    return file.st_size, file.st_ino, file.st_mode, file.st_nlink, file.st_uid


def reader(name: str, in_order: bool = False) -> RingReader:
    """A reader of the writer's frames."""
    return RingReader(
        name, np.uint8, FRAME, num_buffers=NUM_BUFFERS, first_offset=FIRST_OFFSET,
        stride_bytes=FRAME_BYTES, in_order=in_order,
    )  # fmt: skip


def campaign(program: Path, frames: int, mutant: bool, in_order: bool) -> Tally:
    """Accept so many frames, in a region of its own; a mutant is given up at its first torn one."""
    name = f"region-{secrets.token_hex(6)}"
    tally = Tally()
    with writing(program, name, mutant):
        before = identity(name)
        with reader(name, in_order) as ring:
            first = 0
            while tally.frames < frames and not (mutant and tally.torn):
                frame = ring.read(TIMEOUT_S)
                first = ring.index - ring.num_missed if tally.frames == 0 else first
                tally.frames += 1
                words = frame.reshape(-1).view(np.uint64)
                tally.torn += not np.array_equal(words, expected(ring.index))
            tally.dropped, tally.missed = ring.num_torn, ring.num_missed
            tally.accounted = int(ring.index + 1 - first == tally.frames + tally.missed)
        tally.untouched = int(identity(name) == before)
    return tally


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="to accept")
    parser.add_argument("--in-order", action="store_true", help="rather than the newest")
    parser.add_argument("--mutant", action="store_true", help="must be found")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = campaign(compiled(Path(folder)), args.frames, args.mutant, args.in_order)
    if not tally.accounted:
        print("frames were neither returned nor counted as missed")
    print(
        f"RESULT frames={tally.frames} torn={tally.torn} dropped={tally.dropped} "
        f"missed={tally.missed} untouched={tally.untouched}"
    )
    return 0 if tally.is_good(args.frames) else 1


if __name__ == "__main__":
    sys.exit(main())
