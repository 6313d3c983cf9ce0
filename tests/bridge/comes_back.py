"""probe.py over a bridge, again and again: a connection that was cut is followed by another."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance import probe

if __name__ == "__main__":
    while True:
        probe.main()
        print("cut noticed", flush=True)
