"""Programs built with a sanitizer, and mutants: the same with one line of csrc made wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("csrc", "tests/c", "tests/fuzz", "tests/sanitize")  # what a mutant's tree needs
LOCKS = ("uerl_lock_take", "uerl_lock_probe", "uerl_lock_close")  # tests/sanitize/kernel_locks.hpp
SHM = Path("/dev/shm")


@dataclass(frozen=True)
class Kit:
    """A compiler with a sanitizer; `folder` holds what it built."""

    folder: str
    sanitizers: str
    cc: str = "gcc"
    cxx: str = "g++"
    ldflags: str = ""

    def missing(self) -> str:
        """Why nothing can be built with it, or nothing."""
        if shutil.which(self.cc.split()[0]) is None:
            return f"{self.cc.split()[0]} is missing: run `make sanitize` as root once"
        flag = f"-fsanitize={self.sanitizers.replace('fuzzer-no-link', 'fuzzer')}"
        program = "int main(void){return 0;}"
        if "fuzzer" in flag:
            program = "int LLVMFuzzerTestOneInput(const char*d,unsigned long n){return !d+!n;}"
        with tempfile.TemporaryDirectory(prefix="uerl-kit-") as folder:
            linked = subprocess.run(
                [self.cc.split()[0], flag, "-xc", "-", "-o", f"{folder}/a"],
                input=program,
                capture_output=True,
                text=True,
                check=False,
            )
        if linked.returncode == 0:
            return ""
        return f"the runtime of {flag} is missing: apt-get install libclang-rt-14-dev"

    def build(self, program: str, tree: Path = ROOT) -> Path:
        """Makes a program, such as ``tests/sanitize/races.program``; returns where it is."""
        variables = {
            "OUT": self.folder,
            "CC": self.cc,
            "CXX": self.cxx,
            "UERL_SANITIZE": self.sanitizers,
            "LDFLAGS": self.ldflags,
        }
        path = f"{self.folder}/{program}"
        made = subprocess.run(
            ["make", "-s", *(f"{name}={value}" for name, value in variables.items()), path],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            sys.exit(f"{path} cannot be built:\n{made.stdout}{made.stderr}")
        return tree / path


MEMORY = Kit("build/tests-address-undefined", "address,undefined")
THREADS = Kit(
    "build/sanitize",
    "thread",
    "clang-14",
    "clang++-14",
    "-Wl," + ",".join(f"--wrap={lock}" for lock in LOCKS),
)
_EVERY_LOAD = "-fno-sanitize-recover=all -fsanitize-coverage=trace-loads"
FUZZER = Kit(
    "build/fuzz",
    "fuzzer-no-link,address,undefined",
    f"clang-14 {_EVERY_LOAD}",
    f"clang++-14 {_EVERY_LOAD}",
    "-fsanitize=fuzzer",
)


@dataclass(frozen=True)
class Ran:
    """What a program said; it left nothing in /dev/shm."""

    code: int
    said: str


def run(program: Path, *arguments: object, timeout_s: float = 600) -> Ran:
    """Runs a program at fixed addresses, as ThreadSanitizer of clang 14 needs it."""
    fixed = ["setarch", "-R"] if shutil.which("setarch") else []
    environment = os.environ | {
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=0:exitcode=66",
    }
    process = subprocess.Popen(
        [*fixed, str(program), *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        said += b"\nran for too long"
    for left in SHM.glob(f"uerl-test-{process.pid}-*"):
        left.unlink(missing_ok=True)
    return Ran(process.returncode, said.decode(errors="replace"))


@dataclass(frozen=True)
class Mutant:
    """One line made wrong, and what has to find it."""

    name: str
    kit: Kit
    program: str
    file: str
    right: str
    wrong: str
    finding: str  # in what the program says
    arguments: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """Name of the program, without its folder."""
        return Path(self.program).stem

    @contextmanager
    def built(self) -> Iterator[Path]:
        """The mutant's program, in a tree of its own."""
        self.kit.build(self.program)  # so that only what the mutant changes is compiled again
        with tempfile.TemporaryDirectory(prefix="uerl-mutant-") as folder:
            tree = Path(folder)
            shutil.copy2(ROOT / "Makefile", tree)
            for part in (*COPIED, self.kit.folder):
                ignored = shutil.ignore_patterns("*.program", "corpus", "found", "grown", "fewest")
                shutil.copytree(ROOT / part, tree / part, ignore=ignored)
            file = tree / self.file
            text = file.read_text(encoding="utf-8")
            if text.count(self.right) != 1:
                sys.exit(
                    f"mutant {self.name}: {self.file} has {text.count(self.right)} places "
                    f"{self.right!r}, expected 1: adapt tests/sanitize/mutants.py"
                )
            file.write_text(text.replace(self.right, self.wrong), encoding="utf-8")
            yield self.kit.build(self.program, tree)

    def is_caught(self) -> tuple[bool, str]:
        """Was it found, and what was said?"""
        with self.built() as program:
            ran = run(program, *self.arguments)
        return ran.code != 0 and self.finding in ran.said, ran.said
