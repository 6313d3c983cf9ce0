"""TorchRL on a `VecEnv`: its collector, its GAE and its PPO loss.

python examples/train_torchrl.py --scene apples
"""

from __future__ import annotations

import sys

import torch
from scoring import Training
from tensordict import TensorDict
from tensordict.nn import NormalParamExtractor, TensorDictModule
from torch import nn
from torch.distributions import Categorical
from torchrl.collectors import Collector
from torchrl.envs import ExplorationType, set_exploration_type
from torchrl.modules import IndependentNormal as Normals
from torchrl.modules import ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import uerl_shm
from uerl_shm.integrations.torchrl import TorchRLEnv

STEPS = {"basic": 8_192, "apples": 30_720}
NUM_STEPS = {"basic": 32, "apples": 128}
MINIBATCH = {"basic": 64, "apples": 256}
LEARNING_RATE = {"basic": 5e-3, "apples": 7e-4}
NUM_ENVS = 8


class Pictures(nn.Module):
    """uint8 (..., height, width, channels) to numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(), nn.Flatten()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(0, -4).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return self.layers(rows).reshape(*x.shape[:-3], -1)


def network(scene: str, num_outputs: int) -> nn.Module:
    eye: list[nn.Module] = [Pictures()] if scene == "apples" else []
    last = nn.Linear(128, num_outputs)
    nn.init.orthogonal_(last.weight, 0.01)  # a policy that has no opinion yet
    nn.init.zeros_(last.bias)
    return nn.Sequential(*eye, nn.LazyLinear(128), nn.ReLU(), last)


def make_actor(scene: str, env: TorchRLEnv) -> ProbabilisticActor:
    """Return an actor for choices (basic) or for a box (apples)."""
    if scene == "basic":
        net, keys, kind = network(scene, env.action_spec.space.n), ["logits"], Categorical
    else:
        numbers = network(scene, 2 * env.action_spec.shape[-1])
        net, keys, kind = nn.Sequential(numbers, NormalParamExtractor()), ["loc", "scale"], Normals
    module = TensorDictModule(net, in_keys=["observation"], out_keys=keys)
    return ProbabilisticActor(module, in_keys=keys, distribution_class=kind, return_log_prob=True)


def main() -> int:
    training = Training(str(__doc__), STEPS)
    scene, num_steps = training.scene, NUM_STEPS[training.scene]
    vec_env = uerl_shm.VecEnv(
        training.command, NUM_ENVS, autoreset_mode="SameStep", output="torch", slots=num_steps + 3
    )  # the collector holds so many batches until it stacks them
    env = TorchRLEnv(vec_env)
    env.set_seed(training.seed)
    actor = make_actor(scene, env)
    critic = ValueOperator(network(scene, 1), in_keys=["observation"])
    first = env.reset()
    actor(first)
    critic(first)
    loss_of = ClipPPOLoss(actor, critic, clip_epsilon=0.2, entropy_coeff=0.005, critic_coeff=0.5)
    advantages_of = GAE(gamma=0.99, lmbda=0.95, value_network=critic, average_gae=True)
    optimizer = torch.optim.Adam(loss_of.parameters(), LEARNING_RATE[scene], eps=1e-5)
    collector = Collector(
        env, actor, frames_per_batch=num_steps * NUM_ENVS, total_frames=training.total_steps
    )
    for data in collector:
        with torch.no_grad():
            advantages_of(data)
        rows = data[data["next", "valid"].squeeze(-1)]  # what no simulator made is left out
        for _ in range(4):
            for pick in torch.randperm(len(rows)).split(MINIBATCH[scene]):
                losses = loss_of(rows[pick])
                optimizer.zero_grad()
                sum(value for key, value in losses.items() if key.startswith("loss_")).backward()
                nn.utils.clip_grad_norm_(loss_of.parameters(), 0.5)
                optimizer.step()
        training.add(data.numel(), f"reward {data['next', 'reward'].mean():.3f}")
    collector.shutdown()

    def act(observation: torch.Tensor) -> torch.Tensor:
        rows = TensorDict({"observation": observation}, [len(observation)])
        with set_exploration_type(ExplorationType.DETERMINISTIC), torch.no_grad():
            action = actor(rows)["action"]
        return action.clamp(-1.0, 1.0) if action.is_floating_point() else action

    return training.score(act)


if __name__ == "__main__":
    sys.exit(main())
