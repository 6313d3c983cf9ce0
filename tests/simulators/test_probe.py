"""The rows of `probe` behind a learner: pattern, ends, echo, and bugs on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support import probe_pattern
from support.bundled import MODES, MakeEnv, random_actions
from uerl_shm import VecEnv


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
