"""The bundled simulators behind a learner: what they write, when they leave, whom they refuse."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import probe_pattern
from uerl_shm import LayoutMismatch, StepTimeout, VecEnv
from uerl_shm import segment as segments

UERL_SIM = Path(__file__).resolve().parents[2] / "uerl_shm" / "bin" / "uerl-sim"
MODES = ["NextStep", "SameStep", "Disabled"]
RIGHT = 2

MakeEnv = Callable[..., VecEnv]


@pytest.fixture
def make_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeEnv]:
    """A function that makes envs from a scene's command line; all are closed in the end."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = []

    def make(words: str, num_envs: int = 4, **rest: Any) -> VecEnv:
        command = [str(UERL_SIM), *words.split()]
        made.append(VecEnv(command, num_envs, log_dir=tmp_path / "logs", **rest))
        return made[-1]

    yield make
    for env in made:
        env.close()


def step_count(info: dict[str, Any]) -> np.ndarray:
    return np.array(info["step"])


def wrong_bytes(env: VecEnv, observation: dict[str, np.ndarray], info: dict[str, Any]) -> int:
    """Bytes of one batch of a single group that differ from the pattern at the steps it claims."""
    group = env.spec.group
    agent = np.arange(env.num_envs) % group.agents
    world = np.arange(env.num_envs) // group.agents
    wrong = 0
    for name, array in group.observation.items():
        rows = probe_pattern.expected(
            f"{group.name}/observation/{name}",
            world,
            agent,
            step_count(info),
            array.shape,
            array.dtype,
        )
        found = np.ascontiguousarray(observation[name])
        wrong += int((found.view(np.uint8) != rows.view(np.uint8)).sum())
    return wrong


def random_actions(env: VecEnv, rng: np.random.Generator) -> np.ndarray:
    shape = (env.num_envs, *env.spec.group.action_space().shape)
    return rng.uniform(-1.0, 1.0, shape).astype(np.float32)


def same(one: Any, other: Any) -> bool:
    """Whether two arrays, or two dicts of arrays, are equal."""
    if isinstance(one, dict):
        return all(same(one[key], other[key]) for key in one)
    return np.array_equal(one, other)


# probe ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("envs_per_simulator", [1, 4])
@pytest.mark.parametrize("mode", MODES)
def test_probe_writes_the_pattern_the_reward_and_the_action_sum(
    make_env: MakeEnv, mode: str, envs_per_simulator: int
) -> None:
    env = make_env("probe", autoreset_mode=mode, envs_per_simulator=envs_per_simulator)
    rng = np.random.default_rng(0)
    observation, info = env.reset(seed=5)
    assert wrong_bytes(env, observation, info) == 0
    assert info["seed"].tolist() == [5, 6, 7, 8]
    assert info["lane"].tolist() == [i // envs_per_simulator for i in range(4)]
    received = np.array(info["received"])
    num_ends = 0
    for _ in range(200):
        actions = random_actions(env, rng)
        observation, reward, terminated, truncated, info = env.step(actions)
        done = terminated | truncated
        num_ends += int(done.sum())
        assert wrong_bytes(env, observation, info) == 0
        assert (info["received"] == received + 1).all()
        began = info["action_sum"] == 0
        sums = probe_pattern.action_sum(actions)
        assert (info["action_sum"] == np.where(began, 0, sums)).all()
        ended_at = step_count(info) - (began & done)
        wanted = probe_pattern.reward("agent", np.arange(4), 0, ended_at)
        assert (reward == np.where(began & ~done, 0.0, wanted)).all()
        received = np.array(info["received"])
        if mode == "Disabled" and done.any():
            observation, info = env.reset(options={"reset_mask": done})
            assert wrong_bytes(env, observation, info) == 0
            assert (info["received"] == received + done).all()
            received = np.array(info["received"])
    assert num_ends > 4


def test_probe_ends_its_episodes_when_and_how_the_pattern_says(make_env: MakeEnv) -> None:
    env = make_env("probe --no-write --observation a:uint8:4", autoreset_mode="SameStep")
    env.reset()
    episode = np.zeros(4, np.int64)
    num_steps = np.zeros(4, np.int64)
    for _ in range(300):
        _, _, terminated, truncated, _ = env.step(np.zeros((4, 4), np.float32))
        num_steps += 1
        end = probe_pattern.end(np.arange(4), episode)
        ends = num_steps == end.num_steps
        assert (terminated == (ends & end.terminated)).all()
        assert (truncated == (ends & end.truncated)).all()
        episode += ends
        num_steps[ends] = 0
    assert episode.min() >= 3


def test_probe_writes_the_terminal_row_to_the_final_arrays(make_env: MakeEnv) -> None:
    env = make_env("probe --episode-steps 3 --observation a:int16:9", autoreset_mode="SameStep")
    env.reset()
    for t in range(1, 4):
        observation, _, terminated, truncated, info = env.step(np.zeros((4, 4), np.float32))
        assert ((terminated | truncated) == (t == 3)).all()
    name = "agent/observation/a"
    final = np.stack(list(info["final_obs"]))
    assert (final == probe_pattern.expected(name, np.arange(4), 0, 3, (9,), "int16")).all()
    assert (observation == probe_pattern.expected(name, np.arange(4), 0, 4, (9,), "int16")).all()
    assert info["final_info"]["step"].tolist() == [3] * 4
    assert info["step"].tolist() == [4] * 4


@pytest.mark.parametrize("bug", ["early", "swap"])
def test_a_seeded_bug_of_probe_gives_wrong_bytes(make_env: MakeEnv, bug: str) -> None:
    env = make_env(f"probe --bug {bug} --episode-steps 0")
    wrong = 0
    observation, info = env.reset()
    for _ in range(100):
        wrong += wrong_bytes(env, observation, info)
        observation, _, _, _, info = env.step(np.zeros((4, 4), np.float32))
    assert wrong > 1000


def test_the_seeded_bug_stale_leaves_an_older_row_in_place(make_env: MakeEnv) -> None:
    env = make_env("probe --bug stale --episode-steps 0")
    env.reset()
    steps = [step_count(env.step(np.zeros((4, 4), np.float32))[4])[0] for _ in range(60)]
    late = [t for t, step in enumerate(steps, 1) if step != t]
    assert late == [49]


# The worlds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_basic_returns_0_93_by_moving_right_in_every_mode(make_env: MakeEnv, mode: str) -> None:
    env = make_env("basic", autoreset_mode=mode)
    env.reset()
    total = np.zeros(4)
    for _ in range(7):
        observation, reward, terminated, truncated, info = env.step(np.full(4, RIGHT))
        total += reward
    assert total == pytest.approx(0.93, abs=1e-6)
    assert terminated.all() and not truncated.any()
    if mode == "SameStep":
        assert np.stack(list(info["final_obs"])).argmax(1).tolist() == [17] * 4
        assert observation.argmax(1).tolist() == [10] * 4
    else:
        assert observation.argmax(1).tolist() == [17] * 4


@pytest.mark.parametrize("scene", ["tennis", "apples"])
def test_episodes_depend_on_seed_and_actions_not_on_the_lane(make_env: MakeEnv, scene: str) -> None:
    spread = make_env(f"{scene} --episode-steps 20", num_envs=8, autoreset_mode="SameStep")
    worlds = spread.num_worlds
    packed = make_env(
        f"{scene} --episode-steps 20",
        num_envs=8,
        autoreset_mode="SameStep",
        envs_per_simulator=worlds,
    )
    rng = np.random.default_rng(0)
    assert same(spread.reset(seed=3)[0], packed.reset(seed=3)[0])
    for _ in range(90):
        actions = random_actions(spread, rng)
        one, other = spread.step(actions), packed.step(actions)
        assert all(same(a, b) for a, b in zip(one[:4], other[:4], strict=True))


def test_envs_without_a_seed_differ_and_the_run_can_be_repeated(make_env: MakeEnv) -> None:
    one = make_env("tennis", num_envs=8, envs_per_simulator=2)
    other = make_env("tennis", num_envs=8, envs_per_simulator=2)
    first = np.array(one.reset()[0])
    assert len(np.unique(first[::2], axis=0)) == 4
    assert (other.reset()[0] == first).all()


def test_the_two_rows_of_a_tennis_world_have_opposite_rewards(make_env: MakeEnv) -> None:
    env = make_env("tennis", num_envs=8, envs_per_simulator=2)
    assert env.num_worlds == 4
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    rewards = np.array([env.step(random_actions(env, rng))[1] for _ in range(300)])
    assert (rewards[:, 0::2] == -rewards[:, 1::2]).all()
    assert np.abs(rewards).sum() > 10


@pytest.mark.parametrize("mode", MODES)
def test_gather_marks_an_agent_that_died_absent_until_it_spawns(
    make_env: MakeEnv, mode: str
) -> None:
    env = make_env("gather --agents 2", num_envs=1, autoreset_mode=mode)
    env.reset(seed=1, options={"parameters": {"num_food": 0}})
    actions = {name: np.zeros((2, 3), np.float32) for name in ("red", "blue")}
    lives = []  # of red's first agent: d(ied), a(bsent), p(resent)
    for _ in range(120):
        observation, reward, terminated, truncated, info = env.step(actions)
        absent = ~info["red"]["mask"]
        lives.append("d" if terminated["red"][0] else "a" if absent[0] else "p")
        assert not (terminated["red"] | truncated["red"])[absent].any()
        assert (reward["red"][absent] == 0).all()
        assert (observation["red"]["rays"][absent] == 0).all()
    assert re.fullmatch("p{49,101}da{10}p{10,}(da*p*)?", "".join(lives)), lives


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_a_gather_world_ends_when_all_its_agents_have(make_env: MakeEnv, mode: str) -> None:
    env = make_env("gather --episode-steps 30", num_envs=2, autoreset_mode=mode)
    env.reset(seed=1, options={"parameters": {"num_food": 0}})
    actions = {name: np.zeros((4, 3), np.float32) for name in ("red", "blue")}
    ends = []
    for t in range(1, 100):
        truncated = env.step(actions)[3]
        assert (truncated["red"] == truncated["red"][0]).all()
        assert (truncated["blue"] == truncated["red"][0]).all()
        if truncated["red"][0]:
            ends.append(t)
    assert ends == ([30, 60, 90] if mode == "SameStep" else [30, 61, 92])


def test_gather_reads_its_parameter_at_the_reset(make_env: MakeEnv) -> None:
    env = make_env("gather", num_envs=2)
    none = env.reset(seed=1, options={"parameters": {"num_food": 0}})[0]
    assert (none["red"]["rays"][..., 0] == 0).all()
    plenty = env.reset(seed=1, options={"parameters": {"num_food": [0, 100]}})[0]
    assert (plenty["red"]["rays"][:2, :, 0] == 0).all()
    assert (plenty["red"]["rays"][2:, :, 0] > 0).any()


# Time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "factor"), [("--step-us", 2), ("--wait-us", 1)])
def test_a_step_takes_the_time_that_was_asked_for(
    make_env: MakeEnv, option: str, factor: int
) -> None:
    env = make_env(f"basic {option} 20000", num_envs=2, envs_per_simulator=2)
    env.reset()
    start = time.monotonic()
    for _ in range(3):
        env.step(np.zeros(2, np.int64))
    assert time.monotonic() - start >= 3 * factor * 0.020


# Leaving and refusing -------------------------------------------------------------------------


def seconds_to_leave(process: subprocess.Popen[bytes], number: int) -> float:
    start = time.monotonic()
    process.send_signal(number)
    assert process.wait(10) == 0
    return time.monotonic() - start


def describe(tmp_path: Path, words: str) -> dict[str, Any]:
    path = tmp_path / "spec.json"
    subprocess.run([UERL_SIM, *words.split(), "--describe", path], check=True)
    return json.loads(path.read_text())


@contextmanager
def self_attaching(
    tmp_path: Path, words: str, **rest: Any
) -> Iterator[tuple[VecEnv, subprocess.Popen[bytes]]]:
    """A learner, and one simulator that was not started by it."""
    name = segments.new_name()
    process = subprocess.Popen([UERL_SIM, *words.split(), "--name", name])
    try:
        env = VecEnv(spec=describe(tmp_path, words), name=name, startup_timeout_s=20.0, **rest)
        try:
            yield env, process
        finally:
            env.close()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_simulator_that_waits_for_its_learner_leaves_at_a_signal(number: int) -> None:
    process = subprocess.Popen([UERL_SIM, "basic", "--name", segments.new_name()])
    time.sleep(0.3)
    assert process.poll() is None
    assert seconds_to_leave(process, number) < 1.0


def test_a_simulator_without_a_command_leaves_at_a_signal(tmp_path: Path) -> None:
    with self_attaching(tmp_path, "basic") as (env, process):
        env.reset()
        assert seconds_to_leave(process, signal.SIGTERM) < 1.0


def test_a_simulator_within_a_step_leaves_at_a_signal(tmp_path: Path) -> None:
    with self_attaching(tmp_path, "basic --step-us 60000000") as (env, process):
        env.reset()
        env.send(np.zeros(1, np.int64))
        time.sleep(0.2)
        assert seconds_to_leave(process, signal.SIGTERM) < 1.0


def test_a_simulator_that_sleeps_in_a_command_leaves_at_a_signal(tmp_path: Path) -> None:
    with self_attaching(tmp_path, "basic --wait-us 60000000", timeout_s=0.2) as (env, process):
        with pytest.raises(StepTimeout):
            env.reset()
        assert seconds_to_leave(process, signal.SIGTERM) < 1.0


def test_a_simulator_leaves_when_its_learner_closes(tmp_path: Path) -> None:
    with self_attaching(tmp_path, "basic") as (env, process):
        env.reset()
        env.close()
        assert process.wait(10) == 0


def other_agents(spec: dict[str, Any]) -> str:
    spec["groups"][0]["agents"] = 3
    return "group red has 3 agents in the learner's spec, scene gather has 2"


def no_mask(spec: dict[str, Any]) -> str:
    spec["groups"][1]["mask"] = False
    return "group blue has no mask in the learner's spec"


def other_name(spec: dict[str, Any]) -> str:
    spec["groups"][1]["name"] = "green"
    return "group blue of scene gather is not in the learner's spec"


def unknown_array(spec: dict[str, Any]) -> str:
    spec["groups"][0]["info"]["speed"] = {"shape": [], "dtype": "float32"}
    return "array info/speed of group red is in the learner's spec, scene gather has no such array"


def unknown_parameter(spec: dict[str, Any]) -> str:
    spec["parameters"]["gravity"] = 9.81
    return "array parameter/gravity of group red is in the learner's spec"


def missing_observation(spec: dict[str, Any]) -> str:
    del spec["groups"][0]["observation"]["inventory"]
    return "array observation/inventory of group red is not in the learner's spec"


def other_dtype(spec: dict[str, Any]) -> str:
    spec["groups"][0]["observation"]["rays"] = {"shape": [12, 4], "dtype": "float64"}
    return "observation/rays"


@pytest.mark.parametrize(
    "change",
    [
        other_agents,
        no_mask,
        other_name,
        unknown_array,
        unknown_parameter,
        missing_observation,
        other_dtype,
    ],
)
def test_a_learner_with_another_spec_is_refused_and_both_sides_are_named(
    make_env: MakeEnv, tmp_path: Path, change: Callable[[dict[str, Any]], str]
) -> None:
    spec = describe(tmp_path, "gather")
    text = change(spec)
    with pytest.raises(LayoutMismatch) as refusal:
        make_env("gather", num_envs=1, spec=spec)
    assert text in str(refusal.value)


def test_info_that_the_learner_does_not_want_is_left_out(make_env: MakeEnv, tmp_path: Path) -> None:
    spec = describe(tmp_path, "gather")
    for group in spec["groups"]:
        del group["info"]["tags"]
    env = make_env("gather", num_envs=2, spec=spec, autoreset_mode="SameStep")
    env.reset(seed=1)
    actions = {name: np.zeros((4, 3), np.float32) for name in ("red", "blue")}
    for _ in range(120):
        info = env.step(actions)[4]
    assert "food" in info["red"] and "tags" not in info["red"]
