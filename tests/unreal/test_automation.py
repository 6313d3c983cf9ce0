"""The plugin's automation tests run in the stand-in, too."""

from __future__ import annotations

import subprocess

import build as shim_build

TESTS = shim_build.ROOT / "unreal" / "UerlShm" / "Source" / "UerlShmTests"


def run(engine, what: str) -> subprocess.CompletedProcess[str]:
    """The engine, asked on its command line to run tests and to quit."""
    command = [engine, "Walk", f"-ExecCmds=Automation RunTests {what}; Quit", "-unattended"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_every_automation_test_passes(engine):
    num_tests = sum(
        path.read_text().count("IMPLEMENT_SIMPLE_AUTOMATION_TEST") for path in TESTS.rglob("*.cpp")
    )
    done = run(engine, "UerlShm")
    assert f"Shim: automation run={num_tests} failed=0" in done.stdout, done.stdout
    assert done.returncode == 0


def test_a_name_that_no_test_has_is_a_failure(engine):
    assert run(engine, "UerlShm.Nothing").returncode != 0
