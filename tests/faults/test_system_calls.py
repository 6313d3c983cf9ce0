"""System calls of creation and of attachment fail, one by one, with one error after the other."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from command_line import ENVIRONMENT
from faults.conftest import PROBE, hurt, step, step_until_valid
from processes import eventually
from uerl_shm import VecEnv, _core

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]

NAME = f"uerl-calls-{os.getpid()}"
ERRORS = ("EINTR", "EMFILE", "ENOMEM", "EPERM")
# Those that cannot fail like this; and futex: the C library's own locks abort then (row 23).
HARMLESS = ("brk", "close", "futex", "munmap")
CREATE = """
    import sys, uerl_shm
    uerl_shm._core  # loaded before anything fails
    try:
        uerl_shm.VecEnv(None, 1, spec=sys.argv[2], name=sys.argv[1], startup_timeout_s=0)
    except uerl_shm.StepTimeout:
        print("made")
    except uerl_shm.UerlError as error:
        print(type(error).__name__, error)
"""


def trace(folder: Path, command: list[str], *more: str) -> subprocess.CompletedProcess[str]:
    """Run a command under strace."""
    return subprocess.run(
        ["strace", "-qq", "-o", str(folder / "trace"), *more, *command],
        capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=60,
    )  # fmt: skip


def calls_between(text: str, first: str, last: str) -> list[tuple[str, int]]:
    """System calls from one line to another, each with its number among its kind."""
    counts: Counter[str] = Counter()
    found: list[tuple[str, int]] = []
    for line in text.splitlines():
        call = re.match(r"(\w+)\(", line)
        if call is None:
            continue
        counts[call[1]] += 1
        if first in line or found:
            found.append((call[1], counts[call[1]]))
            if last in line:
                return found
    raise AssertionError(f"no {first} ... {last} in the trace")


def faults_of(calls: list[tuple[str, int]]) -> list[str]:
    """What strace is told: each call with each error; of many of a kind the first few."""
    some = [(call, number) for call, number in calls if call not in HARMLESS]
    kept: Counter[str] = Counter()
    words = []
    for call, number in some:
        kept[call] += 1
        if kept[call] <= 6:
            words += [f"inject={call}:error={error}:when={number}" for error in ERRORS]
    return words


def test_creation_succeeds_or_says_what_failed_and_leaves_no_name(tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(subprocess.run(
        [*PROBE.split(), "--describe", "/dev/stdout"], capture_output=True, text=True, check=True
    ).stdout)  # fmt: skip
    command = [sys.executable, "-c", textwrap.dedent(CREATE), NAME, str(spec)]
    assert trace(tmp_path, command).stdout == "made\n"
    faults = faults_of(calls_between((tmp_path / "trace").read_text(), "O_TMPFILE", "linkat("))
    said: Counter[str] = Counter()
    for fault in faults:
        only = ("-f", "--seccomp-bpf", "-e", f"trace={re.split('[=:]', fault)[1]}")  # much faster
        done = trace(tmp_path, command, *only, "-e", fault)
        assert done.returncode == 0, (fault, done.stderr)
        said[done.stdout.split()[0]] += 1
        assert not Path("/dev/shm", NAME).exists(), fault
    assert said["made"] and sum(said.values()) - said["made"] > len(faults) // 4, said


def test_attachment_succeeds_or_says_what_failed_and_leaves_the_lane_free(make, tmp_path):
    env = make(1, PROBE, name=NAME, on_death="mask", min_valid=0)
    env.reset(seed=0)
    hurt(env, 0, signal.SIGKILL)
    assert eventually(lambda: not _core.Observer(NAME).lane(0)["locked"])
    command = [*PROBE.split(), "--name", NAME, "--lane", "0", "--attach-timeout-s", "0"]
    faults = faults_of(attachment(env, command, tmp_path))
    ended: Counter[str] = Counter()
    for fault in faults:
        with closing(Attached(command, tmp_path, fault)) as simulator:
            assert eventually(lambda s=simulator: s.ended() or is_ready()), fault
            if simulator.ended():
                code, error = simulator.end()
                assert code == 1, (fault, code, error)
                assert error.startswith("uerl-sim: "), (fault, error)
                ended["refused"] += 1
            else:
                step_until_valid(env)
                ended["served"] += 1
        assert eventually(lambda: not _core.Observer(NAME).lane(0)["locked"]), fault
        step(env)
    assert ended["refused"] > len(faults) // 4, ended
    assert ended["served"], ended
    with closing(Attached(command, tmp_path)):
        step_until_valid(env)


def is_ready() -> bool:
    """Whether lane 0 answers commands."""
    lane = _core.Observer(NAME).lane(0)
    return bool(lane["locked"] and lane["state"] == 2)


class Attached:
    """A simulator under strace."""

    def __init__(self, command: list[str], folder: Path, fault: str = "trace=all") -> None:
        words = ["strace", "-qq", "-o", str(folder / "attach"), "-e", fault, *command]
        self.process = subprocess.Popen(
            words, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def ended(self) -> bool:
        return self.process.poll() is not None

    def end(self) -> tuple[int, str]:
        error = self.process.communicate()[1]
        return self.process.returncode, error

    def close(self) -> None:
        if not self.ended():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.end()


def attachment(env: VecEnv, command: list[str], folder: Path) -> list[tuple[str, int]]:
    """The system calls of an attachment that succeeds."""
    with closing(Attached(command, folder)):
        assert eventually(is_ready)
        step_until_valid(env)
    text = (folder / "attach").read_text()
    return calls_between(text, f"/dev/shm/{NAME}", "MADV_POPULATE_WRITE")
