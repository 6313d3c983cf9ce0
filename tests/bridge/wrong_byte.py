"""probe.py over a bridge that changes one byte of every hundredth message: it must be found."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance import probe
from uerl_shm import bridge_wire

_send, _number = bridge_wire.Wire.send, count()


def send(wire: bridge_wire.Wire, parts: list[bytearray]) -> None:
    """Send, and be wrong at times: in the middle, where rows are."""
    changed = [bytearray(part) for part in parts]
    if len(changed[0]) > 100 and next(_number) % 100 == 50:
        changed[0][len(changed[0]) // 2] ^= 1
    _send(wire, changed)


if __name__ == "__main__":
    bridge_wire.Wire.send = send
    probe.main()
