"""What becomes of simulators when their learner ends, in whatever way. All are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from processes import FAMILY_SIZE, eventually, family, is_alive, pids_in


def learner(uerl_launch: str, game: str, rest: str) -> subprocess.Popen:
    """Another process that starts a simulator, says its pid, and then does `rest`."""
    program = f"""
        import os, sys, threading, time
        from uerl_shm import launcher_process
        from uerl_shm.launcher import Launcher
        launcher_process.UERL_LAUNCH = {uerl_launch!r}
        launcher = Launcher({game!r}, name="train", num_lanes=1)
        thread = threading.Thread(target=launcher.start, args=(0,))
        thread.start()
        thread.join()
        """
    program = textwrap.dedent(program) + textwrap.dedent(rest)
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True)


@pytest.mark.parametrize("fork", [False, True], ids=["alone", "while a fork of it lives on"])
def test_learner_that_is_killed_takes_all_its_simulators_with_it(
    launched, uerl_launch, fork, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(launched))
    game, pids = family(launched)
    rest = f"""
        child = os.fork() if {fork} else None
        if child == 0:
            time.sleep(1000)
        print(child, flush=True)
        time.sleep(1000)
        """
    with learner(uerl_launch, game, rest) as process:
        child = process.stdout.readline().strip()
        members = pids_in(pids, FAMILY_SIZE)
        process.kill()
        process.wait()
        assert eventually(lambda: not any(map(is_alive, members)))
        if fork:
            assert is_alive(int(child))
            os.kill(int(child), signal.SIGKILL)


def test_learner_that_ends_without_close_ends_its_simulators(launched, uerl_launch, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(launched))
    game, pids = family(launched)
    with learner(uerl_launch, game, "sys.stdin.readline()") as process:
        members = pids_in(pids, FAMILY_SIZE)
        process.stdin.write("end\n")
        process.stdin.flush()
        assert process.wait(60) == 0
        assert not any(map(is_alive, members))


def test_fork_of_the_learner_that_ends_leaves_the_simulators_alone(
    launched, uerl_launch, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(launched))
    rest = """
        child = os.fork()
        if child == 0:
            sys.exit()
        os.waitpid(child, 0)
        time.sleep(0.3)
        print(launcher.poll(0), flush=True)
        """
    with learner(uerl_launch, "sleep 1000", rest) as process:
        assert process.stdout.read() == "None\n"
