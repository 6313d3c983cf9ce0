"""`make fuzz`: runs each fuzz target for a time; whatever it finds is kept in build/fuzz/found."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sanitize.programs import FUZZER, ROOT, run

TARGETS = sorted(file.stem for file in HERE.glob("*.cpp"))
FOUND, GROWN = ROOT / FUZZER.folder / "found", ROOT / FUZZER.folder / "grown"
LIMITS = ("-timeout=10", "-rss_limit_mb=2048", "-max_len=256", "-len_control=0")


@dataclass(frozen=True)
class Outcome:
    """What one target did; `found` are the files of inputs that it could not stand."""

    target: str
    runs: int
    edges: int
    features: int
    inputs: int
    found: tuple[Path, ...]
    failed: bool
    said: str

    def count(self, kind: str) -> int:
        return sum(path.name.startswith(f"{kind}-") for path in self.found)


def fuzz(target: str, duration_s: int) -> Outcome:
    """Runs one target; 0 s: over its corpus alone. New inputs go to build/fuzz/grown."""
    program = FUZZER.build(f"tests/fuzz/{target}.program")
    found = FOUND / target
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    grown = GROWN / target  # first: there libFuzzer writes
    grown.mkdir(parents=True, exist_ok=True)
    ran = run(
        program,
        *LIMITS,
        f"-max_total_time={duration_s}" if duration_s else "-runs=0",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
        *([grown] if duration_s else []),
        HERE / "corpus" / target,
        timeout_s=duration_s + 300,
    )
    last = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", ran.said) or [("0", "0", "0")]
    runs = re.search(r"stat::number_of_executed_units: (\d+)", ran.said)
    return Outcome(
        target=target,
        runs=int(runs[1]) if runs else 0,
        edges=int(last[-1][0]),
        features=int(last[-1][1]),
        inputs=int(last[-1][2]),
        found=tuple(sorted(set(found.iterdir()) - before)),
        failed=ran.code != 0 or runs is None,
        said=ran.said,
    )


def show(outcome: Outcome) -> None:
    print(
        f"{outcome.target:<10} {outcome.runs:>11} {outcome.edges:>6} {outcome.features:>9} "
        f"{outcome.inputs:>7}  {'FOUND SOMETHING' if outcome.failed else 'nothing found'}",
        flush=True,
    )
    if outcome.failed:
        print(outcome.said[-6000:])
        for path in outcome.found:
            print(f"again: {FUZZER.folder}/tests/fuzz/{outcome.target}.program {path}")


def minimise(targets: list[str]) -> None:
    """Replaces the kept corpus by the fewest inputs that reach the same edges as all known ones."""
    for target in targets:
        program = FUZZER.build(f"tests/fuzz/{target}.program")
        kept, grown = HERE / "corpus" / target, GROWN / target
        fewest = ROOT / FUZZER.folder / "fewest" / target
        fewest.mkdir(parents=True, exist_ok=True)
        for path in fewest.iterdir():
            path.unlink()
        grown.mkdir(parents=True, exist_ok=True)
        options = ("-set_cover_merge=1", "-use_counters=0", *LIMITS)
        ran = run(program, *options, fewest, kept, grown)
        if ran.code != 0:
            sys.exit(f"{target} cannot be minimised:\n{ran.said[-3000:]}")
        for path in kept.iterdir():
            path.unlink()
        for path in fewest.iterdir():
            path.rename(kept / path.name)
        print(f"{target}: {len(list(kept.iterdir()))} inputs kept")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help=f"targets, all by default: {', '.join(TARGETS)}")
    parser.add_argument("--duration-s", type=int, default=600, help="of each target")
    parser.add_argument(
        "--minimise", action="store_true", help="rewrite the kept corpus instead of fuzzing"
    )
    options = parser.parse_args()
    unknown = set(options.only) - set(TARGETS)
    if unknown:
        sys.exit(f"{min(unknown)} is unknown, expected one of {', '.join(TARGETS)}")
    if reason := FUZZER.missing():
        sys.exit(reason)
    targets = options.only or TARGETS
    if options.minimise:
        minimise(targets)
        return 0
    for target in targets:
        FUZZER.build(f"tests/fuzz/{target}.program")
    start_s = time.monotonic()
    print(f"{'target':<10} {'runs':>11} {'edges':>6} {'features':>9} {'inputs':>7}")
    outcomes = []
    with ThreadPoolExecutor(min(2, len(os.sched_getaffinity(0)))) as pool:
        for outcome in pool.map(lambda target: fuzz(target, options.duration_s), targets):
            show(outcome)
            outcomes.append(outcome)
    print(
        f"RESULT targets={len(outcomes)} runs={sum(outcome.runs for outcome in outcomes)} "
        + " ".join(
            f"{outcome.target}_runs={outcome.runs} {outcome.target}_edges={outcome.edges} "
            f"{outcome.target}_features={outcome.features}"
            for outcome in outcomes
        )
        + f" crashes={sum(o.count('crash') + o.count('leak') + o.count('oom') for o in outcomes)}"
        f" hangs={sum(o.count('timeout') + o.count('slow-unit') for o in outcomes)}"
        f" seconds={time.monotonic() - start_s:.1f}"
    )
    return 1 if any(outcome.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
