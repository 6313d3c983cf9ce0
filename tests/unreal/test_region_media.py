"""Receivers of SharedMemoryMedia against a sender of the same arrangement of bytes, no engine."""

from __future__ import annotations

import os
import secrets
import struct
from pathlib import Path

import pytest

from uerl_shm import errors
from uerl_shm.region_media import MediaReceiver
from uerl_shm.region_names import city_hash_64, media_region_name

SHM = Path("/dev/shm")
MAGIC = 0x534D4D4D
NO_FRAME = 0xFFFFFFFF


class Sender:
    """The sender's half, spelled out by offsets of its own."""

    def __init__(self, unique_name: str) -> None:
        self.paths = [SHM / media_region_name(unique_name, buffer) for buffer in range(3)]
        for path in self.paths:
            path.write_bytes(bytes(4096))
            self.put(path, 0, struct.pack("<I", MAGIC))
            for place in range(4):
                self.put(path, 24 + 24 * place, struct.pack("<I", NO_FRAME))

    def put(self, path: Path, offset: int, data: bytes) -> None:
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def publish(self, frame: int) -> None:
        path = self.paths[frame % 3]
        self.put(path, 0, struct.pack("<6I", MAGIC, 1, 0x20003, 4, 5, frame))
        for place in range(4):
            alive = self.receiver(frame % 3, place)[1]
            self.put(path, 24 + 24 * place + 4, bytes([max(alive - 1, 0)]))

    def receiver(self, buffer: int, place: int) -> tuple[int, int, bytes]:
        data = self.paths[buffer].read_bytes()
        acknowledged, alive, words = struct.unpack_from("<IB3x16s", data, 24 + 24 * place)
        return acknowledged, alive, words

    def stop(self) -> None:
        for path in self.paths:
            self.put(path, 0, bytes(4))


@pytest.fixture
def name():
    return f"Camera {secrets.token_hex(4)}"


@pytest.fixture
def sender(name):
    made = Sender(name)
    yield made
    for path in made.paths:
        path.unlink(missing_ok=True)


# Values of the package `cityhash` 0.4.10 (CityHash 1.1), each branch by length.
@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        ("", 0x9AE16A3B2F90404F),
        ("ab", 0x86754BB267D9000B),
        ("Cam", 0x1B09638B167A748F),
        ("Camera_0", 0x3DA3CE9D99719D08),
        ("nDisplay viewport 12", 0x49B3F6C8CE8CB9E8),
        ("x" * 40, 0xED867CC08E26F2B1),
    ],
)
def test_hash_is_city_hash(text, hashed):
    assert city_hash_64(text.encode("utf-16-le")) == hashed


def test_regions_are_guids_that_differ_in_the_buffer_only_and_not_in_spaces():
    assert media_region_name("Camera_0", 0) == "{DA90FCAF-7034-A2AA-2329-2D23EB12036B}"
    assert media_region_name(" Camera _0", 2) == "{DA90FCAF-7034-A2AA-2329-2D23EB12036D}"


def test_newest_frame_is_the_highest_number_of_three_buffers(sender, name):
    with MediaReceiver(name) as receiver:
        assert receiver.newest() is None
        for frame in range(7):
            sender.publish(frame)
            newest = receiver.newest()
            assert newest.number == frame and newest.buffer == frame % 3
        assert newest.texture == "{00000001-0002-0003-0000-000400000005}"


def test_receiver_claims_acknowledges_and_gives_up_a_place_in_each_buffer(sender, name):
    with MediaReceiver(name) as receiver:
        ids = {sender.receiver(buffer, 0)[2] for buffer in range(3)}
        assert len(ids) == 1 and ids != {bytes(16)}
        assert [sender.receiver(buffer, 0)[:2] for buffer in range(3)] == [(NO_FRAME, 12)] * 3
        sender.publish(4)
        receiver.acknowledge(receiver.newest())
        assert sender.receiver(1, 0)[:2] == (4, 11)
        receiver.keep_alive()
        assert sender.receiver(1, 0)[:2] == (4, 12)
    assert [sender.receiver(buffer, 0)[:2] for buffer in range(3)] == [(NO_FRAME, 0)] * 3
    receiver.close()


def test_place_that_the_sender_gave_up_is_claimed_again(sender, name):
    with MediaReceiver(name) as receiver:
        for frame in range(3 * 12):
            sender.publish(frame)
        assert sender.receiver(0, 0)[1] == 0
        receiver.keep_alive()
        assert [sender.receiver(buffer, 0)[1] for buffer in range(3)] == [12] * 3


def test_place_of_another_receiver_is_left_alone(sender, name):
    first = MediaReceiver(name)
    for frame in range(3 * 12):
        sender.publish(frame)
    second = MediaReceiver(name)  # takes place 0, which the first has lost
    first.keep_alive()
    assert sender.receiver(0, 0)[2] != sender.receiver(0, 1)[2]
    first.close()
    assert [sender.receiver(0, place)[1] for place in (0, 1)] == [12, 0]
    second.close()


def test_place_that_another_receiver_took_over_is_not_given_up(sender, name):
    first = MediaReceiver(name)
    for frame in range(3 * 12):
        sender.publish(frame)
    with MediaReceiver(name) as second:
        sender.publish(36)
        second.acknowledge(second.newest())
        first.close()
        assert sender.receiver(0, 0)[:2] == (36, 11)


def test_fifth_receiver_is_refused_and_leaves_no_place_taken(sender, name):
    receivers = [MediaReceiver(name) for _ in range(4)]
    sender.put(sender.paths[0], 24 + 4, bytes(1))  # free in the first buffer only
    with pytest.raises(errors.SegmentExists, match="has 4 receivers, expected a free place"):
        MediaReceiver(name)
    assert sender.receiver(0, 0)[1] == 0
    for receiver in receivers:
        receiver.close()


def test_sender_that_stops_is_lost(sender, name):
    with MediaReceiver(name) as receiver:
        sender.stop()
        with pytest.raises(errors.SimulatorLost, match="has stopped"):
            receiver.newest()
    with pytest.raises(errors.SimulatorLost, match="has stopped"):
        MediaReceiver(name)


def test_region_that_is_no_metadata_is_refused(sender, name):
    sender.put(sender.paths[2], 0, b"ABCD")
    with pytest.raises(errors.LayoutMismatch, match="begins with 0x44434241, expected 0x534d4d4d"):
        MediaReceiver(name)
    assert [sender.receiver(buffer, 0)[1] for buffer in range(3)] == [0, 0, 0]


def test_sender_that_is_not_there_is_not_found(name):
    before = os.listdir(SHM)
    with pytest.raises(errors.SegmentNotFound):
        MediaReceiver(name)
    assert os.listdir(SHM) == before
