"""The scene `probe` of uerl-sim once more, in Python: what both do is what a simulator must do.

tests/support/probe_pattern.py says what it writes, csrc/simulators/probe.cpp what its options mean.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import probe_pattern
from uerl_shm import ArraySpec, EnvSpec, GroupSpec
from uerl_shm.host import RESET, SKIP, Command, Simulator

DEFAULT_OBSERVATION = ["camera:uint8:84x84x3", "state:float32:64"]
DEFAULT_ACTION = ["action:float32:4"]
ECHO = {
    "step": "int64",
    "episode": "int64",
    "action_sum": "uint64",
    "seed": "int64",
    "lane": "int32",
    "received": "int64",
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for kind in ("observation", "action", "info"):
        parser.add_argument(f"--{kind}", action="append", metavar="NAME:DTYPE:AxBxC")
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--episode-steps", type=int)
    parser.add_argument("--reward-dtype", default="float32")
    parser.add_argument("--wait-us", type=int, default=0)
    return parser.parse_args()


def arrays(texts: list[str]) -> dict[str, ArraySpec]:
    made = {}
    for text in texts:
        name, dtype, size = text.split(":")
        shape = () if size == "scalar" else tuple(map(int, size.split("x")))
        bounds = (-1.0, 1.0) if np.dtype(dtype).kind == "f" else (None, None)
        made[name] = ArraySpec.box(*bounds, shape, dtype)
    return made


def spec_of(given: argparse.Namespace) -> EnvSpec:
    info = arrays(given.info or [])
    info |= {name: ArraySpec.box(None, None, (), dtype) for name, dtype in ECHO.items()}
    names = ["agent"] if given.groups == 1 else [f"group_{i}" for i in range(given.groups)]
    groups = [
        GroupSpec(
            name,
            arrays(given.observation or DEFAULT_OBSERVATION),
            arrays(given.action or DEFAULT_ACTION),
            given.agents,
            info,
            given.reward_dtype,
        )
        for name in names
    ]
    return EnvSpec(groups, name="probe")


class World:
    """One env: knows only which row of the pattern comes next."""

    def __init__(self, spec: EnvSpec, number: int, lane: int, episode_steps: int | None) -> None:
        self.spec, self.number, self.lane = spec, number, lane
        self.episode_steps = episode_steps
        self.step_count = self.episode = self.seed = -1
        self.episode_step = self.received = 0

    def reset(self, seed: int | None) -> None:
        self.step_count += 1
        self.episode += 1
        self.episode_step = 0
        self.seed = self.seed if seed is None else seed
        self.sums = [np.zeros(group.agents, np.uint64) for group in self.spec.groups]

    def step(self, command: Command, rows: slice) -> None:
        self.step_count += 1
        self.episode_step += 1
        for number, own in enumerate(command.groups.values()):
            acted = [own.action[name][rows] for name in self.actions]
            self.sums[number] = probe_pattern.action_sum(*acted)

    def ends(self) -> tuple[bool, bool]:
        end = probe_pattern.end(self.number, self.episode, self.episode_steps or None)
        over = self.episode_steps != 0 and self.episode_step >= end.num_steps
        return bool(over and end.terminated), bool(over and end.truncated)

    def write(self, command: Command, rows: slice, final: bool = False) -> None:
        for group, own in zip(self.spec.groups, command.groups.values(), strict=True):
            agents = np.arange(group.agents)
            observation = own.final_observation if final else own.observation
            info = own.final_info if final else own.info
            for kind, targets in (("observation", observation), ("info", info)):
                for name, array in getattr(group, kind).items():
                    if name not in ECHO:
                        place = f"{group.name}/{kind}/{name}"
                        targets[name][rows] = probe_pattern.expected(
                            place, self.number, agents, self.step_count, array.shape, array.dtype
                        )
            sums = self.sums[list(command.groups).index(group.name)]
            echo = [self.step_count, self.episode, sums, self.seed, self.lane, self.received]
            for name, value in zip(ECHO, echo, strict=True):
                info[name][rows] = value

    def rewards(self, group: str) -> np.ndarray:
        agents = np.arange(self.spec.groups[0].agents)
        return probe_pattern.reward(group, self.number, agents, self.step_count)


def answer(command: Command, world: World, env: int, same_step: bool) -> None:
    control = command.control(env)
    if control == SKIP:
        return
    agents = world.spec.groups[0].agents
    rows = slice(env * agents, (env + 1) * agents)
    world.received += 1
    ends = (False, False)
    rewards = [np.zeros(agents)] * len(world.spec.groups)
    if control == RESET:
        world.reset(command.seed(env))
    else:
        world.step(command, rows)
        ends = world.ends()
        rewards = [world.rewards(group.name) for group in world.spec.groups]
        if same_step and any(ends):
            world.write(command, rows, final=True)
            world.reset(None)
    world.write(command, rows)
    for number, own in enumerate(rewards):
        for agent, reward in enumerate(own):
            command.outcome(rows.start + agent, reward, *ends, group=number)


def main() -> None:
    given = options()
    spec = spec_of(given)
    with Simulator(spec=spec) as simulator:
        worlds = [
            World(spec, simulator.first_env + env, simulator.lane, given.episode_steps)
            for env in range(simulator.num_envs)
        ]
        for world in worlds:
            # In the order of the command line, as the sum is defined; a spec is sorted by name.
            world.actions = [text.split(":")[0] for text in given.action or DEFAULT_ACTION]
        for command in simulator:
            time.sleep(given.wait_us * 1e-6)
            for env, world in enumerate(worlds):
                answer(command, world, env, simulator.autoreset_mode == "SameStep")


if __name__ == "__main__":
    main()
