"""Learning Agents' snapshots of networks: what must hold before the engine loads one.

A snapshot is six little-endian uint32 (magic, version, input_num, output_num, compatibility_hash,
filedata_size), then a file of the engine's own inference format. The engine takes a snapshot only
if it is exactly as long as its own, and one of another network would break the game.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from uerl_shm.errors import SpecError

MAGIC = 0x1E9B0C80
VERSION = 1
HEADER = struct.Struct("<6I")


class Header(NamedTuple):
    """The words before a network's file."""

    magic: int
    version: int
    input_num: int
    output_num: int
    compatibility_hash: int
    filedata_size: int


def fault_of(
    snapshot: memoryview | bytes, num_bytes: int, initial: bytes | None = None
) -> str | None:
    """Return what is wrong with a snapshot, as ``<found>, expected <what>``; None if nothing is.

    Args:
        snapshot: Bytes.
        num_bytes: Length that the engine's network has.
        initial: The engine's own snapshot of it, whose sizes and hash must be repeated.
    """
    if len(snapshot) != num_bytes:
        return f"{len(snapshot)} bytes, expected exactly {num_bytes}"
    if num_bytes < HEADER.size:
        return f"{num_bytes} bytes, expected at least the {HEADER.size} of a header"
    header = Header(*HEADER.unpack_from(snapshot))
    if initial is None:
        size = num_bytes - HEADER.size
        expected = header._replace(magic=MAGIC, version=VERSION, filedata_size=size)
    else:
        expected = Header(*HEADER.unpack_from(initial))
    for name, found, wanted in zip(Header._fields, header, expected, strict=True):
        if found != wanted:
            return f"{name} {found:#x}, expected {wanted:#x}"
    return None


def checked_snapshot(network_id: int, snapshot: Any, initial: bytes) -> memoryview:
    """Return a snapshot as bytes, if the engine can load it in place of its initial one.

    Raises:
        SpecError: It cannot.
    """
    try:
        data = memoryview(snapshot).cast("B")
    except (TypeError, ValueError) as error:
        raise SpecError(
            f"snapshot of network {network_id} is {type(snapshot).__name__}, expected contiguous "
            f"bytes: {error}"
        ) from None
    if fault := fault_of(data, len(initial), initial):
        raise SpecError(
            f"snapshot of network {network_id} has {fault}: repeat the first 24 bytes of the "
            "initial snapshot, and give as many bytes as it has"
        )
    return data
