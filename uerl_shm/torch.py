"""Batches as torch tensors over the same memory. The only module that imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def converters(device: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return what turns one NumPy array, and one batch of them, into tensors.

    The tensors share the arrays' memory, and so keep their slots held. On another device than the
    CPU they are copies made at once.

    Args:
        device: As of ``torch.device``; None: the CPU.
    """
    from_numpy = torch.from_numpy
    target = torch.device("cpu" if device is None else device)

    def tensor(array: Any) -> Any:
        return from_numpy(array)

    def moved(array: Any) -> Any:
        return from_numpy(array).to(target)

    convert = tensor if target.type == "cpu" else moved

    def tree(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return convert(value)
        return {key: item if _stays(key) else tree(item) for key, item in value.items()}

    def batch(parts: Any) -> tuple[Any, ...]:
        return tuple(tree(part) for part in parts)

    return convert, batch


def _stays(key: str) -> bool:
    """Whether an info stays a NumPy array: Gymnasium's wrappers and people index with masks."""
    return key.startswith("_") or key in ("valid", "lost")
