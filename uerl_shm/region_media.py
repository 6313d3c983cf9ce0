"""A receiver of Epic's SharedMemoryMedia (nDisplay): which frame is shared, and the words back.

Metadata only. The pixels are in a D3D12 texture that Windows shares between processes; here are its
GUID, the frame's number and the words by which a receiver says what it has read. This follows
UE 5.6's arrangement of bytes, and was tried with a sender of our own, not with an engine.
"""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import NamedTuple

import numpy as np

from uerl_shm._simulator import ffi, lib
from uerl_shm.errors import LayoutMismatch, SegmentCorrupt, SegmentExists, SimulatorLost
from uerl_shm.region import Region
from uerl_shm.region_names import guid_text, media_region_name

__all__ = ["MediaFrame", "MediaReceiver"]

NUM_BUFFERS = 3
NUM_RECEIVERS = 4
MAGIC = 0x534D4D4D
KEEP_ALIVE_FRAMES = 12
NOTHING_TO_WAIT_FOR = 0xFFFFFFFF  # acknowledged: the sender waits for no frame
READS = 100  # a sender writes 24 bytes: it cannot be in the middle of them each time

SENDER = np.dtype([("magic", "<u4"), ("texture", "<u4", 4), ("frame", "<u4")])
OFFSETS = {"acknowledged": 0, "keep_alive": 4, "id": 8}  # of a receiver's words in its place
RECEIVER = np.dtype(
    {
        "names": list(OFFSETS),
        "formats": ["<u4", "u1", ("<u4", 4)],
        "offsets": list(OFFSETS.values()),
        "itemsize": 24,
    }
)
METADATA = np.dtype([("sender", SENDER), ("receivers", RECEIVER, NUM_RECEIVERS)])


class MediaFrame(NamedTuple):
    """What a sender says of one buffer.

    Attributes:
        buffer: Number of the buffer, 0 to 2.
        number: The sender's frame number.
        texture: GUID of the D3D12 texture with the pixels, in braces.
    """

    buffer: int
    number: int
    texture: str


class MediaReceiver:
    """One of the four receivers that a sender waits for before it uses a texture again.

    The sender has one region for each of its 3 buffers; frame ``k`` is in buffer ``k % 3``. In each
    the receiver claims a place. The sender counts a place down with every frame and gives it up
    after 12: call `keep_alive` at least that often. A receiver that dies drops out the same way.

    The sender writes its words without a release store: they are read until two reads agree. That
    makes a mixture of two frames unlikely, not impossible.

    Args:
        unique_name: As given to the sender's media output.

    Raises:
        SegmentNotFound: There is no such sender, or it is in another mount of ``/dev/shm``.
        SegmentExists: Four receivers have all places of a buffer.
        LayoutMismatch: A region of that name is no metadata of a sender.
        SimulatorLost: The sender has stopped.
        SystemCallFailed: This user may not read and write the regions.
    """

    def __init__(self, unique_name: str) -> None:
        self._id = np.frombuffer(secrets.token_bytes(16), "<u4")
        self._regions: list[Region] = []
        self._places: list[int] = []
        try:
            for buffer in range(NUM_BUFFERS):
                self._regions.append(Region(media_region_name(unique_name, buffer), METADATA, ()))
                self._sender(buffer)
                self._places.append(self._claimed(buffer))
        except BaseException:
            self.close()
            raise

    def newest(self) -> MediaFrame | None:
        """Return the frame with the highest number, or None before the first.

        Raises:
            SimulatorLost: The sender has stopped, or was started again: make a new receiver.
            LayoutMismatch, SegmentCorrupt: Its regions were overwritten or truncated.
        """
        frames = []
        for buffer in range(NUM_BUFFERS):
            sender = self._sender(buffer)
            if sender["texture"].any():
                texture = guid_text(*(int(word) for word in sender["texture"]))
                frames.append(MediaFrame(buffer, int(sender["frame"]), texture))
        return max(frames, key=lambda frame: frame.number, default=None)

    def acknowledge(self, frame: MediaFrame) -> None:
        """Tell the sender that a frame was read, so that it may use the texture again."""
        lib.uerl_region_store(self._word(frame.buffer, "acknowledged"), frame.number)

    def keep_alive(self) -> None:
        """Tell the sender that this receiver lives; claim a new place where ours was given up.

        Raises:
            SegmentExists: Ours was given up, and four others have taken all places.
        """
        for buffer in range(NUM_BUFFERS):
            if not self._set_keep_alive(buffer, KEEP_ALIVE_FRAMES):
                self._places[buffer] = self._claimed(buffer)

    def close(self) -> None:
        """Give up the places and let go of the regions. May be called again."""
        for buffer in range(len(self._places)):
            if self._is_ours(buffer):
                # First, so that the place's next receiver does not stall the sender.
                lib.uerl_region_store(self._word(buffer, "acknowledged"), NOTHING_TO_WAIT_FOR)
                self._set_keep_alive(buffer, 0)
        self._places = []
        for region in self._regions:
            region.close()

    def __enter__(self) -> MediaReceiver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _sender(self, buffer: int) -> np.ndarray:
        """A copy of the sender's words that was the same twice."""
        region = self._regions[buffer]
        region.check()
        source = ffi.cast("void *", region.address)
        before, now = np.zeros((), SENDER), np.zeros((), SENDER)
        for _ in range(READS):
            before = now.copy()
            lib.uerl_region_copy(ffi.cast("void *", now.ctypes.data), source, SENDER.itemsize)
            if now["magic"] == 0:
                raise SimulatorLost(
                    f"the sender of region {region.name!r} has stopped (its magic is 0), expected "
                    f"{MAGIC:#x}: start it again and make a new receiver"
                )
            if now["magic"] != MAGIC:
                raise LayoutMismatch(
                    f"region {region.name!r} begins with {int(now['magic']):#x}, expected "
                    f"{MAGIC:#x} (SMMM): this is no metadata of SharedMemoryMedia"
                )
            if before.tobytes() == now.tobytes():
                return now
        raise SegmentCorrupt(
            f"the words of region {region.name!r} differed in {READS} reads, expected them to stay "
            "for a frame: keep other programs away from the region"
        )

    def _claimed(self, buffer: int) -> int:
        """Number of a place that was free, and is this receiver's."""
        for place in range(NUM_RECEIVERS):
            byte = self._word(buffer, "keep_alive", place)
            if lib.uerl_region_swap(byte, 0, KEEP_ALIVE_FRAMES):
                receiver = self._regions[buffer].array["receivers"][place : place + 1]
                receiver["id"] = self._id
                word = self._word(buffer, "acknowledged", place)
                lib.uerl_region_store(word, NOTHING_TO_WAIT_FOR)
                return place
        raise SegmentExists(
            f"region {self._regions[buffer].name!r} has {NUM_RECEIVERS} receivers, expected a free "
            f"place: close one; a dead one is dropped after {KEEP_ALIVE_FRAMES} frames"
        )

    def _is_ours(self, buffer: int) -> bool:
        receiver = self._regions[buffer].array["receivers"][self._places[buffer]]
        return bool(receiver["keep_alive"] != 0 and (receiver["id"] == self._id).all())

    def _set_keep_alive(self, buffer: int, frames: int) -> bool:
        """Store a count in our place; return False if the sender has given the place up."""
        place = self._places[buffer]
        byte = self._word(buffer, "keep_alive", place)
        while self._is_ours(buffer):
            now = int(self._regions[buffer].array["receivers"]["keep_alive"][place])
            if now != 0 and lib.uerl_region_swap(byte, now, frames):
                return True
        return False

    def _word(self, buffer: int, field: str, place: int | None = None) -> object:
        """Address of a word of a receiver's place; None: of ours."""
        place = self._places[buffer] if place is None else place
        offset = SENDER.itemsize + place * RECEIVER.itemsize + OFFSETS[field]
        return ffi.cast("void *", self._regions[buffer].address + offset)
