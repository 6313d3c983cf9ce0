"""The smallest simulator in Python: a point on a line is pushed to a goal.

It serves every autoreset mode and any number of envs in one process:

    uerl-shm check --simulator "python examples/simulator.py"
"""

from __future__ import annotations

import numpy as np

from uerl_shm import ArraySpec, EnvSpec, Simulator
from uerl_shm.host import RESET, SKIP, Command

SPEC = EnvSpec.single(
    {"state": ArraySpec.box(-1, 1, (2,), "float32")},
    {"push": ArraySpec.discrete(3)},  # to the left, stay, to the right
    name="push",
)
EPISODE_STEPS = 100


class World:
    """A point, its goal, and the generator that places them."""

    def __init__(self) -> None:
        self.random = np.random.default_rng()

    def reset(self) -> None:
        """Begin an episode."""
        self.state = self.random.uniform(-1, 1, 2).astype(np.float32)  # position, goal
        self.num_steps = 0

    def step(self, push: int) -> tuple[float, bool, bool]:
        """Move; return reward, terminated and truncated."""
        self.state[0] = np.clip(self.state[0] + 0.1 * (push - 1), -1, 1)
        self.num_steps += 1
        terminated = bool(abs(self.state[0] - self.state[1]) < 0.05)
        return (1.0 if terminated else -0.01), terminated, self.num_steps >= EPISODE_STEPS


def answer(command: Command, env: int, world: World, same_step: bool) -> None:
    """Do what the command asks of one env. With one agent an env's row has the env's number."""
    if command.control(env) == SKIP:
        return
    if command.control(env) == RESET:
        seed = command.seed(env)
        if seed is not None:
            world.random = np.random.default_rng(seed)
        world.reset()
        command.outcome(env, 0.0, False, False)
    else:
        reward, terminated, truncated = world.step(int(command.action["push"][env]))
        command.outcome(env, reward, terminated, truncated)
        if same_step and (terminated or truncated):  # then the reset is ours
            command.final_observation["state"][env] = world.state
            world.reset()
    command.observation["state"][env] = world.state


def main() -> None:
    """Answer commands until the learner is finished or dead."""
    with Simulator(spec=SPEC) as simulator:
        worlds = [World() for _ in range(simulator.num_envs)]
        for command in simulator:
            for env, world in enumerate(worlds):
                answer(command, env, world, simulator.autoreset_mode == "SameStep")


if __name__ == "__main__":
    main()
