"""The command line `uerl-shm`: run, judge, watch and tidy simulators that share a segment."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command line of this process."""
    from uerl_shm.cli.app import app

    # Ends like Ctrl-C does: simulators are told, and the segment goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a mark that the terminal cannot show is no error
    try:
        app(prog_name="uerl-shm")
    finally:
        _flush()


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # `uerl-shm ls | head -1`: what is left goes nowhere, quietly
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
