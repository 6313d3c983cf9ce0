"""A GPU that works when the test says so: stands for `uerl_shm.torch.Cuda`."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch


class FakeStream:
    """Work in order; an item returns False while it has to wait."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.items: list[Callable[[], bool]] = []
        self.num_done = 0

    def __repr__(self) -> str:
        return self.name

    def go_on(self) -> bool:
        before = self.num_done
        while self.num_done < len(self.items) and self.items[self.num_done]():
            self.num_done += 1
        return self.num_done > before


class FakeEvent:
    def __init__(self, gpu: FakeGpu, stream: FakeStream) -> None:
        self.gpu, self.stream, self.position = gpu, stream, len(stream.items)

    def query(self) -> bool:
        assert not self.gpu.capturing, "an event was asked for while a graph was captured"
        return self.stream.num_done >= self.position

    def synchronize(self) -> None:
        self.gpu.log.append(f"synchronize {self.stream}")
        self.gpu.run()


class FakeGpu:
    """Reads memory by its address, as a GPU does: it keeps no array alive.

    Attributes:
        log: What was asked for, in order.
        capturing: Whether a graph is being captured.
        refusal: Why memory cannot be page-locked; None: it can.
    """

    last: FakeGpu  # the one that was made last

    def __init__(self, device: Any = None) -> None:
        self.log: list[str] = []
        self.capturing = False
        self.refusal: str | None = None
        self.streams = [FakeStream("caller")]
        self.current = self.streams[0]
        self.pinned: dict[int, int] = {}
        FakeGpu.last = self

    def run(self) -> None:
        """Do all work that can be done."""
        while sum(stream.go_on() for stream in self.streams):
            pass

    def pin(self, address: int, num_bytes: int) -> str | None:
        self.log.append("pin")
        if self.refusal is None:
            self.pinned[address] = num_bytes
        return self.refusal

    def unpin(self, address: int) -> None:
        self.log.append("unpin")
        del self.pinned[address]

    def new_stream(self) -> FakeStream:
        self.streams.append(FakeStream(f"stream{len(self.streams)}"))
        return self.streams[-1]

    def current_stream(self) -> FakeStream:
        return self.current

    @contextlib.contextmanager
    def using(self, stream: FakeStream) -> Iterator[None]:
        before, self.current = self.current, stream
        yield
        self.current = before

    def record(self, stream: FakeStream) -> FakeEvent:
        assert not self.capturing, "an event was recorded while a graph was captured"
        self.log.append(f"record {stream}")
        return FakeEvent(self, stream)

    def wait(self, stream: FakeStream, event: FakeEvent) -> None:
        self.log.append(f"{stream} waits for {event.stream}")
        stream.items.append(event.query)

    def is_capturing(self) -> bool:
        return self.capturing

    def to_device(self, array: Any) -> torch.Tensor:
        tensor = torch.zeros(array.shape, dtype=torch.from_numpy(np.asarray(array)).dtype)
        self.copy_into(tensor, array)
        return tensor

    def copy_into(self, tensor: torch.Tensor, array: Any) -> None:
        array = np.asarray(array)
        num_bytes, address = array.nbytes, array.ctypes.data
        pinned = any(low <= address < low + size for low, size in self.pinned.items())
        target = tensor.numpy().reshape(-1).view(np.uint8)

        def copy() -> bool:
            target[:] = np.frombuffer((ctypes.c_uint8 * num_bytes).from_address(address), np.uint8)
            return True

        if pinned:
            self.log.append(f"copy on {self.current}")
            self.current.items.append(copy)
        else:
            copy()  # the library copies pageable memory before it returns

    def used_by(self, tensor: torch.Tensor, stream: FakeStream) -> None:
        self.log.append(f"used by {stream}")

    def to_host(self, tensor: Any) -> np.ndarray:
        self.record(self.current).synchronize()
        return tensor.value.numpy()

    def is_here(self, value: Any) -> bool:
        return isinstance(value, OnGpu)


class OnGpu:
    """A tensor that stands on the GPU."""

    def __init__(self, value: torch.Tensor) -> None:
        self.value = value
