"""`make sanitize`: tests with sanitizers, a race hunt, the fuzz corpora; each mutant must be found.

Parts: memory (all tests in C and C++ with address and undefined-behaviour sanitizers), thread (the
learner and simulators as threads), fuzz (short runs of the fuzz targets), and the mutants by name.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sanitize.mutants import MUTANTS, RACE
from sanitize.programs import FUZZER, MEMORY, ROOT, THREADS, Mutant, run

PARTS = ("memory", "thread", "fuzz")
Figures = dict[str, int]


def run_memory(figures: Figures) -> str:
    """Every program of tests/c; returns what was found, or nothing."""
    ran = subprocess.run(
        ["make", "test-c", f"UERL_SANITIZE={MEMORY.sanitizers}"],
        cwd=ROOT,
        env=os.environ | {"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    figures["programs"] = len(re.findall(r"^== ", ran.stdout, re.MULTILINE))
    figures["tests"] = sum(map(int, re.findall(r"^(\d+) tests, ", ran.stdout, re.MULTILINE)))
    return "" if ran.returncode == 0 and figures["tests"] > 0 else ran.stdout


def run_thread(figures: Figures, batches: int) -> str:
    """The learner and its simulators as threads; returns what was found, or nothing."""
    ran = run(THREADS.build("tests/sanitize/races.program"), batches)
    steps = re.search(r" steps (\d+) ", ran.said)
    figures["tsan_steps"] = int(steps[1]) if steps else 0
    figures["races"] = ran.said.count(RACE)
    return "" if ran.code == 0 and steps else ran.said


def run_fuzz(figures: Figures, duration_s: int) -> str:
    """Each target over its corpus, and a little further; returns what was found, or nothing."""
    from fuzz.run import TARGETS, fuzz

    outcomes = [fuzz(target, duration_s) for target in TARGETS]
    figures["fuzz_runs"] = sum(outcome.runs for outcome in outcomes)
    return "".join(outcome.said for outcome in outcomes if outcome.failed)


def run_mutant(mutant: Mutant) -> bool:
    start_s = time.monotonic()
    caught, said = mutant.is_caught()
    verdict = "caught" if caught else f"NOT CAUGHT\n{said[-3000:]}"
    print(f"mutant {mutant.name:<40} {time.monotonic() - start_s:>6.1f} s  {verdict}", flush=True)
    return caught


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("only", nargs="*", help="parts and mutants, all by default")
    parser.add_argument("--batches", type=int, default=100_000, help="of the race hunt")
    parser.add_argument("--fuzz-s", type=int, default=10, help="of each fuzz target; 0: its corpus")
    options = parser.parse_args()
    known = {*PARTS, *(mutant.name for mutant in MUTANTS)}
    if unknown := set(options.only) - known:
        sys.exit(f"{min(unknown)} is unknown, expected one of {', '.join(sorted(known))}")
    for kit in (THREADS, FUZZER):
        if reason := kit.missing():
            sys.exit(reason)
    wanted = set(options.only) or known
    start_s = time.monotonic()
    figures: Figures = dict.fromkeys(("programs", "tests", "tsan_steps", "races", "fuzz_runs"), 0)
    failed = []
    for part, act in (
        ("memory", lambda: run_memory(figures)),
        ("thread", lambda: run_thread(figures, options.batches)),
        ("fuzz", lambda: run_fuzz(figures, options.fuzz_s)),
    ):
        if part in wanted:
            part_s = time.monotonic()
            found = act()
            print(
                f"{part:<47} {time.monotonic() - part_s:>6.1f} s  "
                f"{'FOUND SOMETHING' if found else 'nothing found'}",
                flush=True,
            )
            if found:
                print(found[-20000:])
                failed.append(part)
    mutants = [mutant for mutant in MUTANTS if mutant.name in wanted]
    missed = [mutant.name for mutant in mutants if not run_mutant(mutant)]
    print(
        "RESULT "
        + " ".join(f"{name}={value}" for name, value in figures.items())
        + f" mutants={len(mutants)} mutants_caught={len(mutants) - len(missed)}"
        + f" seconds={time.monotonic() - start_s:.1f}"
    )
    return 1 if failed or missed else 0


if __name__ == "__main__":
    sys.exit(main())
