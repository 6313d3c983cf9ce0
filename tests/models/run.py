"""`make models`: searches every state of each model; each mutant of a model must fail.

A model is a .pml file with a process in it. In its text and in the parts that it includes, names
WITH_... are its variants, searched like the model itself; names MUTANT_... are its mutants.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MAX_DEPTH = 100_000
MEMORY_MIB = 6000
INCOMPLETE = ("max search depth too small", "out of memory", "reached -DMEMLIM", "VECTORSZ")


@dataclass(frozen=True)
class Search:
    """One search: a model, or it with a variant or a mutant switched on."""

    model: str
    define: str = ""

    @property
    def is_mutant(self) -> bool:
        return self.define.startswith("MUTANT_")

    @property
    def name(self) -> str:
        return f"{self.model} {self.define}".rstrip()

    @property
    def answers_to(self) -> set[str]:
        return {self.model, self.define, f"{self.model}:{self.define}"}


@dataclass(frozen=True)
class Outcome:
    """What pan said of one search."""

    search: Search
    states: int
    transitions: int
    depth: int
    seconds: float
    errors: int
    exhaustive: bool
    said: str  # the first error

    @property
    def as_expected(self) -> bool:
        if self.search.is_mutant:
            return self.errors > 0
        return self.errors == 0 and self.exhaustive

    @property
    def verdict(self) -> str:
        if self.errors > 0:
            return f"{'caught' if self.search.is_mutant else 'ERROR'}: {self.said}"
        if not self.exhaustive:
            return f"NOT EXHAUSTIVE: {self.said}"
        return "NOT CAUGHT" if self.search.is_mutant else "holds"


def text_of(model: str) -> str:
    """The model with what it includes."""
    text = (HERE / f"{model}.pml").read_text(encoding="utf-8")
    return text + "".join(
        (HERE / name).read_text(encoding="utf-8") for name in re.findall(r'#include "(.+)"', text)
    )


def models() -> list[str]:
    """Files that another one includes are no models."""
    files = sorted(HERE.glob("*.pml"))
    included = {
        name
        for file in files
        for name in re.findall(r'#include "(.+)"', file.read_text(encoding="utf-8"))
    }
    return [file.stem for file in files if file.name not in included]


def searches_of(model: str) -> list[Search]:
    """The model, then its variants, then its mutants, in the order of the text."""
    tested = " ".join(re.findall(r"^#\s*(?:if|elif).*", text_of(model), re.MULTILINE))
    defines = list(dict.fromkeys(re.findall(r"\b(?:WITH|MUTANT)_\w+", tested)))
    defines.sort(key=lambda define: define.startswith("MUTANT_"))
    return [Search(model), *(Search(model, define) for define in defines)]


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(float(found[1])) if found else 0


def run_in(folder: str, *command: str) -> None:
    """Runs a step of the build; a failure of it is nobody's verdict."""
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{ran.stdout}{ran.stderr}")


def run(search: Search) -> Outcome:
    """Builds and runs one search in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="uerl-models-") as folder:
        defines = [f"-D{search.define}"] if search.define else []
        run_in(folder, "spin", "-a", *defines, str(HERE / f"{search.model}.pml"))
        memory = f"-DMEMLIM={MEMORY_MIB}"
        run_in(folder, "gcc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", memory, "-opan", "pan.c")
        start_s = time.monotonic()
        pan = subprocess.run(
            ["./pan", f"-m{MAX_DEPTH}", "-n"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - start_s
    said = pan.stdout + pan.stderr
    found = re.search(r"^pan:\d+: (.+?) \(at depth", said, re.MULTILINE)
    incomplete = [text for text in INCOMPLETE if text in said]
    states = number(r"([\d.e+]+) states, stored", said)
    finished = pan.returncode == 0 and states > 0 and "errors: " in said
    return Outcome(
        search=search,
        states=states,
        transitions=number(r"([\d.e+]+) transitions", said),
        depth=number(r"depth reached (\d+)", said),
        seconds=seconds,
        errors=number(r"errors: (\d+)", said),
        exhaustive=finished and not incomplete and "Search not completed" not in said,
        said=found[1][:60] if found else ", ".join(incomplete) or said.strip()[-200:],
    )


def show(outcome: Outcome) -> None:
    print(
        f"{outcome.search.name:<44} {outcome.states:>10} {outcome.transitions:>11} "
        f"{outcome.depth:>6} {outcome.seconds:>7.1f}  {outcome.verdict}",
        flush=True,
    )


def run_all(searches: list[Search], progress: Callable[[Outcome], None]) -> list[Outcome]:
    """Two at a time where there are two processors: a search is one thread, and memory."""
    num_threads = min(2, len(os.sched_getaffinity(0)))
    outcomes = []
    with ThreadPoolExecutor(num_threads) as pool:
        for place, outcome in enumerate(pool.map(run, searches), 1):
            print(f"[{place:>2}/{len(searches)}] ", end="")
            progress(outcome)
            outcomes.append(outcome)
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("only", nargs="*", help="models or defines to search, all by default")
    only = set(parser.parse_args().only)
    for program in ("spin", "gcc"):
        if shutil.which(program) is None:
            sys.exit(
                f"{program} is missing: install it (Debian, Ubuntu: apt-get install {program})"
            )
    searches = [
        search
        for model in models()
        for search in searches_of(model)
        if not only or search.answers_to & only
    ]
    if not searches:
        sys.exit(f"no model or define is called {' or '.join(sorted(only))}")
    print(
        f"        {'model':<44} {'states':>10} {'transitions':>11} {'depth':>6} {'s':>7}  verdict"
    )
    start_s = time.monotonic()
    outcomes = run_all(searches, show)
    wrong = [outcome for outcome in outcomes if not outcome.as_expected]
    for outcome in wrong:
        print(f"wrong: {outcome.search.name}: {outcome.verdict}")
    print(
        f"RESULT models={len({outcome.search.model for outcome in outcomes})} "
        f"mutants={sum(outcome.search.is_mutant for outcome in outcomes)} "
        f"states={sum(outcome.states for outcome in outcomes)} "
        f"seconds={time.monotonic() - start_s:.1f}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
