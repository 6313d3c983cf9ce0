"""What a simulator does with commands: one suite for one written in C++ and one in Python."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

from processes import eventually, is_alive
from support import probe_pattern
from support.bundled import MODES
from support.probes import COMMANDS, SMALL, spec_of
from uerl_shm import EnvSpec, LayoutMismatch, StepTimeout, VecEnv
from uerl_shm.launcher import describe

MANY_ARRAYS = [
    *("--observation", "camera:uint8:6x5x3", "--observation", "state:float32:7"),
    *("--observation", "scalar:float64:scalar", "--observation", "flags:bool:9"),
    *("--action", "move:float32:2", "--action", "choice:int16:3"),
    *("--info", "half:float16:4", "--info", "spin:complex128:scalar"),
]


def grouped(env: VecEnv, value: Any) -> dict[str, Any]:
    """A batch by group, also where there is only one."""
    return value if len(env.spec.groups) > 1 else {env.spec.groups[0].name: value}


def actions_for(env: VecEnv, rng: np.random.Generator) -> Any:
    made = {}
    for group in env.spec.groups:
        rows = env.num_worlds * group.agents
        arrays = {
            name: rng.integers(-3, 4, (rows, *array.shape)).astype(array.dtype)
            for name, array in group.action.items()
        }
        made[group.name] = arrays if len(arrays) > 1 else next(iter(arrays.values()))
    return made if len(made) > 1 else next(iter(made.values()))


def assert_pattern(env: VecEnv, observation: Any, info: Any) -> None:
    """Every byte of every array is what the pattern says for the row's env, agent and step."""
    for group in env.spec.groups:
        rows = np.arange(env.num_worlds * group.agents)
        world, agent = rows // group.agents, rows % group.agents
        told = grouped(env, info)[group.name]
        seen = grouped(env, observation)[group.name]
        found = seen if len(group.observation) > 1 else {next(iter(group.observation)): seen}
        reported = {key: told[key] for key in ("half", "spin") if key in told}
        for kind, arrays in (("observation", found), ("info", reported)):
            for name, array in arrays.items():
                spec = getattr(group, kind)[name]
                place = f"{group.name}/{kind}/{name}"
                wanted = probe_pattern.expected(
                    place, world, agent, told["step"], spec.shape, spec.dtype
                )
                assert np.ascontiguousarray(array).tobytes() == wanted.tobytes(), place


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("words", "num_envs", "envs_per_simulator"),
    [
        ([], 3, 1),
        (["--agents", "2", "--episode-steps", "4"], 8, 2),
        (["--groups", "2", "--agents", "3", "--episode-steps", "5"], 4, 2),
    ],
    ids=["one agent", "two agents", "two groups"],
)
def test_every_row_is_the_one_that_was_asked_for(make, words, num_envs, envs_per_simulator, mode):
    env = make(
        [*MANY_ARRAYS, *words],
        num_envs,
        autoreset_mode=mode,
        envs_per_simulator=envs_per_simulator,
    )
    rng = np.random.default_rng(0)
    observation, info = env.reset(seed=3)
    assert_pattern(env, observation, info)
    first = env.spec.groups[0].name
    received = 1
    for _ in range(25):
        actions = actions_for(env, rng)
        observation, _, terminated, truncated, info = env.step(actions)
        assert_pattern(env, observation, info)
        received += 1
        told = grouped(env, info)[first]
        done = grouped(env, terminated)[first] | grouped(env, truncated)[first]
        if mode != "Disabled":
            assert (told["received"] == received).all()
        stepped = told["action_sum"] > 0
        group = env.spec.groups[0]
        own = grouped(env, actions)[first]
        wanted = probe_pattern.action_sum(own["move"], own["choice"])
        assert (told["action_sum"][stepped] == wanted[stepped]).all()
        if mode == "Disabled" and done.any():
            mask = done if len(env.spec.groups) == 1 else done[:: group.agents]
            assert_pattern(env, *env.reset(options={"reset_mask": mask.copy()}))


def test_a_seed_arrives_and_its_absence_leaves_the_generator_alone(make):
    env = make(num_envs=4, envs_per_simulator=2)
    assert env.reset(seed=40)[1]["seed"].tolist() == [40, 41, 42, 43]
    assert env.reset()[1]["seed"].tolist() == [40, 41, 42, 43]
    assert env.reset(seed=[None, 7, None, 2**62])[1]["seed"].tolist() == [40, 7, 42, 2**62]


def test_each_simulator_has_its_lane_and_its_envs(make):
    env = make(num_envs=6, envs_per_simulator=2)
    assert env.reset()[1]["lane"].tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("mode", MODES)
def test_an_episode_ends_as_its_mode_says(make, mode):
    env = make([*SMALL, "--episode-steps", "2"], 4, autoreset_mode=mode)
    env.reset(seed=0)
    actions = np.ones((4, 2), np.float32)
    env.step(actions)
    _, reward, terminated, truncated, info = env.step(actions)
    end = probe_pattern.end(np.arange(4), 0, 2)
    assert terminated.tolist() == end.terminated.tolist()
    assert truncated.tolist() == end.truncated.tolist()
    assert (reward == probe_pattern.reward("agent", np.arange(4), 0, 2)).all()
    if mode == "SameStep":
        assert info["episode"].tolist() == [1] * 4
        assert info["final_info"]["step"].tolist() == [2] * 4
        final = probe_pattern.expected("agent/observation/state", range(4), 0, 2, (5,), "float32")
        assert (info["final_obs"] == final).all()
        return
    assert "final_obs" not in info
    assert info["episode"].tolist() == [0] * 4
    if mode == "NextStep":
        _, reward, terminated, truncated, info = env.step(actions)
        assert info["episode"].tolist() == [1] * 4
        assert info["action_sum"].tolist() == [0] * 4
        assert reward.tolist() == [0] * 4
        assert not (terminated | truncated).any()


@pytest.mark.parametrize("envs_per_simulator", [1, 4])
def test_a_partial_reset_leaves_the_other_rows_as_they_are(make, envs_per_simulator):
    env = make(num_envs=4, envs_per_simulator=envs_per_simulator, autoreset_mode="Disabled")
    env.reset()
    observation, *_, info = env.step(np.zeros((4, 2), np.float32))
    mask = np.array([False, True, False, True])
    after, told = env.reset(seed=9, options={"reset_mask": mask})
    assert (after[~mask] == observation[~mask]).all()
    assert told["received"][mask].tolist() == [3, 3]
    assert told["seed"][mask].tolist() == [10, 12]
    assert info["step"][mask].tolist() == [1, 1]
    assert_pattern(env, after, told)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rewards_have_the_dtype_of_the_spec(make, dtype):
    env = make([*SMALL, "--reward-dtype", dtype])
    env.reset()
    reward = env.step(np.zeros((3, 2), np.float32))[1]
    assert env.spec.group.reward_dtype == dtype
    assert (reward == probe_pattern.reward("agent", np.arange(3), 0, 1)).all()


def test_rows_that_are_sent_alone_come_back_alone(make):
    env = make(num_envs=3)
    env.reset()
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    env.send(rows[[2, 0]], env_ids=[2, 0])
    batch = env.recv(min_envs=2)
    assert batch.env_ids.tolist() == [0, 2]
    assert batch.info["action_sum"].tolist() == probe_pattern.action_sum(rows[[0, 2]]).tolist()
    env.send(rows[[1]], env_ids=[1])
    assert env.recv().info["received"].tolist() == [2]


def test_a_timeout_is_retried_without_shifting_rows_and_a_reset_supersedes(make):
    env = make([*SMALL, "--wait-us", "150000"], 2, timeout_s=20)
    env.reset()
    for step in (1, 2):
        env.send(np.full((2, 2), step, np.float32))
        with pytest.raises(StepTimeout):
            env.recv(timeout_s=0.01)
        assert env.recv().info["step"].tolist() == [step, step]
    env.send(np.zeros((2, 2), np.float32))
    observation, info = env.reset()
    assert info["received"].tolist() == [5, 5]  # it did answer the step that was given up
    assert_pattern(env, observation, info)
    assert env.stats()["superseded"] == 2


# Meeting ------------------------------------------------------------------------------------------


def test_both_implementations_describe_the_same_spec(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    specs = [describe([*words, *MANY_ARRAYS, "--agents", "2"]) for words in COMMANDS.values()]
    assert specs[0] == specs[1]
    assert specs[0].name == "probe"


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (["observation", "state", "shape"], [6], r"observation/state .*\(6\).*\(5\)"),
        (["observation", "state", "dtype"], "float64", "observation/state is float64.* float32"),
        (["action", "move", "shape"], [3], r"action/move .*\(3\).*\(2\)"),
        (["info", "step", "dtype"], "int32", "info/step is int32.* int64"),
        (["observation", "more"], {"shape": [2], "dtype": "uint8"}, "array observation/more"),
        (["action", "more"], {"shape": [2], "dtype": "float32"}, "array action/more"),
        (["info", "more"], {"shape": [2], "dtype": "uint8"}, "array info/more"),
        (["agents"], 2, "group agent has 2 agents in the learner's spec"),
        (["name"], "robots", "group agent .* is not in the learner's spec"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_simulator_refuses_a_spec_that_is_not_its_own(command, path, value, text):
    spec = json.loads(spec_of(tuple(command), tuple(SMALL)).to_json())
    place = spec["groups"][0]
    for key in path[:-1]:
        place = place[key]
    if path[-1] in ("shape", "dtype"):  # bounds belong to the old ones
        place.pop("low", None)
        place.pop("high", None)
    place[path[-1]] = value
    with pytest.raises(LayoutMismatch, match=text):
        VecEnv([*command, *SMALL], 2 if path == ["agents"] else 1, spec=EnvSpec.from_json(spec))


@pytest.mark.parametrize("kind", ["observation", "action"])
def test_a_simulator_refuses_a_spec_that_lacks_one_of_its_arrays(command, kind):
    words = [*SMALL, f"--{kind}", "more:float32:2"]
    with pytest.raises(LayoutMismatch, match=f"array {kind}/more of group agent is not in the"):
        VecEnv([*command, *words], spec=spec_of(tuple(command), tuple(SMALL)))


def test_a_simulator_serves_a_learner_that_does_not_want_its_infos(command):
    spec = json.loads(spec_of(tuple(command), tuple(SMALL)).to_json())
    spec["groups"][0]["info"] = {}
    env = VecEnv([*command, *SMALL], 2, spec=EnvSpec.from_json(spec))
    observation, info = env.reset()
    wanted = probe_pattern.expected("agent/observation/state", range(2), 0, 0, (5,), "float32")
    assert (observation == wanted).all()
    assert set(info) == {"valid", "_valid"}
    env.close()


def started(command: list[str], name: str, lane: int | None = None) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "UERL_SHM_NAME": name}
    if lane is not None:
        environ["UERL_SHM_LANE"] = str(lane)
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)


def test_a_simulator_that_comes_first_waits_and_one_that_has_served_ends_in_order(command):
    words = [*command, *SMALL]
    simulators = [started(words, "conformance-1") for _ in range(2)]
    env = VecEnv(
        num_envs=2,
        spec=spec_of(tuple(command), tuple(SMALL)),
        name="conformance-1",
        startup_timeout_s=60,
    )
    assert env.reset()[1]["step"].tolist() == [0, 0]
    env.close()
    for simulator in simulators:
        assert simulator.wait(timeout=30) == 0
        simulator.communicate()


@pytest.mark.slow
def test_a_lane_that_is_taken_is_not_taken_twice(command):
    words = [*command, *SMALL]
    first = started(words, "conformance-2", 0)
    env = VecEnv(
        num_envs=1,
        spec=spec_of(tuple(command), tuple(SMALL)),
        name="conformance-2",
        startup_timeout_s=60,
    )
    env.reset()
    second = started(words, "conformance-2", 0)
    _, said = second.communicate(timeout=60)
    assert second.returncode != 0
    assert b"lane 0 of segment conformance-2 is taken by another simulator" in said
    assert env.step(np.zeros((1, 2), np.float32))[4]["received"].tolist() == [2]
    env.close()
    assert first.wait(timeout=30) == 0, first.communicate()[1].decode()
    first.communicate()


LEARNER = """
    import os, signal, sys
    from uerl_shm import VecEnv
    env = VecEnv(num_envs=1, spec=sys.argv[1], name="conformance-3", startup_timeout_s=60)
    env.reset()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_simulator_ends_when_its_learner_is_killed(command, tmp_path):
    words = [*command, *SMALL]
    spec_of(tuple(command), tuple(SMALL)).save(tmp_path / "spec.json")
    simulator = started(words, "conformance-3")
    learner = [sys.executable, "-c", textwrap.dedent(LEARNER), str(tmp_path / "spec.json")]
    assert subprocess.run(learner, timeout=100).returncode == -signal.SIGKILL
    assert eventually(lambda: not is_alive(simulator.pid), timeout_s=30)
    assert simulator.wait() == 0
    simulator.communicate()
    os.unlink("/dev/shm/conformance-3")
