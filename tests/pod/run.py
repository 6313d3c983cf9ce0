"""Runs the Pods of tests/pod; `make test-pod`.

The images are built first, unless those of an earlier run are of the same sources. The last line is
``RESULT tests=9 steps=... restarts=...``, what the tests measured; the exit code is 1 when anything
fell short. Where Pods cannot run, it says why and ends with exit code 0.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from pod import pod_images


def tests() -> tuple[bool, dict[str, str]]:
    """Run the tests; return whether all passed, and what they measured."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        # -s: what podman does not take over is printed.
        options += ["-s", "-o", "junit_family=xunit1", *sys.argv[1:]]
        command = [sys.executable, "-m", "pytest", str(HERE), *options]
        done = subprocess.run(command, cwd=HERE.parents[1], check=False)
        suite = next(ElementTree.parse(report).iter("testsuite"))
        count = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors")}
        skipped = int(suite.attrib["skipped"])
        figures = {"tests": str(count["tests"] - sum(list(count.values())[1:]) - skipped)}
        figures["skipped"] = str(skipped)
        for measured in suite.iter("property"):
            figures[measured.attrib["name"]] = measured.attrib["value"]
    return done.returncode == 0 and skipped == 0, figures


def main() -> int:
    if reason := pod_images.why_not():
        print(f"Pods cannot run here: {reason}")
        print(f"RESULT tests=0 skipped={reason.replace(' ', '_')}")
        return 0
    begin = time.monotonic()
    try:
        for target in ("simulator", "learner", "ray"):
            print(f"{target}: {pod_images.image(target)}", flush=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"image {target} cannot be built: {error}", file=sys.stderr)
        print(f"RESULT tests=0 not_built={target}")
        return 1
    built_s = time.monotonic() - begin
    good, figures = tests()
    figures |= {"build_seconds": f"{built_s:.0f}", "seconds": f"{time.monotonic() - begin:.0f}"}
    print("RESULT", *(f"{name}={value}" for name, value in figures.items()), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
