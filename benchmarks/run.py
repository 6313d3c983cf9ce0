"""Run the benchmarks and print what the project promises about them.

    make bench         what is promised, about 5 minutes
    make bench-full    every row of every table, about 15 minutes; kept in benchmarks/results

`make bench-report` writes docs/benchmarks.md from what is kept. The last line is ``RESULT key=value
...``; the exit code is 1 when a promise is not kept, or was not measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from promises import PROMISES, Run
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
SAVED = ROOT / "build" / "benchmarks" / "last.json"
RESULTS = ROOT / "benchmarks" / "results"


def measure(arguments: list[str]) -> None:
    """Run pytest-benchmark; its results go to SAVED."""
    SAVED.parent.mkdir(parents=True, exist_ok=True)
    SAVED.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", str(ROOT / "benchmarks"), "-q", "--timeout=900"]
    command += [f"--benchmark-json={SAVED}", "--benchmark-columns=median,mean,min,rounds"]
    done = subprocess.run([*command, *arguments], cwd=ROOT, check=False)
    if not SAVED.exists() or SAVED.stat().st_size == 0:
        sys.exit(done.returncode or 1)


def keep(measured: dict[str, Any]) -> None:
    """Write what a report needs of a run into the folder of kept runs."""
    machine = measured["machine_info"]
    facts = ("cores", "kernel", "memory_bytes", "versions", "python_version", "machine")
    kept = {
        "when": measured["datetime"][:10],
        "commit": measured["commit_info"].get("id", ""),
        "machine": {name: machine[name] for name in facts},
        "processor": machine["cpu"].get("brand_raw", "unknown"),
        "rows": [entry["extra_info"] for entry in measured["benchmarks"]],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{kept['when']}-{machine['cores']}_cores.json"
    path.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"wrote {path}")


def figures_of(run: Run) -> dict[str, float | None]:
    """Every promise's figure; None: its peers were not measured."""
    figures: dict[str, float | None] = {}
    for promise in PROMISES:
        try:
            figures[promise.key] = promise.compute(run)
        except LookupError as error:
            print(error, file=sys.stderr)
            figures[promise.key] = None
    return figures


def table_of(figures: dict[str, float | None]) -> Table:
    """The promises as people read them."""
    table = Table("workload", "against", "promised", "measured", "")
    for promise in PROMISES:
        figure = figures[promise.key]
        said = "not measured" if figure is None else f"{figure:.3g}"
        good = figure is not None and promise.holds(figure)
        table.add_row(
            promise.workload, promise.against, promise.bound(), said, "" if good else "MISSED"
        )
    return table


def main() -> int:
    """Measure, print the table, judge; return the exit code."""
    measure(sys.argv[1:])
    measured = json.loads(SAVED.read_text())
    if "--full" in sys.argv:
        keep(measured)
    figures = figures_of(Run([entry["extra_info"] for entry in measured["benchmarks"]]))
    Console(width=120).print(table_of(figures))
    words = [f"{key}={value:.3g}" for key, value in figures.items() if value is not None]
    missed = [p.key for p in PROMISES if (f := figures[p.key]) is None or not p.holds(f)]
    print("RESULT", *words, f"promises={len(PROMISES)} missed={','.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
