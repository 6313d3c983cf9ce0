"""RLlib's PPO on a `VecEnv`, which its env runner steps as one vector env (new API stack).

python examples/train_rllib.py --scene apples
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.connectors.env_to_module.observation_preprocessor import (
    SingleAgentObservationPreprocessor,
)
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from scoring import Training

from uerl_shm.integrations.rllib import LeaveOutInvalid, RLlibVecEnv

STEPS = {"basic": 8_192, "apples": 30_720}
NUM_ENVS = 8
SETTINGS: dict[str, dict[str, Any]] = {
    "basic": {"train_batch_size_per_learner": 256, "minibatch_size": 64, "lr": 5e-3},
    "apples": {"train_batch_size_per_learner": 1024, "minibatch_size": 256, "lr": 7e-4},
}
MODELS = {
    "basic": DefaultModelConfig(fcnet_hiddens=[128], fcnet_activation="relu", vf_share_layers=True),
    "apples": DefaultModelConfig(
        conv_filters=[(16, 8, 4), (32, 3, 2)],
        conv_activation="relu",
        head_fcnet_hiddens=[128],
        head_fcnet_activation="relu",
        vf_share_layers=True,
    ),
}


def scaled(pictures: Any) -> Any:
    return pictures / 127.5 - 1.0


class Scaled(SingleAgentObservationPreprocessor):
    """uint8 pictures as float32 from -1 to 1, which RLlib does not do by itself."""

    def recompute_output_observation_space(
        self, observations: gym.Space, _: gym.Space
    ) -> gym.Space:
        return gym.spaces.Box(-1.0, 1.0, observations.shape, np.float32)

    def preprocess(self, observation: np.ndarray, episode: Any) -> np.ndarray:
        return scaled(observation.astype(np.float32))


def config_of(training: Any) -> PPOConfig:
    """Settings for a training's scene, command and seed."""
    pictures = training.scene == "apples"
    return (
        PPOConfig()
        .environment(RLlibVecEnv, env_config={"simulator": training.command})
        .env_runners(
            gym_env_vectorize_mode="vector_entry_point",
            num_envs_per_env_runner=NUM_ENVS,
            num_env_runners=0,  # here, in this process: the simulators are processes already
            env_to_module_connector=(lambda *_, **__: Scaled()) if pictures else None,
        )
        .fault_tolerance(restart_failed_sub_environments=True)
        .training(
            learner_connector=lambda *_: LeaveOutInvalid(),
            num_epochs=4,
            gamma=0.99,
            lambda_=0.95,
            clip_param=0.2,
            entropy_coeff=0.005,
            vf_loss_coeff=0.5,
            grad_clip=0.5,
            use_kl_loss=False,
            **SETTINGS[training.scene],
        )
        .rl_module(model_config=MODELS[training.scene])
        .debugging(seed=training.seed, log_level="ERROR")
    )


def player(algorithm: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what chooses actions for a batch of observations."""
    module = algorithm.get_module(DEFAULT_MODULE_ID)

    def act(observation: torch.Tensor) -> torch.Tensor:
        pictures = observation.dim() == 4
        rows = scaled(observation.float()) if pictures else observation
        with torch.no_grad():
            chosen = module.forward_inference({Columns.OBS: rows})
        numbers = chosen[Columns.ACTION_DIST_INPUTS]
        return numbers.chunk(2, -1)[0].clamp(-1.0, 1.0) if pictures else numbers.argmax(-1)

    return act


def main() -> int:
    training = Training(str(__doc__), STEPS)
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray.init(include_dashboard=False, num_cpus=2, log_to_driver=False)
    algorithm = config_of(training).build_algo()
    while training.goes_on:
        told = algorithm.train()["env_runners"]
        done = told["num_env_steps_sampled_lifetime"]
        recent = told.get("episode_return_mean", float("nan"))  # no episode has ended yet
        training.add(int(done) - training.env_steps, f"return {recent:.2f}")
    code = training.score(player(algorithm))
    algorithm.stop()
    ray.shutdown()
    return code


if __name__ == "__main__":
    sys.exit(main())
