"""Batches on their way to a GPU: in which order things happen, whatever the GPU's library is.

A simulator may write a slot again when nobody reads it any more. A GPU reads on its own time: a
copy that was asked for may begin long after the array that it reads was dropped. So the end of a
lease records an event, and the slot is free when that event is done (csrc/learner/fields.hpp).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol


class Event(Protocol):
    """A point in the work of a stream."""

    def query(self) -> bool:
        """Whether everything before it is done."""

    def synchronize(self) -> None:
        """Wait for everything before it."""


class Backend(Protocol):
    """What this needs of a GPU's library; `uerl_shm.torch.Cuda` is CUDA's."""

    def pin(self, address: int, num_bytes: int) -> str | None:
        """Page-lock memory; return None, or why it could not be."""

    def unpin(self, address: int) -> None:
        """Undo `pin`."""

    def new_stream(self) -> Any:
        """Return a stream of one's own."""

    def current_stream(self) -> Any:
        """Return the stream that the caller's work goes to."""

    def using(self, stream: Any) -> contextlib.AbstractContextManager[Any]:
        """Make a stream the current one."""

    def record(self, stream: Any) -> Event:
        """Return an event at the end of what a stream was given so far."""

    def wait(self, stream: Any, event: Event) -> None:
        """Let what a stream is given from now on wait for an event, without waiting here."""

    def is_capturing(self) -> bool:
        """Whether a graph of the current stream's work is being captured."""

    def to_device(self, array: Any) -> Any:
        """Return a tensor on the device; the current stream copies into it."""

    def copy_into(self, tensor: Any, array: Any) -> None:
        """Let the current stream copy an array into a tensor of the same shape."""

    def used_by(self, tensor: Any, stream: Any) -> None:
        """Tell the allocator that a stream uses a tensor that another one made."""

    def to_host(self, tensor: Any) -> Any:
        """Return a NumPy array of a tensor's values, once the current stream has come so far."""

    def is_here(self, value: Any) -> bool:
        """Whether a value is a tensor on the device."""


def goes(key: str) -> bool:
    """Whether an info becomes a tensor: Gymnasium's wrappers and people index with masks."""
    return not (key.startswith("_") or key in ("valid", "lost"))


class Fence:
    """Says when memory that a stream may still read is free.

    Called at the end of each lease. While a graph is captured no event can be recorded: then the
    memory stays held until the capture has ended, and what the stream was given by then is done.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._streams: list[Any] = []

    def add(self, stream: Any) -> None:
        """Let leases that end from now on wait for this stream, too."""
        if stream not in self._streams:
            self._streams.append(stream)

    def __call__(self) -> Event:
        """Return an event at the end of what streams were given so far."""
        if self._backend.is_capturing():
            return _AfterCapture(self._backend, self._record)
        return self._record()

    def _record(self) -> Event:
        backend = self._backend
        current = backend.current_stream()
        streams = [current, *(stream for stream in self._streams if stream != current)]
        return _All([backend.record(stream) for stream in streams])


class _All:
    """Several events."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def query(self) -> bool:
        return all(event.query() for event in self._events)

    def synchronize(self) -> None:
        for event in self._events:
            event.synchronize()


class _AfterCapture:
    """An event that is recorded when a capture has ended."""

    def __init__(self, backend: Backend, record: Callable[[], Event]) -> None:
        self._backend, self._record = backend, record
        self._event: Event | None = None

    def query(self) -> bool:
        if self._event is None and not self._backend.is_capturing():
            self._event = self._record()
        return self._event is not None and self._event.query()

    def synchronize(self) -> None:
        (self._event or self._record()).synchronize()


class Transfer:
    """Moves batches to the device on a stream of its own, beside the caller's work.

    Args:
        backend: The GPU's library.
        fixed: Whether every batch goes into the same tensors, as captured graphs need: then a copy
            begins when what the caller's stream was given so far is done.
    """

    def __init__(self, backend: Backend, fixed: bool = False) -> None:
        self._backend = backend
        self._stream = backend.new_stream()
        self._fixed: dict[Any, Any] | None = {} if fixed else None

    def batch(self, parts: Any) -> Any:
        """Return the parts of a batch on the device; the caller's stream waits for their copies.

        The caller drops the parts by passing them: then their lease ends on the stream that reads
        them, and not behind the work that the caller has given to its own.

        Args:
            parts: A tuple of arrays, and of dicts of them.
        """
        holder = [parts]
        del parts
        return self._sent(holder, goes, ())

    def all(self, arrays: dict[str, Any]) -> Any:
        """Return arrays on the device, whatever their names are."""
        return self._sent([arrays], lambda key: True, ("all",))

    def _sent(self, holder: list[Any], goes: Callable[[str], bool], path: Any) -> Any:
        backend, stream = self._backend, self._stream
        current = backend.current_stream()
        if self._fixed is not None:
            backend.wait(stream, backend.record(current))
        made: list[Any] = []
        with backend.using(stream):
            moved = self._moved(holder.pop(), goes, path, made)
            done = backend.record(stream)
        backend.wait(current, done)
        for tensor in made:
            backend.used_by(tensor, current)
        return moved

    def _moved(self, value: Any, goes: Callable[[str], bool], path: Any, made: list[Any]) -> Any:
        if isinstance(value, tuple):
            return tuple(
                self._moved(part, goes, (*path, index), made) for index, part in enumerate(value)
            )
        if isinstance(value, dict):
            return {
                key: self._moved(part, goes, (*path, key), made) if goes(key) else part
                for key, part in value.items()
            }
        return self._copied(value, path, made)

    def _copied(self, array: Any, path: Any, made: list[Any]) -> Any:
        if self._fixed is None:
            made.append(self._backend.to_device(array))
            return made[-1]
        key = (path, array.shape)
        if key in self._fixed:
            self._backend.copy_into(self._fixed[key], array)
        else:
            self._fixed[key] = self._backend.to_device(array)
        return self._fixed[key]

    def actions(self, value: Any) -> Any:
        """Return actions with every tensor of the device as a NumPy array.

        Waits for what the current stream was given so far, and for nothing else of the device.
        """
        if isinstance(value, dict):
            return {key: self.actions(part) for key, part in value.items()}
        return self._backend.to_host(value) if self._backend.is_here(value) else value


class Pinned:
    """A segment's memory, page-locked for as long as its env is open, where that is possible."""

    def __init__(self, core: Any, backend: Backend, fence: Fence) -> None:
        self._core, self._backend, self._fence = core, backend, fence
        self._address = core.address
        self.refusal = backend.pin(core.address, core.segment_bytes)
        if self.refusal is None:
            core.set_lease_event(fence)

    def close(self) -> None:
        """Wait for copies that were asked for, also of batches still held; undo the page-lock."""
        if self.refusal is None:
            self._core.settle_leases()
            self._fence().synchronize()
            self._backend.unpin(self._address)
            self.refusal = "the env is closed"
