"""Declares uerl_shm.h and layout.h to cffi: the headers themselves are the only declaration."""

import os
import re
from pathlib import Path

import cffi

INCLUDE = Path(__file__).resolve().parent / "include" / "uerl_shm"
SANITIZE = os.environ.get("UERL_SANITIZE", "")
LINK = ["-pthread", *([f"-fsanitize={SANITIZE}"] if SANITIZE else ["-Wl,--strip-debug"])]


def declarations() -> str:
    """What cffi can read of both headers: no preprocessor, no static_assert."""
    text = "".join((INCLUDE / name).read_text() for name in ("layout.h", "uerl_shm.h"))
    # extern "C" stands inside #ifdef __cplusplus: those blocks mean nothing to C.
    text = re.sub(r"#ifdef __cplusplus.*?#(?:else.*?#)?endif", "", text, flags=re.DOTALL)
    text = re.sub(r"UERL_STATIC_ASSERT\(.*?\);", "", text, flags=re.DOTALL)
    integers = re.findall(r"^#define (UERL_\w+) (?=UINT|UERL_)", text, flags=re.MULTILINE)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    return text + "".join(f"#define {name} ...\n" for name in integers)


ffibuilder = cffi.FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "uerl_shm._simulator",
    '#include "uerl_shm/uerl_shm.h"',
    include_dirs=[str(INCLUDE.parent)],
    extra_compile_args=["-std=c17", "-O3"],
    extra_link_args=LINK,
)
