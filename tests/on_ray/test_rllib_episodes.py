"""RLlib's episodes keep what was observed: nothing of it changes when the env steps on."""

from __future__ import annotations

from contextlib import closing

import pytest

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),  # RLlib tells of its own deprecations
]
pytest.importorskip("ray", reason="ray is not installed")
pytest.importorskip("ray.rllib", reason="packages that RLlib needs are not installed")
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

from on_ray.aliasing import ReusedBuffer, config_of, counted
from uerl_shm.integrations.rllib import RLlibVecEnv

NUM_ENVS, NUM_STEPS = 3, 300  # several episodes: they end after 20 to 79 steps


def sampled(env: type[RLlibVecEnv], **options) -> tuple[int, int, int]:
    """How many observations episodes hold, how many are wrong, how many batches were copies."""
    runner = SingleAgentEnvRunner(config=config_of(env, NUM_ENVS, **options))
    with closing(runner.env):
        episodes = runner.sample(num_timesteps=NUM_STEPS, random_actions=True)
        copies = runner.env.unwrapped.stats()["copied_batches"]
        runner.stop()
    return *counted(episodes), copies


def test_no_observation_of_an_episode_changes():
    held, wrong, copies = sampled(RLlibVecEnv)
    assert held > NUM_STEPS and wrong == 0
    assert copies == 0, "views were held until no slot was free"


def test_views_do_not_change_either_but_take_every_slot():
    held, wrong, copies = sampled(RLlibVecEnv, copy=False)
    assert held > NUM_STEPS and wrong == 0
    assert copies > 0


def test_an_env_that_reuses_its_memory_is_found():
    held, wrong, _ = sampled(ReusedBuffer)
    assert wrong > held / 2
