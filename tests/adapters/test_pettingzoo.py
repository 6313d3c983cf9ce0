"""PettingZooEnv: PettingZoo's own checkers, the same data as VecEnv, agents that come and go."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pettingzoo", reason="pettingzoo is not installed")
with warnings.catch_warnings():  # its checkers import envs in a manner that it deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import parallel_api_test, parallel_seed_test

from adapters.conftest import APPLES, BASIC, kill
from support.bundled import UERL_SIM
from support.vector_envs import assert_same
from uerl_shm import SpecError, VecEnv
from uerl_shm.integrations.pettingzoo import PettingZooEnv

GATHER = f"{UERL_SIM} gather --episode-steps 60"
SCENES = {
    "one_agent": BASIC,
    "one_group": f"{UERL_SIM} tennis --episode-steps 40",
    "two_groups": GATHER,
    "discrete": f"{GATHER} --actions discrete --agents 3",
}


@pytest.fixture
def world():
    """A function that makes a ParallelEnv; all are closed in the end."""
    made = []

    def world(simulator: str, **options: Any) -> PettingZooEnv:
        made.append(PettingZooEnv(str(simulator), **options))
        return made[-1]

    yield world
    for env in made:
        env.close()


@pytest.mark.parametrize("scene", SCENES)
def test_pettingzoos_checkers_pass(world, scene):
    parallel_api_test(world(SCENES[scene]), num_cycles=200)
    parallel_seed_test(partial(world, SCENES[scene]), num_cycles=60)


def rows_of(env: VecEnv, batch: Any) -> dict[str, Any]:
    """A batch of one world, by agent."""
    groups = env.spec.groups
    parts = batch if len(groups) > 1 else {groups[0].name: batch}
    return {
        f"{group.name}_{row}": row_in(parts[group.name], row)
        for group in groups
        for row in range(group.agents)
    }


def row_in(batch: Any, row: int) -> Any:
    if isinstance(batch, dict):
        return {key: row_in(value, row) for key, value in batch.items()}
    return batch[row]


@pytest.mark.parametrize("scene", SCENES)
def test_each_agent_sees_and_gets_its_row(world, make, scene):
    env = world(SCENES[scene])
    agents = env.possible_agents
    rows = len(agents) if scene == "one_group" else 1
    by_hand = make(SCENES[scene], rows, autoreset_mode="Disabled", copy=True)
    observations, _ = env.reset(seed=11)
    batch, _ = by_hand.reset(seed=11)
    assert_same(observations, rows_of(by_hand, batch))
    for agent in agents:
        env.action_space(agent).seed(int(agent[-1]))
    num_compared = 0
    while env.agents:
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        told = env.step(actions)
        batch = by_hand.step(by_hand_batch(by_hand, actions))
        expected = [rows_of(by_hand, part) for part in batch[:4]]
        for agent in told[0]:
            row = agent.partition("#")[0]
            for found, wanted in zip(told[:4], expected, strict=False):
                assert (
                    np.all(np.asarray(found[agent]) == np.asarray(wanted[row]))
                    if not (isinstance(found[agent], dict))
                    else assert_same(found[agent], wanted[row]) is None
                )
            num_compared += 1
    assert num_compared >= len(agents)


def by_hand_batch(env: VecEnv, actions: dict[str, Any]) -> Any:
    """Actions of a batch: zeros for whoever is absent."""
    batch = {}
    named = {agent.partition("#")[0]: action for agent, action in actions.items()}
    for group in env.spec.groups:
        (spec,) = group.action.values()
        rows = np.zeros((group.agents, *spec.shape), spec.dtype)
        for row in range(group.agents):
            if f"{group.name}_{row}" in named:
                rows[row] = named[f"{group.name}_{row}"]
        batch[group.name] = rows
    return batch if len(batch) > 1 else next(iter(batch.values()))


def test_an_agent_that_comes_back_is_a_new_one(world):
    env = world(f"{UERL_SIM} gather --episode-steps 400")
    env.reset(seed=1)
    assert env.agents == env.possible_agents == ["red_0", "red_1", "blue_0", "blue_1"]
    born, ended = set(env.agents), set()
    for agent in env.agents:
        env.action_space(agent).seed(1)
    while env.agents:
        acting = list(env.agents)
        observations, rewards, terminations, truncations, infos = env.step(
            {agent: env.action_space(agent).sample() for agent in acting}
        )
        come = set(observations) - set(acting)
        assert not come & born, "a name was used for two lives"
        assert all(rewards[agent] == 0.0 for agent in come)
        assert set(observations) == set(rewards) == set(infos) == set(terminations)
        born |= come
        ended |= {agent for agent in observations if terminations[agent] or truncations[agent]}
        assert not ended & set(env.agents)
        assert born <= set(env.possible_agents)
    assert ended == born
    lives = {agent.partition("#")[2] for agent in born}
    assert {"", "2", "3"} <= lives
    assert env.action_space("red_1#3") is env.action_space("red_1#3")
    assert env.action_space("red_1#3") == env.action_space("red_1")
    assert env.action_space("red_1#3") is not env.action_space("red_1#2")
    assert env.step({}) == ({}, {}, {}, {}, {})
    env.reset()
    assert env.possible_agents == ["red_0", "red_1", "blue_0", "blue_1"]


def test_an_agent_that_goes_without_an_end_is_truncated(world, monkeypatch):
    env = world(GATHER)
    env.reset(seed=1)
    step = env._env.step

    def gone(actions: Any) -> Any:
        batch = step(actions)
        batch[4]["red"]["mask"][0] = False
        return batch

    monkeypatch.setattr(env._env, "step", gone)
    _, _, terminations, truncations, _ = env.step({})
    assert truncations == {"red_0": True, "red_1": False, "blue_0": False, "blue_1": False}
    assert not any(terminations.values())
    assert env.agents == ["red_1", "blue_0", "blue_1"]


def test_agents_left_out_of_the_actions_do_nothing(world, make):
    env = world(SCENES["one_group"])
    by_hand = make(SCENES["one_group"], 2, autoreset_mode="Disabled", copy=True)
    env.reset(seed=3)
    by_hand.reset(seed=3)
    for _ in range(5):
        found = env.step({"player_1": np.ones(2, np.float32)})[0]
        expected = by_hand.step(np.array([[0, 0], [1, 1]], np.float32))[0]
    assert np.array_equal(found["player_0"], expected[0])
    assert np.array_equal(found["player_1"], expected[1])


def test_a_lost_simulator_truncates_every_agent_and_the_next_episode_is_a_new_ones(world):
    env = world(SCENES["one_group"])
    env.reset(seed=2)
    env.step({})
    assert env.valid
    kill(env._env, 0)
    _, rewards, terminations, truncations, _ = env.step({})
    assert not env.valid and env.agents == []
    assert all(truncations.values()) and not any(terminations.values())
    assert set(rewards.values()) == {0.0}
    env.reset(seed=2)
    assert env.valid and env.agents == env.possible_agents
    env.step({})


def test_observations_are_kept_and_pictures_shown(world):
    env = world(APPLES, render_mode="rgb_array")
    observations, _ = env.reset(seed=1)
    kept = observations["agent_0"].copy()
    env.step({"agent_0": np.ones(2, np.float32)})
    assert np.array_equal(observations["agent_0"], kept)
    assert env.render().shape == (12, 16, 3)
    assert env.metadata["render_modes"] == ["rgb_array"] and str(env) == "apples"
    assert world(BASIC).render() is None


def test_infos_and_parameters_reach_their_agents(world):
    env = world(GATHER)
    _, infos = env.reset(seed=1, options={"parameters": {"num_food": 0}})
    assert infos["red_0"] == {"food": 0, "tags": 0}
    with pytest.raises(SpecError, match="parameter 'num_feed' is unknown"):
        env.reset(options={"parameters": {"num_feed": 0}})
