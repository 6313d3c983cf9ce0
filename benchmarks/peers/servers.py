"""The peers' servers: compiled when first used, started one for each env."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

from workload import ROOT, Workload

FOLDER = Path(__file__).parent
BUILT = ROOT / "build" / "benchmarks"
#: What each server needs besides a compiler: a header, and the package that brings it.
NEEDS = {
    "websocket": ("boost/beast.hpp", "libboost-dev"),
    "grpc": ("grpcpp/grpcpp.h", "libgrpc++-dev"),
    "tcp": ("netinet/tcp.h", "libc6-dev"),
    "shared": ("semaphore.h", "libc6-dev"),
    "bare": ("linux/futex.h", "linux-libc-dev"),
    "scene": ("boost/beast.hpp", "libboost-dev"),
    "pixels": ("string.h", "libc6-dev"),
}


class Missing(Exception):
    """A peer cannot be built or imported here; the text says what to install."""


@lru_cache
def program(name: str) -> str:
    """Compile ``<name>_probe.cpp``; return the path of the program.

    Raises:
        Missing: There is no compiler, or not the library.
    """
    header, package = NEEDS[name]
    if shutil.which("g++") is None or not Path("/usr/include", header).exists():
        raise Missing(f"{name} needs g++ and {header}: apt-get install g++ {package}")
    kind = "server" if name == "scene" else "probe"
    target, sources = BUILT / f"{name}_{kind}", [FOLDER / f"{name}_{kind}.cpp"]
    include = [f"-I{ROOT / folder}" for folder in ("csrc", "csrc/include", "csrc/simulators")]
    if name == "scene":
        scenes = ROOT.glob("csrc/simulators/*.cpp")
        sources += [path for path in scenes if path.stem not in ("main", "run", "lane")]
    if name == "pixels":  # the library as it is shipped
        sources.append(ROOT / "uerl_shm" / "lib" / "libuerl_shm.a")
    newest = max(path.stat().st_mtime for path in (*sources, *FOLDER.glob("*.hpp")))
    if target.exists() and target.stat().st_mtime > newest:
        return str(target)
    BUILT.mkdir(parents=True, exist_ok=True)
    words = ["-std=c++17", "-O3", *include, *map(str, sources), "-o", str(target), "-pthread"]
    if name == "grpc":
        asked = ["pkg-config", "--cflags", "--libs", "grpc++"]
        words += subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    subprocess.run(["g++", *words], check=True)
    return str(target)


def python_program() -> list[str]:
    """Return the command of the websocket server in Python."""
    return [sys.executable, str(FOLDER / "websocket_server.py")]


class Servers:
    """Processes of which each prints one line when it serves.

    Args:
        command: Of the program.
        arguments: Of each process.

    Attributes:
        said: The line that each has printed: a port, or that it is ready.
    """

    def __init__(self, command: list[str], arguments: list[list[str]]) -> None:
        self.processes = [
            subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True)
            for words in arguments
        ]
        outputs = [process.stdout for process in self.processes]
        self.said = [output.readline().strip() for output in outputs if output is not None]

    def close(self, patience_s: float) -> None:
        """Wait for them to end with their connections, then kill."""
        deadline = time.monotonic() + patience_s
        for process in self.processes:
            process.stdout.close()  # type: ignore[union-attr]
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def probes(command: list[str], workload: Workload, more: list[str]) -> Servers:
    """Start a probe for each env of a workload; `more` is the last argument of each."""
    words = [*workload.frame, workload.step_us, workload.wait_us]
    envs = range(workload.num_envs)
    return Servers(command, [[str(env), *map(str, words), more[env]] for env in envs])
