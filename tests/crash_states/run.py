"""`make crash-states`: kills and stops a process after the instructions of each operation.

An operation is walked through one instruction at a time; every state of the shared memory, of the
names and of the locks that is met is met again in a new process, which is killed there, or stands
still there, while the others go on. Each seeded bug (mutants.py) must be found.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutants import MUTANTS, Mutant

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "crash-states"
OPERATIONS = ("create", "attach", "publish", "collect", "detach", "takeover")
INCLUDES = ("-Icsrc/include", "-Icsrc", *("-iquote", "csrc/core", "-iquote", "csrc/learner"))
OWN_INCLUDES = ("-iquote", "tests/crash_states")
WITH_PYTHON = re.compile(r'"(actions|batches|fields|observer|python_error)\.hpp"|pybind11')
NOT_PERMITTED = 77


def run_step(*command: str) -> None:
    """Runs a step of the build; a failure of it is nobody's verdict."""
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{ran.stdout}{ran.stderr}")


def sources() -> list[str]:
    """The core, what of the learner knows nothing of Python, and the walker."""
    learner = [
        path
        for path in sorted((ROOT / "csrc/learner").glob("*.cpp"))
        if not WITH_PYTHON.search(path.read_text(encoding="utf-8"))
    ]
    files = [*sorted((ROOT / "csrc/core").glob("*.c")), *learner, *sorted(HERE.glob("*.cpp"))]
    return [file.relative_to(ROOT).as_posix() for file in files]


def newest_input() -> float:
    inputs = [*(ROOT / "csrc").rglob("*.[ch]*"), *HERE.glob("*")]
    return max(path.stat().st_mtime for path in inputs if path.is_file())


def compile_one(source: Path, target: Path, level: str) -> str:
    """Compiles, unless that is newer than everything that goes in."""
    if not target.exists() or target.stat().st_mtime < newest_input():
        target.parent.mkdir(parents=True, exist_ok=True)
        is_c = source.suffix == ".c"
        compiler = ["gcc", "-std=c17"] if is_c else ["g++", "-std=c++17"]
        options = ["-g", f"-O{level}", "-Wall", "-Wextra", "-pthread", *INCLUDES, *OWN_INCLUDES]
        run_step(*compiler, *options, "-c", str(source), "-o", str(target))
    return str(target)


def build(level: str, only: list[Mutant], jobs: int) -> dict[str, str]:
    """The program as it is, and one for each mutant: the same but for one object."""
    folder = BUILD / f"O{level}"
    with ThreadPoolExecutor(jobs) as pool:
        targets = {source: folder / f"{source}.o" for source in sources()}
        objects = dict(
            zip(
                targets,
                pool.map(lambda item: compile_one(ROOT / item[0], item[1], level), targets.items()),
                strict=True,
            )
        )

        def build_mutant(mutant: Mutant) -> str:
            target = folder / mutant.name / f"{mutant.path}.o"
            patched = compile_one(write_mutant(mutant, folder), target, level)
            program = str(folder / mutant.name / "crash-states")
            run_step("g++", "-o", program, *(objects | {mutant.path: patched}).values(), "-pthread")
            return program

        programs = {"": str(folder / "crash-states")}
        run_step("g++", "-o", programs[""], *objects.values(), "-pthread")
        programs.update(
            zip([mutant.name for mutant in only], pool.map(build_mutant, only), strict=True)
        )
    return programs


def write_mutant(mutant: Mutant, folder: Path) -> Path:
    """The source with the mutant's changes, each of which must fit exactly once."""
    text = (ROOT / mutant.path).read_text(encoding="utf-8")
    for before, after in mutant.changes:
        if text.count(before) != 1:
            sys.exit(
                f"mutant {mutant.name}: {before.strip()[:60]!r} stands {text.count(before)} times "
                f"in {mutant.path}, expected once: follow the source in mutants.py"
            )
        text = text.replace(before, after)
    path = folder / mutant.name / mutant.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def walk(program: str, *arguments: str) -> dict[str, str]:
    """One operation's line, as a dictionary."""
    ran = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if ran.returncode == NOT_PERMITTED:
        sys.exit(ran.stderr.strip())
    found = re.search(r"^operation=.*$", ran.stdout, re.MULTILINE)
    if found is None:
        sys.exit(f"{program} {' '.join(arguments)} failed:\n{ran.stdout}{ran.stderr}")
    line, _, first = found[0].partition(" first=")
    return dict(word.split("=") for word in line.split()) | {"first": first}


def show(name: str, found: dict[str, str], verdict: str) -> None:
    print(
        f"{name:<34} {found['instructions']:>12} {found['states']:>7} {found['killed']:>7} "
        f"{found['stopped']:>8} {found['seconds']:>7}  {verdict}",
        flush=True,
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("only", nargs="*", help="operations, all by default")
    parser.add_argument("--level", default="3", help="of optimisation; 3 is what is shipped")
    parser.add_argument("--rows", default="100000", help="states that differ in a row alone")
    parser.add_argument("--others", default="40", help="instructions that change nothing shared")
    parser.add_argument("--jobs", type=int, default=min(2, len(os.sched_getaffinity(0))))
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(OPERATIONS):
        sys.exit(f"operation {' '.join(sorted(unknown))}, expected some of {' '.join(OPERATIONS)}")
    return arguments


def main() -> int:
    arguments = parse()
    start_s = time.monotonic()
    operations = [name for name in OPERATIONS if name in (arguments.only or OPERATIONS)]
    mutants = [mutant for mutant in MUTANTS if mutant.operation in operations]
    programs = build(arguments.level, mutants, arguments.jobs)
    limits = ("--rows", arguments.rows, "--others", arguments.others)
    print(
        f"{'operation':<34} {'instructions':>12} {'states':>7} {'killed':>7} {'stopped':>8} "
        f"{'s':>7}  verdict"
    )
    wrong, steps = [], {}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for found in pool.map(lambda name: walk(programs[""], name, *limits), operations):
            steps[found["operation"]] = found
            good = found["broken"] == "0" and int(found["instructions"]) > 0
            verdict = "holds" if good else f"BROKEN {found['broken']} times: {found['first']}"
            if found["missed"] != "0":
                verdict += f" ({found['missed']} places were not met again)"
            show(found["operation"], found, verdict)
            wrong += [] if good else [found["operation"]]
        for mutant, found in zip(
            mutants,
            pool.map(
                lambda mutant: walk(
                    programs[mutant.name], mutant.operation, "--until-broken", *limits
                ),
                mutants,
            ),
            strict=True,
        ):
            caught = found["broken"] != "0"
            show(
                f"{mutant.operation} {mutant.name}",
                found,
                f"found: {found['first']}" if caught else "NOT FOUND",
            )
            wrong += [] if caught else [mutant.name]
    for name in wrong:
        print(f"wrong: {name}")
    print(
        f"RESULT operations={len(operations)} "
        f"instructions={sum(int(found['instructions']) for found in steps.values())} "
        f"states={sum(int(found['states']) for found in steps.values())} "
        + "".join(f"{name}={found['instructions']} " for name, found in steps.items())
        + f"mutants={len(mutants)} seconds={time.monotonic() - start_s:.1f}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
