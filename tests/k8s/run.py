"""Examines every overlay of k8s/, from its oldest Kubernetes to the newest there are schemas of.

    make test-k8s

Renders with kubectl, validates strictly with kubernetes-validate, then checks what schemas do not
know (checks.py), and runs the tests of all that. The last line is ``RESULT overlays=12 ...``; the
exit code is 0 only if nothing fell short.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from k8s import overlays
from k8s.manifests import ROOT, has_kubectl, kustomizations


def missing() -> list[str]:
    """Return what has to be installed first."""
    packages = {"yaml": "pyyaml", "kubernetes_validate": "kubernetes-validate"}
    found = [name for module, name in packages.items() if importlib.util.find_spec(module) is None]
    return found + ([] if has_kubectl() else ["kubectl"])


def rendered(folder: Path) -> Path:
    """Render the tree anew, passwords included: what is examined is what `render` writes."""
    command = ["k8s", "render", "--simulator", overlays.SIMULATOR, "--output", str(folder)]
    program = "from uerl_shm.cli import main; main()"
    spec = ROOT / "tests/k8s/apples.json"
    subprocess.run(
        [sys.executable, "-c", program, *command, "--spec", str(spec)]
        + ["--sims", str(overlays.NUM_SIMS), "--num-steps", str(overlays.NUM_STEPS)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder


def tested() -> tuple[int, list[str]]:
    """Run the tests; return how many passed, and what failed or was skipped."""
    command = [sys.executable, "-m", "pytest", "tests/k8s", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", lines[-1] if lines else "")}
    missed = [line for line in lines if line.startswith(("FAILED", "ERROR", "SKIPPED"))]
    if done.returncode != 0 and not missed:
        missed = [done.stdout[-2000:] + done.stderr[-2000:]]
    return counts.get("passed", 0), missed


def main() -> int:
    if absent := missing():
        print(f"{' and '.join(absent)} not found, expected for this: install them", file=sys.stderr)
        print("RESULT overlays=0 versions=0 checks=0 failed=1", flush=True)
        return 1
    failures: list[str] = []
    versions: set[str] = set()
    num_checks = num_validated = num_overlays = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = rendered(Path(folder))
        for name in kustomizations(tree):
            report = overlays.examine(tree / name, every_version=True)
            failures += report.failures
            versions |= set(report.versions)
            num_checks += report.num_checks
            num_validated += len(report.versions)
            num_overlays += 1
            span = f"{report.versions[0]} to {report.versions[-1]}" if report.versions else "none"
            print(f"{name}: Kubernetes {span}, {report.num_checks} checks", flush=True)
    passed, missed = tested()
    failures += missed
    sys.stderr.writelines(f"{text}\n" for text in failures)
    print(
        f"RESULT overlays={num_overlays} versions={len(versions)} validated={num_validated} "
        f"checks={num_checks} tests={passed} failed={len(failures)}",
        flush=True,
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
