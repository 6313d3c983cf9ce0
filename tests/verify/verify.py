"""Drives `uerl-sim probe` through VecEnv in many ways and compares every byte that is delivered.

The last line is ``RESULT env_steps=... wrong_bytes=0 ...``; the exit code is 0 only if nothing was
wrong. ``--bug`` switches on a fault of `probe`, and must end with exit code 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # where `verify` and `support` are packages

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from verify.campaign import Configuration, configurations, run
from verify.checker import Tally

BUG_STEPS = 20_000  # enough for every fault of `probe` to show


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env-steps", type=int, default=10_000_000, help="in total")
    parser.add_argument("--only", default="", help="words that a configuration's name must have")
    parser.add_argument("--seed", type=int, default=0, help="of every choice")
    parser.add_argument("--bug", choices=["early", "stale", "swap"], help="must be found")
    return parser.parse_args()


def chosen(args: argparse.Namespace) -> list[Configuration]:
    """The configurations that were asked for."""
    words = args.only.split()
    found = [c for c in configurations() if all(word in c.name.split() for word in words)]
    if not found:
        raise SystemExit(f"--only {args.only!r} fits nothing; names are, for example, "
                         f"{configurations()[0].name!r}")  # fmt: skip
    return [c for c in found if c.drive == "sync"][:3] if args.bug else found


def verify(args: argparse.Namespace, console: Console) -> Tally:
    """Run every configuration; print a line for each."""
    todo = chosen(args)
    total_steps = BUG_STEPS if args.bug else args.env_steps
    total_weight = sum(configuration.weight for configuration in todo)
    total = Tally()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task("env steps", total=total_steps)
        for number, configuration in enumerate(todo):
            # The last one makes the sum whole.
            share = total_steps * configuration.weight / total_weight
            steps = total_steps - total.env_steps if number == len(todo) - 1 else round(share)
            start = time.monotonic()
            tally = run(configuration, max(steps, 1), args.seed + number, args.bug)
            rate = tally.env_steps / (time.monotonic() - start)
            total.add(tally)
            progress.update(bar, completed=total.env_steps)
            verdict = "ok" if tally.num_wrong() == 0 else f"WRONG: {tally}"
            console.print(
                f"{configuration.name:45} {tally.env_steps:9,} env steps {rate:9,.0f}/s  {verdict}",
                highlight=False,
                soft_wrap=True,
            )
    return total


def main() -> int:
    """Return the exit code."""
    args = arguments()
    start = time.monotonic()
    tally = verify(args, Console())
    seconds = time.monotonic() - start
    gigabytes = tally.bytes / 1e9
    print(f"compared {gigabytes:,.1f} GB in {seconds:,.0f} s ({gigabytes / seconds:.2f} GB/s)")
    counters = {key: value for key, value in asdict(tally).items() if key != "env_steps"}
    first = ("wrong_bytes", "lost", "repeated", "shifted")
    words = [f"env_steps={tally.env_steps}", *(f"{key}={counters.pop(key)}" for key in first)]
    words += [f"seconds={seconds:.1f}", *(f"{key}={value}" for key, value in counters.items())]
    print("RESULT", *words)
    return 0 if tally.num_wrong() == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
