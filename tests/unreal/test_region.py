"""Regions that somebody else made: read as they are, and left as they are."""

from __future__ import annotations

import errno
import gc
import os
import secrets
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import uerl_shm
from uerl_shm import errors

SHM = Path("/dev/shm")
PAGE = os.sysconf("SC_PAGESIZE")
NOBODY = 65534


@pytest.fixture
def make():
    """Makes regions as Unreal does: whole pages, mode 0666 less the umask; returns their names."""
    names = []

    def one(num_bytes: int = PAGE, name: str | None = None) -> str:
        name = name or f"region-{secrets.token_hex(6)}"
        fd = os.open(SHM / name, os.O_RDWR | os.O_CREAT, 0o666)
        os.ftruncate(fd, -(-num_bytes // PAGE) * PAGE)
        os.close(fd)
        names.append(name)
        return name

    yield one
    for name in names:
        (SHM / name).unlink(missing_ok=True)


def identity(name: str) -> tuple[int, ...]:
    file = os.stat(SHM / name)
    return file.st_size, file.st_ino, file.st_mode, file.st_nlink, file.st_uid


def test_array_is_the_makers_memory_in_both_directions(make):
    name = make()
    with uerl_shm.Region(name, "<i4", (2, 3), offset=8) as region:
        with open(SHM / name, "r+b") as file:
            file.seek(8)
            file.write(np.arange(6, dtype="<i4").tobytes())
            file.flush()
            np.testing.assert_array_equal(region.array, [[0, 1, 2], [3, 4, 5]])
            region.array[1, 2] = -7
            file.seek(8 + 5 * 4)
            assert file.read(4) == (-7).to_bytes(4, "little", signed=True)
        assert region.num_bytes == PAGE


def test_structured_header_is_read_by_names(make):
    header = np.dtype([("magic", "<u4"), ("size", "<u2", 2)])
    name = make()
    with open(SHM / name, "r+b") as file:
        file.write(b"SMMM\x02\x00\x03\x00")
    with uerl_shm.Region(name, header, ()) as region:
        assert int(region.array["magic"]) == 0x4D4D4D53
        assert region.array["size"].tolist() == [2, 3]


def test_region_is_left_as_it_was(make):
    name = make(3 * PAGE + 5)
    before = identity(name)
    region = uerl_shm.Region(name, "uint8", (100,))
    region.array[:] = 1
    region.close()
    region.close()
    del region
    gc.collect()
    assert identity(name) == before


def test_region_opens_no_file_for_good(make):
    name = make()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        uerl_shm.Region(name, "uint8", (1,)).close()
        with pytest.raises(errors.LayoutMismatch):
            uerl_shm.Region(name, "uint8", (PAGE + 1,))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_views_stay_valid_after_the_region_and_its_name_are_gone(make):
    name = make()
    region = uerl_shm.Region(name, "uint8", (PAGE,))
    region.array[:] = 7
    view = region.array[10:20].reshape(2, 5)[1]
    region.close()
    (SHM / name).unlink()
    del region
    gc.collect()
    assert view.tolist() == [7] * 5
    assert f"{name} (deleted)" in Path("/proc/self/maps").read_text()
    del view
    gc.collect()
    assert name not in Path("/proc/self/maps").read_text()


def test_closed_region_says_so(make):
    region = uerl_shm.Region(make(), "uint8", (1,))
    region.close()
    with pytest.raises(errors.SegmentError, match=r"is closed, expected an open one: make a new"):
        _ = region.array


def test_missing_region_names_similar_ones(make):
    name = make(name=f"Region-{secrets.token_hex(6)}.camera")
    with pytest.raises(errors.SegmentNotFound, match=rf"not found, .*similar: {name}") as caught:
        uerl_shm.Region(name.lower()[:-1], "uint8", (1,))
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(errors.SegmentNotFound, match="nothing there has a similar name"):
        uerl_shm.Region("zq" * 30, "uint8", (1,))
    assert not (SHM / ("zq" * 30)).exists()


def test_region_that_is_too_small_names_both_sizes(make):
    with pytest.raises(errors.LayoutMismatch, match=rf"has {PAGE} bytes, expected .* {PAGE + 4} "):
        uerl_shm.Region(make(), "float32", (PAGE // 4,), offset=4)
    with pytest.raises(errors.LayoutMismatch, match="has 0 bytes, expected at least 1 "):
        uerl_shm.Region(make(0), "uint8", (1,))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("/camera", "has a slash"),
        ("a/b", "has a slash"),
        ("a,b", "has a comma"),
        ("a" * 127, "has 127 characters"),
        ("\u00e9" * 128, "has 128 characters"),
        ("\U0001f600" * 100, "has 100 characters"),  # 400 bytes
        ("", "is no name"),
        ("..", "is no name"),
        ("a\0b", "is no name"),
        ("\ud800", "is no name"),
    ],
)
def test_name_that_no_region_should_have_is_refused(name, found):
    with pytest.raises(errors.SpecError, match=found):
        uerl_shm.Region(name, "uint8", (1,))


@pytest.mark.parametrize(
    ("dtype", "shape", "offset", "found"),
    [
        (object, (1,), 0, "dtype object"),
        ([("a", object)], (1,), 0, "dtype"),
        ("S0", (1,), 0, "dtype"),
        (("u1", (3,)), (1,), 0, "dtype"),
        ("uint99", (1,), 0, "dtype 'uint99' is unknown"),
        ("uint8", (0,), 0, "shape"),
        ("uint8", (2, -1), 0, "shape"),
        ("uint8", (1.5,), 0, "shape"),
        ("uint8", 3, 0, "shape"),
        ("uint8", (1,), -1, "offset -1"),
        ("uint8", (1,), 0.5, "offset 0.5"),
    ],
)
def test_array_that_cannot_stand_in_a_region_is_refused(make, dtype, shape, offset, found):
    with pytest.raises(errors.SpecError, match=found):
        uerl_shm.Region(make(), dtype, shape, offset)


def test_region_of_another_user_names_owner_mode_and_remedy(make):
    name = make()
    os.chmod(SHM / name, 0o444)
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(
            errors.SystemCallFailed, match=rf"uid {uid} .*mode 0444.*umask"
        ) as caught:
            uerl_shm.Region(name, "uint8", (1,))
    finally:
        os.seteuid(uid)
    assert caught.value.errno == errno.EACCES


def test_what_is_no_regular_file_is_refused(make):
    names = [f"region-{secrets.token_hex(6)}" for _ in range(3)]
    (SHM / names[0]).mkdir()
    os.mkfifo(SHM / names[1])
    (SHM / names[2]).symlink_to(SHM / make())
    try:
        for name in names:
            with pytest.raises((errors.SystemCallFailed, errors.LayoutMismatch), match="regular"):
                uerl_shm.Region(name, "uint8", (1,))
    finally:
        (SHM / names[0]).rmdir()
        (SHM / names[1]).unlink()
        (SHM / names[2]).unlink()


CUT = """
import os, sys
import uerl_shm
from uerl_shm.region_ring import RingReader

name, page = sys.argv[1], os.sysconf("SC_PAGESIZE")
for _ in range(300):  # more than can be guarded at a time
    uerl_shm.Region(name, "uint8", (1,)).close()
region = uerl_shm.Region(name, "uint8", (4 * page,))
ring = RingReader(
    name, "uint8", (page,), num_buffers=2, first_offset=page, stride_bytes=page
)
region.array[:] = 1
region.array[:8] = [5, 0, 0, 0, 0, 0, 0, 0]
os.truncate("/dev/shm/" + name, int(sys.argv[2]) * page)
grow = lambda: os.truncate("/dev/shm/" + name, 4 * page) or region.check()
for look in (region.check, lambda: ring.read(1.0), region.check, grow):
    try:
        look()
    except uerl_shm.SegmentCorrupt as error:
        assert "truncated" in str(error), error
    else:
        sys.exit("nobody noticed")
    assert region.array[-page:].sum() == 0
print("alive")
"""


@pytest.mark.parametrize("pages_left", [0, 1])
def test_region_that_is_cut_while_it_is_mapped_raises_and_kills_nobody(make, pages_left):
    arguments = [sys.executable, "-c", CUT, make(4 * PAGE), str(pages_left)]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "alive\n"), ended.stderr


def test_check_tells_a_name_that_is_gone_from_one_that_leads_elsewhere(make):
    name = make()
    with uerl_shm.Region(name, "uint8", (1,)) as region:
        region.check()
        (SHM / name).unlink()
        with pytest.raises(errors.SimulatorLost, match="is gone"):
            region.check()
        make(name=name)
        with pytest.raises(errors.SimulatorLost, match=r"is another file now .*started again"):
            region.check()
