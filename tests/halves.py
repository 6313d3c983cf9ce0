"""Runs the tests that do not take long, half of the folders beside the other half.

    make test

Tests mostly wait: for processes, for locks, for deadlines. Both halves look at all of /dev/shm, so
each has one of its own, which takes root; without, one follows the other. Arguments are pytest's,
and then one process runs what they choose.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
# About as long as all others together.
FIRST = ("adapters", "bridge", "cli", "conformance", "docs", "examples", "faults")
PYTEST = [sys.executable, "-m", "pytest", "-m", "not slow"]
OWN_SHM = 'mount -t tmpfs -o mode=1777 tmpfs /dev/shm && exec "$@"'


def halves() -> tuple[list[str], list[str]]:
    """Return the paths of each half: folders, and what stands beside them."""
    paths = [*TESTS.glob("*/test_*.py"), *TESTS.glob("test_*.py")]
    tops = sorted({path.relative_to(TESTS).parts[0] for path in paths})
    first = [f"tests/{top}" for top in tops if top in FIRST]
    return first, [f"tests/{top}" for top in tops if top not in FIRST]


def isolated(command: list[str]) -> list[str] | None:
    """Return the command with a /dev/shm of its own; None where that cannot be had."""
    if shutil.which("unshare") is None:
        return None
    whole = ["unshare", "--mount", "sh", "-c", OWN_SHM, "sh", *command]
    probe = ["unshare", "--mount", "sh", "-c", OWN_SHM, "sh", "true"]
    return whole if subprocess.run(probe, capture_output=True).returncode == 0 else None


def main() -> int:
    if sys.argv[1:]:
        return subprocess.run([*PYTEST, *sys.argv[1:]], cwd=TESTS.parent).returncode
    first, second = ([*PYTEST, *paths] for paths in halves())
    beside = isolated(second)
    if beside is None:
        print("without root one half of the tests follows the other", flush=True)
        return subprocess.run(PYTEST, cwd=TESTS.parent).returncode
    # One of both would write pytest's cache while the other does.
    with tempfile.TemporaryFile("w+") as output:
        other = subprocess.Popen(
            [*beside, "-p", "no:cacheprovider"],
            cwd=TESTS.parent, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            code = subprocess.run(isolated(first) or first, cwd=TESTS.parent).returncode
            other.wait()
        finally:
            other.kill()
            other.wait()
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout)
    return code or other.returncode


if __name__ == "__main__":
    sys.exit(main())
