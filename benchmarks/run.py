"""Run the benchmarks and print the ratios that the project promises.

    make bench

The last line is ``RESULT key=value ...``; the exit code is 1 when a promise is not kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SAVED = ROOT / "build" / "benchmarks" / "last.json"
LEAST_SPEEDUP_16 = 15.0  # env steps a second, against the fastest websocket peer
LEAST_RATIO_1 = 20.0  # median of one step of one simulator


def measure(arguments: list[str]) -> None:
    """Run pytest-benchmark; its results go to SAVED."""
    SAVED.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", str(ROOT / "benchmarks"), "-q", "--timeout=600"]
    command += [f"--benchmark-json={SAVED}", "--benchmark-columns=median,mean,min,rounds"]
    done = subprocess.run([*command, *arguments], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def medians() -> dict[int, dict[str, float]]:
    """Return the median of one step in microseconds, by number of simulators and transport."""
    table: dict[int, dict[str, float]] = {}
    for entry in json.loads(SAVED.read_text())["benchmarks"]:
        info: dict[str, Any] = entry["extra_info"]
        row = table.setdefault(info["num_envs"], {})
        row[info["transport"]] = entry["stats"]["median"] * 1e6
    return table


def main() -> None:
    """Measure, print the table, judge."""
    measure(sys.argv[1:])
    table = medians()
    ratios: dict[int, float] = {}
    best: dict[int, float] = {}
    for num_envs, row in sorted(table.items()):
        ours = row["uerl_shm"]
        peers = {name: value for name, value in row.items() if name != "uerl_shm"}
        print(f"\n{num_envs} simulators, median of one step of all")
        for name, value in row.items():
            rate = num_envs / value * 1e6
            print(f"  {name:45} {value:10.1f} us {rate:12,.0f} env steps/s {value / ours:7.1f} x")
        best[num_envs] = min(peers.values())
        ratios[num_envs] = best[num_envs] / ours
    print(
        f"RESULT speedup_16={ratios[16]:.1f} speedup_4={ratios[4]:.1f} ratio_1={ratios[1]:.1f} "
        f"median_us_1={table[1]['uerl_shm']:.2f} websockets_median_us_1={best[1]:.1f} "
        f"env_steps_per_s_16={16e6 / table[16]['uerl_shm']:.0f}"
    )
    if ratios[16] < LEAST_SPEEDUP_16 or ratios[1] < LEAST_RATIO_1:
        sys.exit(f"expected speedup_16 >= {LEAST_SPEEDUP_16:g} and ratio_1 >= {LEAST_RATIO_1:g}")


if __name__ == "__main__":
    main()
