"""Whatever happens to simulators, file and learner, in any order: every batch is as a model says.

Hypothesis draws the orders, and shortens those that break the model.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from faults.conftest import PROBE, step
from processes import eventually
from support.probe_pattern import expected, reward
from uerl_shm import SegmentCorrupt, VecEnv, _core
from uerl_shm.launcher import describe

NUM_LANES = 3
DEADLINE_S = 0.2
SPEC = describe(PROBE)
LANES = st.integers(0, NUM_LANES - 1)


@dataclass
class Lane:
    """What the model knows about a lane.

    Attributes:
        process: Its simulator, the last one if it is gone.
        state: What was done to the process: "runs", "stopped" or "gone".
        served: Whether its rows were valid in the last batch.
        steps: Env steps since its reset.
        returns: Batches that may still pass before a simulator that came back is served.
    """

    process: subprocess.Popen[bytes]
    state: str = "runs"
    served: bool = True
    steps: int = 0
    returns: int = 0


@dataclass
class Model:
    """What the learner should see."""

    lanes: list[Lane] = field(default_factory=list)
    named: bool = True  # whether /dev/shm has the segment's name
    whole: bool = True  # whether its file has its size
    state: Any = None  # the last observation


class Faults(RuleBasedStateMachine):
    """A learner with simulators that attach by themselves and wait for the next learner."""

    def __init__(self) -> None:
        super().__init__()
        self.name = f"uerl-machine-{secrets.token_hex(4)}"
        self.errors = tempfile.TemporaryFile()
        self.model = Model([Lane(self.new_process(lane)) for lane in range(NUM_LANES)])
        self.begin_learner()

    # Doing ------------------------------------------------------------------------------------

    def new_process(self, lane: int) -> subprocess.Popen[bytes]:
        command = [*PROBE.split(), "--name", self.name, "--lane", str(lane)]
        return subprocess.Popen([*command, "--next-learner-s", "60"], stderr=self.errors)

    def begin_learner(self) -> None:
        self.env = VecEnv(
            None, NUM_LANES, spec=SPEC, name=self.name, on_death="mask", min_valid=0,
            step_deadline_s=DEADLINE_S, kill_after_s=60, startup_timeout_s=30, timeout_s=30,
        )  # fmt: skip
        self.model.named = self.model.whole = True
        self.model.state = self.env.reset()[0].copy()
        for lane in self.model.lanes:
            lane.served, lane.steps, lane.returns = True, 0, 0

    def word(self, lane: int, key: str) -> Any:
        return self.observer.lane(lane)[key]

    @property
    def observer(self) -> Any:
        return _core.Observer(self.name)

    def end(self, lane: Lane) -> None:
        lane.process.kill()
        lane.process.wait()
        lane.state, lane.returns = "gone", 0

    def new_simulators(self) -> None:
        """Have one that runs in each lane."""
        for number, lane in enumerate(self.model.lanes):
            if lane.state == "stopped" or lane.process.poll() is not None:
                self.end(lane)
            if lane.state == "gone":
                lane.process, lane.state = self.new_process(number), "runs"

    # Rules ------------------------------------------------------------------------------------

    @precondition(lambda self: self.model.whole)
    @rule(count=st.integers(1, 3))
    def step(self, count: int) -> None:
        for _ in range(count):
            self.judge(*step(self.env))

    @rule(number=LANES)
    def kill(self, number: int) -> None:
        self.end(self.model.lanes[number])

    @precondition(lambda self: self.model.whole)
    @rule(number=LANES)
    def stop(self, number: int) -> None:
        lane = self.model.lanes[number]
        if lane.state == "runs" and lane.served and not lane.returns:
            lane.process.send_signal(signal.SIGSTOP)
            lane.state = "stopped"

    @precondition(lambda self: self.model.named and self.model.whole)
    @rule(number=LANES)
    def go_on(self, number: int) -> None:
        lane = self.model.lanes[number]
        if lane.state == "stopped":
            lane.process.send_signal(signal.SIGCONT)
            lane.state, lane.returns = "runs", 0 if lane.served else 2
            assert eventually(lambda: self.has_answered(number))

    def has_answered(self, number: int) -> bool:
        words = self.observer.lane(number)
        return words["commands_read"] == words["commands"] and words["progress"] % 2 == 0

    @precondition(lambda self: self.model.named and self.model.whole)
    @rule(number=LANES)
    def start(self, number: int) -> None:
        lane = self.model.lanes[number]
        if lane.state == "gone":
            generation = self.word(number, "generation")
            lane.process = self.new_process(number)
            lane.state, lane.returns = "runs", 2
            assert eventually(lambda: self.word(number, "generation") != generation)

    @precondition(lambda self: self.model.named and self.model.whole)
    @rule(number=LANES)
    def restart(self, number: int) -> None:
        """The successor is there before the learner has looked."""
        self.end(self.model.lanes[number])
        self.start(number)

    @precondition(lambda self: self.model.whole)
    @rule()
    def unlink(self) -> None:
        Path("/dev/shm", self.name).unlink(missing_ok=True)
        self.model.named = False

    @precondition(lambda self: self.model.named and self.model.whole)
    @rule(size=st.sampled_from([0, 4096, 8192]))
    def truncate(self, size: int) -> None:
        os.truncate(f"/dev/shm/{self.name}", size)
        self.model.whole = False

    @rule()
    def next_learner(self) -> None:
        """A learner of the same name: also what one does after a damage."""
        if not self.model.whole:
            with pytest.raises(SegmentCorrupt, match=self.name):
                step(self.env)
        self.env.close()
        for lane in self.model.lanes:  # one that saw the damage has left
            if not self.model.whole:
                self.end(lane)
        self.new_simulators()
        self.begin_learner()

    # Judging ----------------------------------------------------------------------------------

    def judge(self, state: Any, rewards: Any, terminated: Any, truncated: Any, info: Any) -> None:
        """Compare a batch with the model, and take it in."""
        assert not terminated.any()
        for number, lane in enumerate(self.model.lanes):
            valid, was_served = bool(info["valid"][number]), lane.served
            if lane.returns and was_served:  # its predecessor's episode is cut off first
                assert not valid
            elif lane.returns:  # soon, at the latest with the last of these batches
                lane.returns -= 1
                assert valid or lane.returns
                lane.steps = -1
            else:
                assert valid == (was_served and lane.state == "runs"), (number, lane)
            lane.served = valid
            assert truncated[number] == (was_served and not valid)
            if not valid:
                assert np.array_equal(state[number], self.model.state[number])
                assert rewards[number] == 0
                continue
            lane.returns = 0
            lane.steps += 1
            assert info["step"][number] == lane.steps
            row = expected("agent/observation/state", number, 0, lane.steps, (8,), np.float32)
            assert np.array_equal(state[number], row)
            assert rewards[number] == (reward("agent", number, 0, lane.steps) if lane.steps else 0)
        self.model.state = state.copy()

    @invariant()
    def no_living_simulator_has_left(self) -> None:
        if self.model.whole:
            for lane in self.model.lanes:
                assert (lane.process.poll() is None) == (lane.state != "gone")

    def teardown(self) -> None:
        self.env.close()
        for lane in self.model.lanes:
            self.end(lane)
        self.errors.close()
        assert not Path("/dev/shm", self.name).exists()


class NotTruncated(Faults):
    """Seeded bug: nobody says that an episode was cut off."""

    def judge(self, state: Any, rewards: Any, terminated: Any, truncated: Any, info: Any) -> None:
        super().judge(state, rewards, terminated, truncated & False, info)


class Shifted(Faults):
    """Seeded bug: once a row is not valid, the others are one step behind."""

    def judge(self, state: Any, rewards: Any, terminated: Any, truncated: Any, info: Any) -> None:
        last = state if info["valid"].all() else self.model.state
        super().judge(last.copy(), rewards, terminated, truncated, info)


class NotReset(Faults):
    """Seeded bug: a simulator that is taken back goes on with an old episode."""

    def judge(self, state: Any, rewards: Any, terminated: Any, truncated: Any, info: Any) -> None:
        back = [lane.returns > 0 and not lane.served for lane in self.model.lanes]
        info = {**info, "step": info["step"] + back}
        super().judge(state, rewards, terminated, truncated, info)


EXAMPLES = os.environ.get("UERL_MACHINE_EXAMPLES")
SETTINGS = settings(
    max_examples=int(EXAMPLES or "60"),
    stateful_step_count=25,
    deadline=None,
    derandomize=EXAMPLES is None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_every_batch_is_as_the_model_says():
    run_state_machine_as_test(Faults, settings=SETTINGS)


@pytest.mark.parametrize("mutant", [NotTruncated, Shifted, NotReset])
def test_the_model_finds_a_seeded_bug(mutant):
    once = settings(SETTINGS, max_examples=100, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(mutant, settings=once)
