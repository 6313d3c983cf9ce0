"""Facts about versions and about what the package brought along."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from uerl_shm import _core
from uerl_shm._bin import FOLDER
from uerl_shm.cli.facts import Fact
from uerl_shm.spec import LAYOUT_VERSION

OLDEST_PYTHON = (3, 10)
CUDA_TIMEOUT_S = 120.0
# In a process of its own: a torch that cannot be loaded must not end the examination.
ASK_TORCH = (
    "import torch\n"
    "found = torch.cuda.is_available()\n"
    "names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]\n"
    "print(', '.join(names) if found else 'none')"
)


def python() -> Iterator[Fact]:
    """Say which Python runs this."""
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info >= OLDEST_PYTHON:
        yield Fact("Python", found)
    else:
        yield Fact("Python", found, False, "use Python 3.10 or newer")


def packages() -> Iterator[Fact]:
    """Say which packages are there."""
    for name in ("numpy", "gymnasium", "cffi", "typer", "rich"):
        try:
            yield Fact(name, version(name))
        except PackageNotFoundError:
            yield Fact(name, "not installed", False, f"pip install {name}")


def torch() -> Iterator[Fact]:
    """Say whether torch is there, and whether it has a GPU."""
    try:
        yield Fact("torch", version("torch"))
    except PackageNotFoundError:
        remedy = "pip install 'uerl_shm[train]', if you want to train with the examples"
        yield Fact("torch", "not installed", None, remedy)
        return
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASK_TORCH],
            capture_output=True, text=True, timeout=CUDA_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield Fact("CUDA", f"torch did not say in {CUDA_TIMEOUT_S:g} s", None, "run nvidia-smi")
        return
    if asked.returncode != 0:
        last = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
        yield Fact("CUDA", f"torch cannot be loaded: {last}", False, "reinstall torch")
    else:
        yield Fact("CUDA", asked.stdout.strip())


def own_parts() -> Iterator[Fact]:
    """Say which uerl_shm this is, and whether its executables are there."""
    import uerl_shm

    yield Fact("uerl_shm", uerl_shm.__version__)
    value = f"{_core.LAYOUT_VERSION} built, {LAYOUT_VERSION} in Python"
    if _core.LAYOUT_VERSION == LAYOUT_VERSION:
        yield Fact("layout", str(LAYOUT_VERSION))
    else:
        yield Fact("layout", value, False, "run `make build`, or reinstall uerl_shm")
    missing = [n for n in ("uerl-sim", "uerl-launch") if not os.access(FOLDER / n, os.X_OK)]
    if missing:
        remedy = "run `make build`, or reinstall uerl_shm"
        yield Fact("executables", f"{' and '.join(missing)} missing in {FOLDER}", False, remedy)
    else:
        yield Fact("executables", "uerl-sim, uerl-launch")
