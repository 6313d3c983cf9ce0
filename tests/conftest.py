"""What every test must leave behind: no segment, no process."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tidy import leaks

GRACE_S = 3.0  # a killed process needs a moment to be gone


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails a test that ends with a segment in /dev/shm or a child process of its own."""
    before = leaks.segments(), leaks.children()
    yield
    deadline = time.monotonic() + GRACE_S
    while (found := leaks.left_behind(*before)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not found, f"the test left behind {', '.join(found)}: close what it opened"
