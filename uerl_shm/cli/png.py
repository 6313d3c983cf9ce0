"""PNG files, written with zlib alone."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(picture: NDArray[np.uint8], level: int = 6) -> bytes:
    """Return a picture of shape ``(height, width, 3)`` as the bytes of a PNG file.

    Args:
        picture: Shape ``(height, width, 3)``.
        level: Of zlib: 1 is quick, 9 makes small files.
    """
    height, width, _ = picture.shape
    lines = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = picture.reshape(height, 3 * width)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits each of red, green, blue
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), level)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture; whoever reads the file meanwhile sees the old one or the new one, whole."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(encode(picture))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
