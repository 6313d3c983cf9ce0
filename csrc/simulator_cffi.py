"""Declares headers to cffi, which are the only declaration: those of include for simulators.

Beside them guard.h and region.h, for regions that another program made.
"""

import os
import re
from pathlib import Path

import cffi

INCLUDE = Path(__file__).resolve().parent / "include" / "uerl_shm"
CORE = Path(__file__).resolve().parent / "core"
PUBLIC = (INCLUDE / "layout.h", INCLUDE / "uerl_shm.h", INCLUDE / "bridge.h")
HEADERS = (*PUBLIC, CORE / "guard.h", CORE / "region.h")
SANITIZE = os.environ.get("UERL_SANITIZE", "")
LINK = ["-pthread", *([f"-fsanitize={SANITIZE}"] if SANITIZE else ["-Wl,--strip-debug"])]


def declarations() -> str:
    """What cffi can read of the headers: no preprocessor, no static_assert."""
    text = "".join(header.read_text() for header in HEADERS)
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
    "".join(f'#include "{header.parent.name}/{header.name}"\n' for header in HEADERS),
    include_dirs=[str(INCLUDE.parent), str(CORE.parent)],
    extra_compile_args=["-std=c17", "-O3"],
    extra_link_args=LINK,
)
