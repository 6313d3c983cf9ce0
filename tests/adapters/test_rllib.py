"""RLlibVecEnv: an env runner steps it, and makes it anew when its simulators are lost for good."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),  # RLlib tells of its own deprecations
]
pytest.importorskip("ray", reason="ray is not installed")
pytest.importorskip("ray.rllib", reason="packages that RLlib needs are not installed")
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.connectors.learner import AddOneTsToEpisodesAndTruncate
from ray.rllib.core.columns import Columns
from ray.rllib.env.env_errors import StepFailedRecreateEnvError
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

from adapters.conftest import BASIC, PROBE, kill
from uerl_shm import SimulatorLost, SpecError
from uerl_shm.integrations.rllib import LeaveOutInvalid, RLlibVecEnv

NUM_ENVS = 3


@pytest.fixture
def adapt():
    """A function that makes an RLlibVecEnv; all are closed in the end."""
    made = []

    def adapt(simulator: str, **options: Any) -> RLlibVecEnv:
        made.append(RLlibVecEnv({"simulator": simulator, "num_envs": NUM_ENVS, **options}))
        return made[-1]

    yield adapt
    for env in made:
        env.close()


@pytest.fixture
def runner():
    """A function that makes an env runner in this process; all are stopped in the end."""
    made = []

    def runner(simulator: str, **options: Any) -> SingleAgentEnvRunner:
        config = (
            PPOConfig()
            .environment(RLlibVecEnv, env_config={"simulator": simulator, **options})
            .env_runners(
                gym_env_vectorize_mode="vector_entry_point", num_envs_per_env_runner=NUM_ENVS
            )
            .fault_tolerance(restart_failed_sub_environments=True)
        )
        made.append(SingleAgentEnvRunner(config=config))
        return made[-1]

    yield runner
    for one in made:
        one.stop()
        one.env.close()


def test_an_env_runner_samples_whole_episodes(runner):
    episodes = runner(BASIC).sample(num_episodes=6, random_actions=True)
    assert sum(episode.is_done for episode in episodes) >= 6
    for episode in episodes:
        observations, rewards = episode.get_observations(), episode.get_rewards()
        assert len(observations) == len(rewards) + 1
        assert all(array.sum() == 1.0 for array in observations)  # one position of 20
        moves = np.abs(np.diff([array.argmax() for array in observations]))
        assert moves.max() <= 1, "steps of two episodes were mixed"


def test_a_step_waits_until_every_simulator_is_back(adapt):
    env = adapt(PROBE)
    env.reset()
    actions = np.zeros((NUM_ENVS, *env.single_action_space.shape), np.float32)
    kill(env.env, 1)
    told = [env.step(actions) for _ in range(3)]
    assert told[0][3].tolist() == [False, True, False]
    assert [step[4]["valid"].all() for step in told[1:]] == [True, True]
    assert [int(step[4]["step"][1]) for step in told[1:]] == [0, 1]


def test_simulators_that_are_lost_for_good_are_told_to_rllib(adapt):
    env = adapt(PROBE, max_restarts=0)
    env.reset()
    actions = np.zeros((NUM_ENVS, *env.single_action_space.shape), np.float32)
    kill(env.env, 1)
    with pytest.raises(StepFailedRecreateEnvError, match="lane 1") as caught:
        for _ in range(5):
            env.step(actions)
    assert isinstance(caught.value.__cause__, SimulatorLost)


def test_an_env_runner_makes_the_env_anew(runner):
    one = runner(BASIC, max_restarts=0)
    one.sample(num_timesteps=30, random_actions=True)
    before = one.env.unwrapped
    kill(before, 1)
    episodes = one.sample(num_timesteps=60, random_actions=True)
    assert one.env.unwrapped is not before and before.closed
    assert sum(len(episode) for episode in episodes) >= 60


@pytest.mark.parametrize("leave_out", [True, False])
def test_steps_without_a_simulator_have_no_loss(runner, leave_out):
    one = runner(PROBE, min_valid=1)
    one.sample(num_timesteps=30, random_actions=True)
    kill(one.env.unwrapped, 1)
    episodes = []
    while not episodes or not all(one.env.unwrapped._current()[1]["valid"]):
        episodes += one.sample(num_timesteps=30, random_actions=True)
    episodes += one.sample(num_timesteps=30, random_actions=True)
    told = [[info["valid"] for info in episode.get_infos()] for episode in episodes]
    batch: dict[str, Any] = {}
    for piece in (AddOneTsToEpisodesAndTruncate(), *[LeaveOutInvalid()] * leave_out):
        batch = piece(rl_module=None, batch=batch, episodes=episodes, shared_data={})
    masks = [batch[Columns.LOSS_MASK][(episode.id_,)] for episode in episodes]
    expected = [[before and after for before, after in pairwise(valid)] + [False] for valid in told]
    assert not all(map(all, told)) and any(map(any, told))
    assert (masks == expected) == leave_out


def test_ppo_learns_with_the_connector(runner):
    config = runner(BASIC).config.copy(copy_frozen=False)
    config.training(
        train_batch_size_per_learner=60,
        minibatch_size=30,
        num_epochs=1,
        learner_connector=lambda *_: LeaveOutInvalid(),
    )
    algorithm = config.build_algo()
    try:
        learned = algorithm.train()["learners"]["default_policy"]
        assert np.isfinite(learned["total_loss"])
    finally:
        algorithm.stop()
        ray.shutdown()


def test_what_an_episode_keeps_does_not_change(adapt):
    env = adapt(PROBE)
    kept = [env.reset()[0]]
    copies = [kept[0].copy()]
    for _ in range(8):  # more than there are slots
        kept.append(env.step(env.action_space.sample())[0])
        copies.append(kept[-1].copy())
    assert all(map(np.array_equal, kept, copies))
    assert env.env.stats()["copied_batches"] == 0, "views were kept until no slot was left"


def test_wrong_configurations_are_told():
    with pytest.raises(SpecError, match="num_envs is missing, expected it from RLlib"):
        RLlibVecEnv({"simulator": BASIC})
    with pytest.raises(SpecError, match="autoreset_mode 'SameStep', RLlibVecEnv expected"):
        RLlibVecEnv({"simulator": BASIC, "num_envs": 1, "autoreset_mode": "SameStep"})
