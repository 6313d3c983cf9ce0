"""Compiles kernel.cpp for this machine, and calls it."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_name("kernel.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")


@lru_cache(maxsize=1)
def _compiled() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "kernel.so")
        compiler = shlex.split(os.environ.get("CXX", "c++"))
        subprocess.run([*compiler, *FLAGS, str(SOURCE), "-o", str(library)], check=True)
        call = ctypes.CDLL(str(library)).count_wrong_bytes
    call.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p) + (
        ctypes.c_uint64,
    ) * 2
    call.restype = ctypes.c_int64
    return call


def count_wrong_bytes(rows: np.ndarray, bases: np.ndarray, and_mask: int, or_mask: int) -> int:
    """Return how many bytes of `rows` differ from the pattern.

    Args:
        rows: Shape ``(num_rows, ...)``, C order, any dtype.
        bases: Shape ``(num_rows,)``, uint64: first word of each row's pattern.
        and_mask: Bits of a word that the pattern chooses.
        or_mask: Bits that are always set.
    """
    if not rows.flags.c_contiguous or bases.shape != rows.shape[:1]:
        raise ValueError(f"rows {rows.shape} with bases {bases.shape}, expected C order, one each")
    if len(rows) == 0:
        return 0
    return int(
        _compiled()(
            rows.ctypes.data, len(rows), rows.nbytes // len(rows), bases.ctypes.data,
            and_mask, or_mask,
        )
    )  # fmt: skip
