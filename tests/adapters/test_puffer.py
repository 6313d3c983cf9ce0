"""PufferVecEnv: seven things, in PufferLib's order; batches of whoever is ready first."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.conftest import APPLES, BASIC, DICTS, PROBE, kill
from support.bundled import UERL_SIM
from uerl_shm import SpecError
from uerl_shm.integrations.puffer import PufferVecEnv

NUM_STEPS = 30


@pytest.fixture
def adapt(make):
    """A function that makes a PufferVecEnv of six simulators."""

    def adapt(simulator: str, batch_size: int | None = None, num_envs: int = 6, **options):
        return PufferVecEnv(make(simulator, num_envs, **options), batch_size)

    return adapt


def test_recv_returns_seven_things_of_one_batch(adapt):
    envs = adapt(APPLES)
    envs.async_reset(seed=1)
    for batch in (envs.recv(), (envs.send(np.ones((6, 2), np.float32)), envs.recv())[1]):
        obs, rewards, terminals, truncations, infos, env_ids, masks = batch
        assert obs in envs.observation_space
        assert [part.dtype for part in batch[1:4]] == [np.float32, np.bool_, np.bool_]
        assert (infos, env_ids.tolist(), masks.all()) == ([], [0, 1, 2, 3, 4, 5], True)
        assert rewards.shape == terminals.shape == truncations.shape == masks.shape == (6,)


@pytest.mark.parametrize("batch_size", [2, 3, None])
@pytest.mark.parametrize("simulator", [BASIC, DICTS])
def test_every_env_does_what_it_does_in_the_vec_env(adapt, make, simulator, batch_size):
    """Actions depend on the row and on how often it acted, so that order does not matter."""
    envs, by_hand = adapt(simulator, batch_size), make(simulator, 6, copy=True)
    envs.action_space.seed(2)
    actions = [envs.action_space.sample() for _ in range(NUM_STEPS)]
    expected = [(by_hand.reset(seed=9)[0], *[np.zeros(6)] * 3)]
    expected += [by_hand.step(action)[:4] for action in actions]
    envs.async_reset(seed=9)
    count = np.zeros(6, int)
    ended = np.zeros(6, bool)
    while count.min() < NUM_STEPS:
        obs, rewards, terminals, truncations, _, env_ids, masks = envs.recv()
        assert len(env_ids) == (batch_size or 6)
        for i, row in enumerate(env_ids):
            if count[row] > NUM_STEPS:
                continue
            wanted = expected[count[row]]
            named = obs if isinstance(obs, dict) else {"": obs}
            whole = wanted[0] if isinstance(wanted[0], dict) else {"": wanted[0]}
            assert all(np.array_equal(named[key][i], whole[key][row]) for key in named)
            assert np.isclose(rewards[i], wanted[1][row])
            assert (terminals[i], truncations[i]) == (wanted[2][row], wanted[3][row])
            assert masks[i] == (not ended[row])  # what follows an end only resets
            ended[row] = terminals[i] or truncations[i]
        envs.send(np.stack([actions[min(count[row], NUM_STEPS - 1)][row] for row in env_ids]))
        count[env_ids] += 1


def test_infos_tell_each_episode_that_ended(adapt):
    envs = adapt(BASIC, batch_size=3)
    envs.async_reset(seed=1)
    told, returns, lengths = [], np.zeros(6), np.zeros(6, int)
    for _ in range(40):
        _, rewards, terminals, truncations, infos, env_ids, masks = envs.recv()
        returns[env_ids] += np.where(masks, rewards, 0)
        lengths[env_ids] += masks
        done = terminals | truncations
        assert [info["env_id"] for info in infos] == env_ids[done].tolist()
        for info in infos:
            row = info["env_id"]
            # A reset's batch is no step: the first episode's length counts it here.
            first = row not in [other for other, _ in told]
            assert np.isclose(info["episode_return"], returns[row])
            assert info["episode_length"] == lengths[row] - first
            returns[row] = lengths[row] = 0
            told.append((row, info))
        envs.send(np.full(3, 2))
    assert len(told) > 6


def test_reset_and_step_are_the_first_of_the_seven(adapt):
    envs = adapt(BASIC)
    obs, infos = envs.reset(seed=3)
    assert obs.shape == (6, 20) and infos == []
    assert len(envs.step(np.zeros(6, int))) == 5
    assert envs.num_agents == envs.agents_per_batch == envs.num_envs == 6
    assert envs.driver_env.single_action_space == envs.single_action_space


def test_a_reset_gives_up_what_was_asked(adapt):
    envs = adapt(BASIC, batch_size=3)
    for _ in range(3):
        envs.async_reset(seed=3)
        first = envs.recv()
        assert first[5].tolist() == [0, 1, 2]
        envs.send(np.zeros(3, int))
    for _ in range(2):  # the second time a batch was not answered
        envs.async_reset(seed=3)
        assert np.array_equal(envs.recv()[0], first[0])


def test_steps_without_a_simulator_are_masked(adapt):
    envs = adapt(PROBE, num_envs=3)
    envs.async_reset()
    actions = np.zeros((3, *envs.single_action_space.shape), np.float32)
    _, env = envs.recv(), envs.env
    kill(env, 1)
    told, steps = [], []
    while len(told) < 2 or not (told[-1] and told[-2]):
        envs.send(actions)
        *_, truncations, _, _, masks = envs.recv()
        assert masks[0] and masks[2]
        assert truncations[1] == (not told)
        told.append(bool(masks[1]))
        steps.append(int(env._current()[1]["step"][1]))
        assert len(told) < 10_000
    back = told.index(True)
    assert back > 0 and steps[back - 1 : back + 1] == [0, 1]


def test_misuse_is_told(adapt, make):
    envs = adapt(BASIC)
    envs.async_reset()
    with pytest.raises(SpecError, match=r"send\(\) without a batch to answer"):
        envs.send(np.zeros(6, int))
    envs.recv()
    with pytest.raises(SpecError, match=r"recv\(\) after recv\(\), expected send\(\) between them"):
        envs.recv()
    for size in (0, 4, 7):
        with pytest.raises(SpecError, match=f"batch_size {size}, expected a divisor of num_envs 6"):
            adapt(BASIC, size)
    pairs = make(f"{UERL_SIM} tennis", 4)
    with pytest.raises(SpecError, match="multiple of 2, the rows of one simulator"):
        PufferVecEnv(pairs, 1)
    with pytest.raises(SpecError, match="autoreset_mode 'SameStep', PufferVecEnv expected"):
        adapt(BASIC, autoreset_mode="SameStep")
