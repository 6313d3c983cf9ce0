"""`uerl_shm.Simulator`: what its user sees while all goes well."""

from __future__ import annotations

import json

import numpy as np
import pytest

from support.learners import SPEC, STATE, attached, serve
from uerl_shm import (
    ArraySpec,
    EnvSpec,
    GroupSpec,
    LearnerClosed,
    Simulator,
    SpecError,
)
from uerl_shm.host import RESET, SKIP, STEP, describe_if_asked


def test_what_is_written_arrives_and_what_was_sent_is_read(learn):
    def script(env):
        first = env.reset(seed=7)
        return first, env.step([2]), env.step([1])

    learner = learn(script, parameters={"wind": 4.0})
    seen = []
    with attached(learner, spec=SPEC) as simulator:
        assert simulator.spec == SPEC
        assert (simulator.lane, simulator.num_envs, simulator.first_env) == (0, 1, 0)
        assert simulator.autoreset_mode == "NextStep"
        for command in simulator:
            control = command.control(0)
            if control == RESET:
                seen.append((command.seed(0), command.parameter["wind"].tolist()))
                command.outcome(0, 0.0, False, False)
            else:
                assert control == STEP
                seen.append(command.action["move"].tolist())
                command.outcome(0, 0.5 * command.action["move"][0], False, command.sequence == 3)
            command.observation["state"][0] = command.sequence
    learner.join()
    (first, _), (second, reward, *_), (third, _, terminated, truncated, _) = learner.result
    assert [first.tolist(), second.tolist(), third.tolist()] == [[[n] * 3] for n in (1, 2, 3)]
    assert reward.tolist() == [1.0]
    assert (terminated.tolist(), truncated.tolist()) == ([False], [True])
    assert seen == [(7, [4.0]), [2], [1]]


def test_several_groups_have_arrays_of_their_own(learn):
    spec = EnvSpec(
        [
            GroupSpec("red", {"state": STATE}, ArraySpec.discrete(2), agents=2, mask=True),
            GroupSpec("blue", {"eye": ArraySpec.image(2, 2, 3)}, ArraySpec.box(-1, 1, (2,))),
        ]
    )

    def script(env):
        env.reset()
        return env.step({"red": [0, 1], "blue": np.ones((1, 2), np.float32)})

    learner = learn(script, spec=spec)

    def answer(command, simulator):
        red, blue = command.groups["red"], command.groups["blue"]
        assert red.observation["state"].shape == (2, 3)
        assert command.observation is red.observation
        red.observation["state"][:] = [[1, 1, 1], [2, 2, 2]]
        blue.observation["eye"][:] = 7
        for row in range(2):
            command.outcome(row, row + 1.0, False, False)
        command.present(1, False)
        command.outcome(0, -5.0, False, False, group=1)
        if command.control(0) == STEP:
            assert red.action["action"].tolist() == [0, 1]
            assert blue.action["action"].tolist() == [[1.0, 1.0]]

    serve(learner.options["name"], answer, spec)
    learner.join()
    observation, reward, *_, info = learner.result
    assert observation["red"].tolist() == [[1, 1, 1], [2, 2, 2]]
    assert (observation["blue"] == 7).all()
    assert reward["red"].tolist() == [1.0, 2.0]
    assert reward["blue"].tolist() == [-5.0]
    assert info["red"]["mask"].tolist() == [True, False]


def test_actions_and_parameters_are_read_only_and_observations_are_not(learn):
    learner = learn()

    def answer(command, simulator):
        for array in (command.action["move"], command.parameter["wind"]):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
        command.observation["state"][:] = 1

    serve(learner.options["name"], answer)


def test_the_arrays_of_a_slot_are_made_once(learn):
    def script(env):
        env.reset()
        for _ in range(20):
            env.step([0])

    learner = learn(script)
    arrays: dict[int, set[int]] = {}
    keep = []

    def answer(command, simulator):
        array = command.observation["state"]
        keep.append(array)
        arrays.setdefault(command.slot, set()).add(id(array))

    serve(learner.options["name"], answer)
    assert len(arrays) > 1
    assert all(len(ids) == 1 for ids in arrays.values())


def test_messages_go_both_ways(learn):
    learner = learn(lambda env: env.reset(options={"map": "cave", "depth": [1, 2]}))
    seen = []

    def answer(command, simulator):
        seen.append(command.message)
        simulator.write_message(b"bytes")
        simulator.write_message("text")
        with pytest.raises(SpecError, match="message has 5000 bytes, expected at most 4096"):
            simulator.write_message(b"x" * 5000)

    serve(learner.options["name"], answer)
    assert seen == [{"map": "cave", "depth": [1, 2]}]


def test_a_command_without_a_message_says_so(learn):
    learner = learn()
    seen = []
    serve(learner.options["name"], lambda command, simulator: seen.append(command.message))
    assert seen == [None]


def test_a_simulator_may_have_a_loop_of_its_own(learn):
    learner = learn(lambda env: [env.reset(), env.step([0])])
    answered, idle = 0, 0
    with attached(learner, spec=SPEC) as simulator:
        while True:
            try:
                command = simulator.receive(0.001)
            except LearnerClosed:
                break
            if command is None:
                idle += 1
                continue
            command.send()
            answered += 1
    assert answered == 2
    assert simulator is not None


def test_the_spec_is_written_when_a_learner_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("UERL_SHM_DESCRIBE", str(tmp_path / "spec.json"))
    for ask in (lambda: describe_if_asked(SPEC), lambda: Simulator(spec=SPEC)):
        with pytest.raises(SystemExit) as end:
            ask()
        assert end.value.code == 0
        assert EnvSpec.load(tmp_path / "spec.json") == SPEC
        (tmp_path / "spec.json").unlink()


def test_a_simulator_without_a_spec_cannot_be_asked_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("UERL_SHM_DESCRIBE", str(tmp_path / "spec.json"))
    with pytest.raises(SpecError, match="expected one: give Simulator"):
        Simulator("anything", timeout_s=0)


def test_nobody_asks(monkeypatch):
    monkeypatch.delenv("UERL_SHM_DESCRIBE", raising=False)
    describe_if_asked(SPEC)


def test_controls_are_those_of_the_header():
    assert (SKIP, STEP, RESET) == (0, 1, 2)
    assert json.loads(SPEC.to_json())["parameters"] == {"wind": 2.5}
