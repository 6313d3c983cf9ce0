"""Frames from rings of other makers: whole, counted, and never those of another run."""

from __future__ import annotations

import os
import secrets
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from uerl_shm import errors, region_ring
from uerl_shm.region import Region
from uerl_shm.region_ring import RingReader
from unreal import region_frames

SHM = Path("/dev/shm")
SHAPE = (4, 8)
FRAME_BYTES = 4 * 8 * 2
FIRST_OFFSET = 16
ARRANGEMENT = {"num_buffers": 3, "first_offset": FIRST_OFFSET, "stride_bytes": 100}


class Maker:
    """Publishes frames of uint16 into its own region; frame k has the value k everywhere."""

    def __init__(self, num_published: int = 0, counter: str = "uint64") -> None:
        self.name = f"region-{secrets.token_hex(6)}"
        self.counter = counter
        self.make()
        self.region = Region(self.name, "uint8", (4096,))
        self.count(num_published)

    def make(self) -> None:
        fd = os.open(SHM / self.name, os.O_RDWR | os.O_CREAT, 0o666)
        os.ftruncate(fd, 4096)
        os.close(fd)

    def count(self, value: int) -> None:
        self.published = value
        word = np.dtype(self.counter)
        self.region.array[: word.itemsize].view(word)[0] = value

    def write(self, frame: int) -> None:
        at = FIRST_OFFSET + frame % 3 * 100
        self.region.array[at : at + FRAME_BYTES].view("uint16")[:] = frame

    def publish(self, num_frames: int = 1) -> None:
        for _ in range(num_frames):
            self.write(self.published)
            self.count(self.published + 1)

    def reader(self, **options) -> RingReader:
        return RingReader(self.name, "uint16", SHAPE, **{**ARRANGEMENT, **options})


@pytest.fixture
def maker():
    made = Maker()
    yield made
    made.region.close()
    (SHM / made.name).unlink(missing_ok=True)


def read(ring: RingReader, timeout_s: float = 0.0) -> int:
    frame = ring.read(timeout_s)
    assert frame.shape == SHAPE and frame.dtype == np.uint16
    assert (frame == frame[0, 0]).all() and frame[0, 0] == ring.index
    return ring.index


def test_newest_frame_is_read_and_the_others_are_counted(maker):
    ring = maker.reader()
    maker.publish(2)
    assert read(ring) == 1
    maker.publish()
    assert read(ring) == 2
    maker.publish(10)
    assert read(ring) == 12
    assert (ring.num_missed, ring.num_torn) == (1 + 9, 0)


def test_frames_in_order_are_all_that_the_ring_still_has(maker):
    ring = maker.reader(in_order=True)
    maker.publish(2)
    assert [read(ring), read(ring)] == [0, 1]
    assert ring.num_missed == 0
    maker.publish(10)  # the buffer of frame 9 is the next to be written
    assert [read(ring), read(ring)] == [10, 11]
    assert (ring.num_missed, ring.num_torn) == (8, 0)


def test_frame_is_the_callers_own(maker):
    ring = maker.reader()
    maker.publish()
    frame = ring.read(0.0)
    maker.publish(3)
    assert (frame == 0).all()
    frame[:] = 1
    assert frame.flags.c_contiguous and frame.flags.aligned


def test_frames_of_a_run_that_crashed_are_not_delivered(maker):
    maker.publish(5)
    ring = maker.reader()
    with pytest.raises(errors.StepTimeout, match="stands at 5 for 0 s, expected it to rise"):
        ring.read(0.0)
    maker.publish()
    assert read(ring) == 5
    assert ring.num_missed == 0


def test_timeout_loses_nothing(maker):
    ring = maker.reader(in_order=True)
    for index in range(4):
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            ring.read(0.05)
        assert time.monotonic() - start >= 0.05
        maker.publish()
        assert read(ring) == index


def test_read_wakes_up_when_a_frame_comes(maker):
    ring = maker.reader()
    publisher = threading.Timer(0.05, maker.publish)
    publisher.start()
    assert (ring.read(20.0) == 0).all()
    publisher.join()


class Racing:
    """The library, with a maker that goes on in the middle of a copy."""

    def __init__(self, library, during) -> None:
        self.library, self.during = library, list(during)

    def __getattr__(self, name):
        return getattr(self.library, name)

    def uerl_region_copy(self, to, source, num_bytes):
        half = num_bytes // 2
        self.library.uerl_region_copy(to, source, half)
        if self.during:
            self.during.pop(0)()
        ffi = region_ring.ffi
        rest = ffi.cast("char *", source) + half
        self.library.uerl_region_copy(ffi.cast("char *", to) + half, rest, num_bytes - half)


@pytest.mark.parametrize("in_order", [False, True])
def test_copy_that_was_overwritten_meanwhile_is_dropped(maker, monkeypatch, in_order):
    ring = maker.reader(in_order=in_order)
    maker.publish()
    during = [lambda: maker.publish(3), lambda: maker.publish(7)]
    monkeypatch.setattr(region_ring, "lib", Racing(region_ring.lib, during))
    index = read(ring, timeout_s=5.0)
    assert (index, ring.num_torn) == (9 if in_order else 10, 2)
    assert ring.num_missed == index


@pytest.mark.parametrize(("frames", "num_torn"), [(1, 0), (2, 1)])
def test_copy_is_dropped_from_the_moment_its_buffer_may_be_written(
    maker, monkeypatch, frames, num_torn
):
    # Frame 0 was published; frame 3 goes into its buffer, and may be begun when 2 is published.
    ring = maker.reader()
    maker.publish()
    racing = Racing(region_ring.lib, [lambda: maker.publish(frames)])
    monkeypatch.setattr(region_ring, "lib", racing)
    read(ring, timeout_s=5.0)
    assert ring.num_torn == num_torn


def test_only_torn_copies_are_a_timeout_that_says_so(maker, monkeypatch):
    ring = maker.reader()
    maker.publish()
    racing = Racing(region_ring.lib, [lambda: maker.publish(5)] * 100_000)
    monkeypatch.setattr(region_ring, "lib", racing)
    with pytest.raises(errors.StepTimeout, match=r"copies .* torn within 0\.02 s.*more buffers"):
        ring.read(0.02)


def test_counter_that_goes_back_is_a_new_run(maker):
    maker.publish(5)
    ring = maker.reader()
    maker.count(2)
    with pytest.raises(errors.SimulatorLost, match=r"went from 5 to 2, .*make a new reader"):
        ring.read(1.0)


def test_region_that_was_replaced_ends_the_wait(maker):
    ring = maker.reader()
    (SHM / maker.name).unlink()
    with pytest.raises(errors.SimulatorLost, match="is gone"):
        ring.read(30.0)
    maker.make()
    with pytest.raises(errors.SimulatorLost, match="is another file now"):
        ring.read(30.0)


def test_region_without_its_name_is_read_while_its_counter_moves(maker):
    ring = maker.reader()
    (SHM / maker.name).unlink()
    maker.publish()
    assert read(ring) == 0


def test_counter_of_four_bytes_is_read_without_its_neighbour(maker):
    maker.region.array[4:8] = 255
    maker.counter = "uint32"
    ring = maker.reader(counter_dtype="uint32")
    maker.publish(2)
    assert read(ring) == 1


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"num_buffers": 1}, "num_buffers 1"),
        ({"num_buffers": "3"}, "num_buffers '3'"),
        ({"stride_bytes": FRAME_BYTES - 1}, "stride_bytes 63 .* 64 bytes"),
        ({"counter_offset": 4}, "counter_offset 4 .* multiple of 8"),
        ({"counter_offset": 16}, "lies inside the buffers"),
        ({"counter_offset": 312}, "lies inside the buffers"),
        ({"first_offset": -8}, "first_offset -8"),
        ({"counter_dtype": "int16"}, "counter_dtype 'int16'"),
        ({"counter_dtype": ">u8"}, "counter_dtype '>u8'"),
        ({"counter_dtype": "float64"}, "counter_dtype"),
    ],
)
def test_arrangement_that_cannot_be_is_refused(maker, options, found):
    with pytest.raises(errors.SpecError, match=found):
        maker.reader(**options)


def test_ring_beyond_the_end_of_the_region_is_refused(maker):
    with pytest.raises(errors.LayoutMismatch, match="has 4096 bytes, expected at least 4144 "):
        maker.reader(num_buffers=41, first_offset=80)
    with pytest.raises(errors.LayoutMismatch, match="has 4096 bytes, expected at least 4104 "):
        maker.reader(counter_offset=4096)


@pytest.mark.parametrize("timeout_s", [-1.0, float("nan"), float("inf")])
def test_timeout_that_is_no_time_is_refused(maker, timeout_s):
    with pytest.raises(errors.SpecError, match="timeout_s"):
        maker.reader().read(timeout_s)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return region_frames.compiled(tmp_path_factory.mktemp("region"))


@pytest.mark.parametrize("in_order", [False, True])
def test_frames_of_a_writer_in_another_process_are_whole(program, in_order):
    tally = region_frames.campaign(program, 1000, mutant=False, in_order=in_order)
    assert tally.is_good(1000), tally


def test_writer_that_counts_before_it_writes_is_found(program):
    tally = region_frames.campaign(program, 20_000, mutant=True, in_order=False)
    assert tally.torn and not tally.is_good(tally.frames), tally


def test_writer_takes_its_region_away_and_readers_notice(program):
    name = f"region-{secrets.token_hex(6)}"
    with region_frames.writing(program, name):
        ring = region_frames.reader(name)
        ring.read(20.0)
    assert not (SHM / name).exists()
    with pytest.raises(errors.SimulatorLost, match="is gone"):
        while True:
            ring.read(20.0)
