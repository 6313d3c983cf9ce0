"""One simulation, several learners: what happens when one of them ends or is slow."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from processes import eventually
from support.bundled import MakeEnv, describe
from support.several import GROUPS, WAIT_S, WORDS, Shared, learner, part, rest, side_by_side, start
from uerl_shm import SimulatorLost, VecEnv
from uerl_shm import segment as segments


@pytest.mark.parametrize("dead", GROUPS)
def test_a_learner_that_is_killed_costs_the_other_its_rows_and_no_time(
    tmp_path: Path, simulators: list[subprocess.Popen[bytes]], dead: str
) -> None:
    (other,) = set(GROUPS) - {dead}
    spec = describe(tmp_path, WORDS)
    names = {team: segments.new_name() for team in GROUPS}
    simulators.append(start(WORDS, names.values()))
    with learner(tmp_path, spec, names[dead], dead, 3, 10_000) as process:
        env = VecEnv(
            num_envs=12, spec=part(spec, other, parameters=other == GROUPS[0]), name=names[other],
            envs_per_simulator=3, timeout_s=WAIT_S, startup_timeout_s=WAIT_S)  # fmt: skip
        try:
            env.reset(seed=0)
            assert env.step(rest(env))[4]["valid"].all()
            valid = False
            process.send_signal(signal.SIGKILL)  # it waits for its next step, or is within it
            with pytest.raises(SimulatorLost):  # at once, or after one step in which it is masked
                for _ in range(5):
                    valid = env.step(rest(env))[4]["valid"].any()
            assert not valid
            assert simulators[0].wait(WAIT_S) == 0
        finally:
            env.close()
            (Path("/dev/shm") / names[dead]).unlink()


def test_the_learner_that_is_left_raises_where_it_was_told_to(tmp_path: Path) -> None:
    with Shared(tmp_path, "gather", on_death="raise") as shared:
        shared.reset()
        shared.env["red"].close()
        with pytest.raises(SimulatorLost):
            for _ in range(3):
                shared.env["blue"].step(rest(shared.env["blue"]))
        assert shared.simulators[0].wait(WAIT_S) == 0


def test_the_next_learner_of_a_team_goes_on_with_the_same_simulator(tmp_path: Path) -> None:
    with Shared(tmp_path, "gather --next-learner-s 20") as shared:
        shared.reset()
        shared.env["red"].close()
        blue = shared.env["blue"]
        assert eventually(lambda: not blue.step(rest(blue))[4]["valid"].any())
        shared.make("red")

        def both() -> bool:
            batch = shared.step()
            return bool(batch["blue"].info["valid"].all() and batch["red"].info["valid"].all())

        side_by_side({"red": lambda: shared.env["red"].reset(), "blue": blue.reset})
        assert eventually(both)
        assert shared.simulators[0].poll() is None


def test_a_simulator_that_waits_for_its_learners_leaves_at_a_signal() -> None:
    process = start("gather", [segments.new_name(), segments.new_name()])
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.terminate()
    assert process.wait(10) == 0


def test_the_launcher_of_one_learner_starts_simulators_of_both_and_starts_them_again(
    tmp_path: Path, make_env: MakeEnv
) -> None:
    spec, other = describe(tmp_path, "gather"), segments.new_name()
    command, rest_of = "gather --name {name}," + other, {"name": other, "startup_timeout_s": WAIT_S}
    envs = side_by_side(
        {
            "red": lambda: make_env(command, 4, spec=part(spec, "red")),
            "blue": lambda: VecEnv(num_envs=4, spec=part(spec, "blue"), **rest_of),
        }
    )

    def valid() -> np.ndarray:
        for env in envs.values():
            env.send(rest(env))
        return np.stack([env.recv().info["valid"] for env in envs.values()])

    try:
        side_by_side({team: env.reset for team, env in envs.items()})
        assert valid().all()
        os.kill(envs["red"]._simulators.launcher.pid(1), signal.SIGKILL)
        assert eventually(lambda: not valid()[:, 2:].any())  # the rows of lane 1
        assert valid()[:, :2].all()
        assert eventually(lambda: valid().all())
    finally:
        envs["blue"].close()


def test_a_learner_that_is_slow_is_late_for_the_other_and_they_come_together_again(
    tmp_path: Path,
) -> None:
    with Shared(tmp_path, "gather", on_death="mask", step_deadline_s=2.0) as shared:
        shared.reset()
        red, blue = shared.env["red"], shared.env["blue"]
        _, _, _, truncated, info = red.step(rest(red))  # blue is busy with something else
        assert truncated.all() and not info["valid"].any()
        assert blue.step(rest(blue))[4]["valid"].all()
        batch = shared.step()  # the simulator is back: red's reset
        assert batch["blue"].truncated.all() and not batch["red"].truncated.any()
        batch = shared.step()
        assert all(one.info["valid"].all() and not one.truncated.any() for one in batch.values())
        assert (batch["red"].observation["inventory"][:, 2] < 1.0).all()  # it goes on
