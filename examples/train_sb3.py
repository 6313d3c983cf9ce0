"""Stable-Baselines3's PPO on a `VecEnv`: its MlpPolicy on numbers, its CnnPolicy on pictures.

python examples/train_sb3.py --scene apples
"""

from __future__ import annotations

import sys
from contextlib import closing

import numpy as np
import torch
from scoring import Training
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor

import uerl_shm
from uerl_shm.integrations.sb3 import LeaveOutInvalid, SB3VecEnv

STEPS = {"basic": 8_192, "apples": 30_720}
SETTINGS = {
    "basic": {"policy": "MlpPolicy", "n_steps": 32, "batch_size": 64, "learning_rate": 5e-3},
    "apples": {"policy": "CnnPolicy", "n_steps": 128, "batch_size": 256, "learning_rate": 5e-4},
}


class Progress(BaseCallback):
    def __init__(self, training: Training) -> None:
        super().__init__()
        self.training = training

    def _on_step(self) -> bool:
        recent = [episode["r"] for episode in self.model.ep_info_buffer][-32:]
        self.training.add(
            self.training_env.num_envs, f"return {np.mean(recent):.2f}" if recent else ""
        )
        return True


def main() -> int:
    training = Training(str(__doc__), STEPS)
    env = uerl_shm.VecEnv(training.command, 8, autoreset_mode="SameStep", output="torch")
    with closing(VecMonitor(SB3VecEnv(env))) as envs:
        settings = SETTINGS[training.scene]
        model = PPO(
            env=envs, n_epochs=4, ent_coef=0.005, seed=training.seed, device="cpu", **settings
        )
        model.learn(training.total_steps, callback=[LeaveOutInvalid(), Progress(training)])

    def act(observation: torch.Tensor) -> torch.Tensor:
        pictures = observation.dim() == 4
        batch = observation.permute(0, 3, 1, 2) if pictures else observation  # as in training
        action, _ = model.predict(batch.numpy(), deterministic=True)
        return torch.from_numpy(action)

    return training.score(act)


if __name__ == "__main__":
    sys.exit(main())
