"""Everything that can be shown of the Unreal plugin without an engine; `make test-unreal`.

    run.py [--steps N]

First the tests of this folder, then the campaigns: a million camera steps, the exported policy, the
regions of others, Learning Agents. Each campaign prints a RESULT of its own; the last line is
theirs together, and the exit code is 1 when anything falls short.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(command: list[str]) -> tuple[bool, dict[str, str]]:
    """Run a program; return whether it succeeded, and the figures of its RESULT line."""
    print(f"== {' '.join(command)}", flush=True)
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1]
    )
    result = ""
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        if line.startswith("RESULT "):
            result = line
    return process.wait() == 0, dict(re.findall(r"(\S+)=(\S+)", result))


def tests() -> tuple[bool, dict[str, str]]:
    """Run the tests of this folder; return how many passed."""
    print("== pytest tests/unreal", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(HERE), "-q"],
        cwd=HERE.parents[1], capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(done.stdout, done.stderr, flush=True)
    counts = re.findall(r"(\d+) (passed|skipped|failed)", done.stdout)
    counted = {what: count for count, what in counts}
    found = {"tests": counted.get("passed", "0"), "skipped": counted.get("skipped", "0")}
    return done.returncode == 0, found


def main() -> None:
    """Run all of it, whatever fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=1_000_000, help="of the cameras")
    options = parser.parse_args()
    begin = time.monotonic()
    campaigns = {
        "": tests,
        "camera": lambda: run([str(HERE / "camera_steps.py"), "--steps", str(options.steps)]),
        "policy": lambda: run([str(HERE / "internal_policy.py")]),
        "region": lambda: run([str(HERE / "region_frames.py")]),
        "learning_agents": lambda: run([str(HERE / "learning_agents_campaign.py")]),
    }
    figures, failed = {}, []
    for name, campaign in campaigns.items():
        good, found = campaign()
        figures.update({f"{name}_{key}".lstrip("_"): value for key, value in found.items()})
        if not good:
            failed.append(name or "tests")
    figures["seconds"] = f"{time.monotonic() - begin:.0f}"
    figures["failed"] = ",".join(failed) or "none"
    print("RESULT " + " ".join(f"{key}={value}" for key, value in figures.items()))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
