"""`uerl_shm.Simulator`: what the learner hears when it goes wrong, and what is left at its end."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from support.learners import SPEC, attached, serve
from uerl_shm import (
    ArraySpec,
    EnvSpec,
    LayoutMismatch,
    SegmentNotFound,
    Simulator,
    SimulatorLost,
    SpecError,
    UerlError,
)

# Failures -----------------------------------------------------------------------------------------


def test_an_exception_in_the_loop_is_reported_to_the_learner(learn):
    learner = learn()

    def answer(command, simulator):
        raise ArithmeticError("the physics exploded")

    with pytest.raises(ArithmeticError):
        serve(learner.options["name"], answer)
    learner.join()
    assert isinstance(learner.result, SimulatorLost)
    assert "ArithmeticError: the physics exploded" in str(learner.result)


def test_fail_is_reported_to_the_learner(learn):
    learner = learn()
    serve(learner.options["name"], lambda command, simulator: simulator.fail("no such level"))
    learner.join()
    assert isinstance(learner.result, SimulatorLost)
    assert "simulator of lane 0 (env 0) failed: no such level" in str(learner.result)


def test_an_exception_before_the_first_command_is_a_refusal(learn):
    learner = learn()
    with pytest.raises(FileNotFoundError), attached(learner, spec=SPEC):
        raise FileNotFoundError("cave.map")
    learner.join()
    assert isinstance(learner.result, LayoutMismatch)
    assert "FileNotFoundError: cave.map" in str(learner.result)


def test_refuse_tells_the_learner_why(learn):
    learner = learn()
    with attached(learner, spec=SPEC) as simulator:
        simulator.refuse("this engine has no GPU")
    learner.join()
    assert "this engine has no GPU" in str(learner.result)


def test_another_spec_is_refused_on_both_sides(learn):
    other = EnvSpec.single({"state": ArraySpec.box(-9, 9, (4,))}, {"move": ArraySpec.discrete(3)})
    learner = learn()
    with pytest.raises(LayoutMismatch, match=r"\(3\) .*the simulator has float32 \(4\)"):
        attached(learner, spec=other)
    learner.join()
    assert isinstance(learner.result, LayoutMismatch)
    assert "array observation/state" in str(learner.result)


def test_no_learner_in_time_is_not_found():
    with pytest.raises(SegmentNotFound, match="segment /dev/shm/nobody not found, expected"):
        Simulator("nobody", timeout_s=0.05)


@pytest.mark.parametrize("name", ["../etc", "a/b", "", "x" * 65])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(SpecError, match="segment name"):
        Simulator(name, timeout_s=0)


def test_no_name_at_all_is_refused(monkeypatch):
    monkeypatch.delenv("UERL_SHM_NAME", raising=False)
    with pytest.raises(SpecError, match="no segment name, expected an argument or UERL_SHM_NAME"):
        Simulator(timeout_s=0)


def test_a_file_that_is_no_segment_is_refused():
    path = Path("/dev/shm/no-segment-at-all")
    for size, text in ((10, "has 10 bytes, expected at least 4096"), (8192, "no segment of uerl")):
        path.write_bytes(b"x" * size)
        try:
            with pytest.raises((LayoutMismatch, UerlError), match=text):
                Simulator(path.name, timeout_s=0)
        finally:
            path.unlink()


# Ends ---------------------------------------------------------------------------------------------


def test_what_is_left_after_close_reaches_nobody(learn):
    kept: list[np.ndarray] = []
    done = threading.Event()

    def script(env):
        observation, _ = env.reset()
        done.wait(30)
        return observation.copy()

    learner = learn(script)
    simulator = attached(learner, spec=SPEC)
    command = next(simulator)
    array = command.observation["state"]
    array[:] = 5
    kept += [array, array[0], array[:, 1:]]
    command.send()
    simulator.close()
    assert all((piece == 0).all() for piece in kept)
    array[:] = 9
    done.set()
    learner.join()
    assert (learner.result == 5).all()
    with pytest.raises(UerlError, match="a command was used that has been answered"):
        _ = command.observation
    with pytest.raises(UerlError, match="the simulator is closed"):
        simulator.receive(0)
    for call in (lambda: command.control(0), lambda: command.outcome(0, 0, False, False)):
        with pytest.raises(TypeError, match="ClosedSimulator"):
            call()


def test_a_command_is_of_no_use_once_it_is_answered(learn):
    learner = learn()

    def answer(command, simulator):
        command.send()
        for use in (lambda: command.observation, lambda: command.groups, command.send):
            with pytest.raises(UerlError, match="that has been answered, expected the one in hand"):
                use()

    serve(learner.options["name"], answer)


def test_a_command_keeps_its_simulator(learn):
    learner = learn()
    command = next(attached(learner, spec=SPEC))
    gc.collect()
    command.observation["state"][:] = 3
    command.send()
    learner.join()
    assert (learner.result[0] == 3).all()
    del command
    gc.collect()


def test_nothing_of_the_segment_stays_mapped(learn):
    def maps() -> int:
        return Path("/proc/self/maps").read_text().count(learner.options["name"])

    learner = learn()
    simulator = attached(learner, spec=SPEC)
    command = next(simulator)
    array = command.observation["state"]
    command.send()
    simulator.close()
    learner.join()
    learner.result = None
    del array, command, simulator
    gc.collect()
    assert maps() == 0


def test_a_fork_of_a_simulator_has_nothing_of_its_own(learn):
    learner = learn(lambda env: [env.reset(), env.step([0])])
    exit_codes = []

    def answer(command, simulator):
        array = command.observation["state"]
        array[:] = 4
        child = os.fork()
        if child == 0:
            good = (array == 0).all()
            array[:] = 8
            simulator.close()
            gc.collect()
            os._exit(0 if good else 1)
        exit_codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        assert (array == 4).all()

    serve(learner.options["name"], answer)
    learner.join()
    assert exit_codes == [0, 0]
    assert (learner.result[1][0] == 4).all()


INTERRUPTED = """
    import signal, threading
    from uerl_shm import Simulator
    threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
    try:
        with Simulator({name!r}, timeout_s=60) as simulator:
            for command in simulator:
                pass
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_an_interrupt_ends_the_wait_for_a_learner():
    script = textwrap.dedent(INTERRUPTED.format(name="nobody-at-all"))
    said = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, timeout=60)
    assert said.stdout == b"interrupted\n"


def test_an_interrupt_ends_the_wait_for_a_command(learn):
    done = threading.Event()
    learner = learn(lambda env: done.wait(30))
    script = textwrap.dedent(INTERRUPTED.format(name=learner.options["name"]))
    said = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, timeout=60)
    done.set()
    assert said.stdout == b"interrupted\n"
