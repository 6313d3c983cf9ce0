"""Trains through every adapter, and runs the frameworks' own checkers.

    make test-adapters

Each example trains scene ``basic`` to a mean return of 0.9 and, where its framework has policies
for pictures, ``apples`` to 3 times random play, each within 3 minutes. The last line is
``RESULT sb3_basic=0.93 ... tests=99``; the exit code is 0 only if nothing fell short.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 180.0  # of one training, from the first import to the last line
PATIENCE_S = 900.0  # then it hangs
# Example, and the package that it needs; PufferLib's and CleanRL's manner need none.
ADAPTERS = {
    "sb3": "stable_baselines3",
    "torchrl": "torchrl",
    "rllib": "ray",
    "cleanrl": "torch",
    "puffer": "torch",
    "pettingzoo": "pettingzoo",
    "dm_env": "dm_env",
}
PICTURES = ("sb3", "torchrl", "rllib", "cleanrl", "puffer")


def trained(adapter: str, scene: str) -> tuple[dict[str, float], str]:
    """Return the numbers of an example's RESULT, and what it falls short of, if anything."""
    command = [sys.executable, f"examples/train_{adapter}.py", "--scene", scene]
    begin, cpu_before = time.perf_counter(), cpu_seconds()
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {}, f"no end after {PATIENCE_S:.0f} s"
    seconds = time.perf_counter() - begin
    lines = done.stdout.strip().splitlines()
    last = lines[-1] if lines else ""
    if not last.startswith("RESULT "):
        return {}, f"no RESULT: {done.stderr[-2000:]}"
    result = {name: float(value) for name, value in re.findall(r"(\w+)=([-\d.]+)", last)}
    result |= {"seconds": seconds, "cpu_seconds": cpu_seconds() - cpu_before}
    if done.returncode != 0:
        return result, done.stderr.strip().splitlines()[-1]
    if seconds > LONGEST_S:
        return result, f"took {seconds:.0f} s, expected at most {LONGEST_S:.0f}: are cores busy?"
    return result, ""


def cpu_seconds() -> float:
    """Return what processes that have ended took, of those that were started here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def checked() -> tuple[int, str]:
    """Run the tests of the adapters; return how many passed, and what failed or was skipped."""
    command = [sys.executable, "-m", "pytest", "tests/adapters", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", lines[-1] if lines else "")}
    missed = [line for line in lines if line.startswith(("FAILED", "ERROR", "SKIPPED"))]
    if done.returncode != 0 or missed:
        return counts.get("passed", 0), "; ".join(missed) or done.stdout[-2000:]
    return counts["passed"], ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(ADAPTERS), help="one adapter, and no tests")
    only = parser.parse_args().only
    chosen = [only] if only else list(ADAPTERS)
    scenes = [(name, "basic") for name in chosen]
    scenes += [(name, "apples") for name in chosen if name in PICTURES]
    figures: list[str] = []
    shortfalls: list[str] = []
    for adapter, scene in (bar := tqdm(scenes, unit="run")):
        name = f"{adapter}_{scene}"
        bar.set_postfix_str(name)
        if importlib.util.find_spec(ADAPTERS[adapter]) is None:
            shortfalls.append(f"{name}: {ADAPTERS[adapter]} is not installed")
            continue
        result, missed = trained(adapter, scene)
        if missed:
            shortfalls.append(f"{name}: {missed}")
        if "mean_return" in result:
            figures.append(f"{name}={result['mean_return']:.2f}")
        if "random_return" in result:
            figures.append(f"{name}_random={result['random_return']:.2f}")
        if result:
            figures.append(f"{name}_seconds={result['seconds']:.0f}")
            figures.append(f"{name}_cpu_seconds={result['cpu_seconds']:.0f}")
        tqdm.write(f"{name}: {result}")
    if not only:
        passed, missed = checked()
        figures.append(f"tests={passed}")
        if missed:
            shortfalls.append(f"tests: {missed}")
    sys.stderr.writelines(f"{text}\n" for text in shortfalls)
    print("RESULT", *figures, f"shortfalls={len(shortfalls)}", flush=True)
    return 1 if shortfalls else 0


if __name__ == "__main__":
    sys.exit(main())
