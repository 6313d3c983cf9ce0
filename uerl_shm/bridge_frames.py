"""The frames of a bridge as the learner's end makes and checks them; bridge.h says what they are.

That header is for the engine's end, which is in C; this end is a second reading of the protocol.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence
from typing import NamedTuple

from uerl_shm._simulator import lib
from uerl_shm.errors import LayoutMismatch, SegmentCorrupt
from uerl_shm.host_arrays import DTYPES, Field

FRAME = struct.Struct("<IBBH")
HELLO = struct.Struct("<QIIiI32s")
CHALLENGE = struct.Struct("<QII32s")
WELCOME = struct.Struct("<32s8I64s")
GROUP = struct.Struct("<64sII56x")
FIELD = struct.Struct("<64s4I8Q48x")
NOTE = struct.Struct("<II")
COMMAND = struct.Struct("<QII")
RESULT = struct.Struct("<QIIII")
END = struct.Struct("<i")
PROOF_BYTES = lib.UERL_BRIDGE_PROOF_BYTES
ALIVE = FRAME.pack(0, lib.UERL_BRIDGE_ALIVE, 0, 0)
MAX_CHANNELS = 1024  # of one connection


class Head(NamedTuple):
    """What stands before every frame."""

    num_bytes: int
    kind: int
    reserved: int
    channel: int


class Hello(NamedTuple):
    """What an engine says first."""

    magic: int
    version: int
    layout_version: int
    lane: int
    num_channels: int
    nonce: bytes


def frame(kind: int, channel: int, *parts: bytes) -> bytes:
    """Return a whole frame."""
    content = b"".join(parts)
    return FRAME.pack(len(content), kind, 0, channel) + content


def close_frame(code: int, text: str) -> bytes:
    """Return a frame that ends the connection and says why."""
    said = text.encode()[: lib.UERL_BRIDGE_MAX_TEXT_BYTES]
    return frame(lib.UERL_BRIDGE_CLOSE, 0, END.pack(code), said)


def challenge(nonce: bytes) -> bytes:
    """Return the content of a CHALLENGE."""
    return CHALLENGE.pack(
        lib.UERL_BRIDGE_MAGIC, lib.UERL_BRIDGE_VERSION, lib.UERL_LAYOUT_VERSION, nonce
    )


def proof(token: bytes, who: str, hello: bytes, challenged: bytes) -> bytes:
    """Return what ``who`` ("engine" or "learner") has to say to prove that it knows the token."""
    return hmac.digest(token, who.encode() + hello + challenged, "sha256")


def check_hello(hello: Hello) -> None:
    """Refuse whoever is no engine of this version.

    Raises:
        SegmentCorrupt: It is no engine at all. LayoutMismatch: It is of another version.
    """
    if hello.magic != lib.UERL_BRIDGE_MAGIC:
        raise SegmentCorrupt(
            f"a connection began with {hello.magic:016x}, expected {lib.UERL_BRIDGE_MAGIC:016x}: "
            "only simulators of uerl_shm may connect; let both ends use TLS, or neither"
        )
    ours = (lib.UERL_BRIDGE_VERSION, lib.UERL_LAYOUT_VERSION)
    if (hello.version, hello.layout_version) != ours:
        raise LayoutMismatch(
            f"the engine's end speaks bridge version {hello.version} over layout "
            f"{hello.layout_version}, this one {ours[0]} over {ours[1]}: install the same uerl_shm "
            "at both ends"
        )
    if not 1 <= hello.num_channels <= MAX_CHANNELS:
        raise SegmentCorrupt(
            f"a connection wants {hello.num_channels} lanes, expected 1 to {MAX_CHANNELS}"
        )


def tables(fields: Sequence[Field], num_envs: int) -> tuple[int, bytes]:
    """Return the number of groups, and the tables of groups and fields that a WELCOME carries."""
    groups = list(dict.fromkeys(field.group for field in fields))
    rows = {field.group: field.num_rows // num_envs for field in fields}
    packed = [GROUP.pack(name.encode(), rows[name], 0) for name in groups]
    for field in fields:
        shape = (*field.shape, *[0] * (8 - len(field.shape)))
        kind = (groups.index(field.group), field.role, DTYPES.index(field.dtype) + 1)
        packed.append(FIELD.pack(field.name.encode(), *kind, len(field.shape), *shape))
    return len(groups), b"".join(packed)
