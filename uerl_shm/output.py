"""The kind of arrays that a batch is handed out as: NumPy's here, torch's in uerl_shm.torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uerl_shm.transfer import Pinned


class Output:
    """Batches as the NumPy arrays that they are.

    Attributes:
        batch: What makes the parts of a batch, a tuple of arrays and of dicts of them, the
            caller's.
        to_host: What makes NumPy arrays of actions that stand on a GPU; None: nothing is needed.
        memory: The segment's page-locked memory; None: it was not asked for.
    """

    def __init__(self) -> None:
        self.batch: Callable[[Any], Any] = _same
        self.to_host: Callable[[Any], Any] | None = None
        self.memory: Pinned | None = None

    def attach(self, core: Any) -> None:
        """Prepare a segment's memory."""

    def close(self) -> None:
        """Undo `attach`."""
        if self.memory is not None:
            self.memory.close()

    def array(self, array: Any) -> Any:
        """Return one array of a rollout."""
        return array

    def moved(self, parts: Any) -> Any:
        """Return arrays of a rollout that has ended."""
        return parts

    def record_stream(self, stream: Any) -> None:
        """Let batches that are dropped from now on wait for a stream, too."""


def _same(parts: Any) -> Any:
    return parts
