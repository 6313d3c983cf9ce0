"""A simulator that plays what was recorded, byte for byte: debugging without an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm.errors import SpecError
from uerl_shm.host import RESET, SKIP, Command, Simulator
from uerl_shm.host_arrays import Rows
from uerl_shm.minari_data import DataSet, Piece, Recorded

__all__ = ["Replay"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Episode:
    """An episode of a world: those of all its agents.

    Attributes:
        env: Number of the world it was recorded in.
        seed: Of its reset; None if there was none.
        parts: Of its agents, by group and agent; one agent may have several, one after the other.
    """

    env: int
    seed: int | None
    parts: tuple[Recorded, ...]

    @property
    def num_steps(self) -> int:
        """Steps until the last agent's end."""
        return max(part.place.first_step + part.num_steps for part in self.parts)


@dataclass
class _World:
    """One env of the replay: which episode it plays, and where it is.

    Attributes:
        number: Of the episode.
        step: Steps since its reset.
        parts: What of it is in memory: first step and steps of its agents, by group and agent.
    """

    number: int
    step: int = 0
    parts: dict[tuple[int, int], list[tuple[int, Piece]]] = field(default_factory=dict)


class Replay:
    """Plays a data set that `record` or ``uerl-shm record`` wrote.

    Env i plays the episodes that were recorded in world i, in their order, then those of the next
    world, and so on in a circle. A reset with a seed plays the episode that began with this seed;
    if there is none, the seed chooses one.

    Args:
        path: Of the data set.
        say: Is told once when an action is another one than the recorded, and at the end how many.

    Attributes:
        spec: What was recorded.
        num_steps: Steps of rows that were played.
        num_different: Those of them whose action was another one than the recorded.

    Raises:
        SpecError: There is no such data set, or it has no episode.
    """

    def __init__(self, path: Any, say: Say) -> None:
        self._data = DataSet(path)
        self.spec = self._data.spec
        self._say = say
        self._episodes = list(_episodes_of(self._data.episodes))
        if not self._episodes:
            raise SpecError(f"data set {path} has no episode, expected one at least: record longer")
        self._first_of: dict[int, int] = {}  # world to its first episode
        self._of_seed: dict[int, int] = {}
        for number, episode in enumerate(self._episodes):
            self._first_of.setdefault(episode.env, number)
            if episode.seed is not None:
                self._of_seed.setdefault(episode.seed, number)
        self.num_steps = self.num_different = 0

    def run(self) -> None:
        """Attach as simulators do, and play until the learner has ended."""
        with Simulator(spec=self.spec) as simulator:
            worlds = [
                _World(self._before(simulator.first_env + env)) for env in range(simulator.num_envs)
            ]
            for command in simulator:
                rows = list(command.groups.values())
                for env, world in enumerate(worlds):
                    self._answer(command, rows, env, world, simulator.autoreset_mode)
        self._say(
            f"replayed {self.num_steps:,} steps, {self.num_different:,} of them with another "
            "action than the recorded one"
        )

    def _before(self, env: int) -> int:
        """Return the number before that of an env's first episode: a reset goes on by one."""
        first = sorted(self._first_of)
        return self._first_of[first[env % len(first)]] - 1

    def _answer(
        self, command: Command, rows: list[Rows], env: int, world: _World, mode: str
    ) -> None:
        control = command.control(env)
        if control == SKIP:
            return
        if control == RESET:
            self._begin(world, command.seed(env))
        else:
            self._compare(rows, env, world)
            world.step += 1
        self._write(command, rows, env, world)
        over = world.step >= self._episodes[world.number].num_steps
        if control != RESET and over and mode == "SameStep":  # then the reset is ours
            self._write_arrays(rows, env, world, final=True)
            self._begin(world, None)
            self._write_arrays(rows, env, world, final=False)

    def _begin(self, world: _World, seed: int | None) -> None:
        count = len(self._episodes)
        if seed is None:
            world.number = (world.number + 1) % count
        else:
            world.number = self._of_seed.get(seed, (world.number + 1 + seed) % count)
        world.step = 0
        world.parts = {}
        for part in self._episodes[world.number].parts:
            of_agent = world.parts.setdefault((part.group, part.place.agent), [])
            of_agent.append((part.place.first_step, self._data.read(part)))

    # Rows ---------------------------------------------------------------------------------------

    def _agents(self, env: int) -> Iterator[tuple[int, int, int]]:
        """Yield group, agent and row of each agent of an env."""
        for number, group in enumerate(self.spec.groups):
            for agent in range(group.agents):
                yield number, agent, env * group.agents + agent

    def _compare(self, rows: list[Rows], env: int, world: _World) -> None:
        for group, agent, row in self._agents(env):
            first, piece = _at(world, group, agent)
            index = world.step - first
            if piece is None or not 0 <= index < len(piece.reward):
                continue
            self.num_steps += 1
            given = rows[group].action
            if all(same(given[name][row], array[index]) for name, array in piece.action.items()):
                continue
            self.num_different += 1
            if self.num_different == 1:
                self._say(
                    f"step {world.step} of episode {world.number} (env {env}, agent {agent}): the "
                    "action is another one than the recorded, what follows is the recorded episode"
                )

    def _write(self, command: Command, rows: list[Rows], env: int, world: _World) -> None:
        self._write_arrays(rows, env, world, final=False)
        for group, agent, row in self._agents(env):
            first, piece = _at(world, group, agent)
            index = world.step - first
            there = piece is not None and index <= len(piece.reward)
            mask = self.spec.groups[group].mask
            if piece is None or index == 0 or (mask and not there):
                command.outcome(row, 0.0, False, False, group)
            else:
                last = min(index, len(piece.reward)) - 1  # without a mask: done stays done
                command.outcome(
                    row,
                    float(piece.reward[last]) if there else 0.0,
                    bool(piece.terminated[last]),
                    bool(piece.truncated[last]),
                    group,
                )
            if mask:  # after the outcome, which says that the agent is there
                command.present(row, there, group)

    def _write_arrays(self, rows: list[Rows], env: int, world: _World, final: bool) -> None:
        for group, agent, row in self._agents(env):
            first, piece = _at(world, group, agent)
            if piece is None:
                continue
            index = min(world.step - first, len(piece.reward))
            own = rows[group]
            seen, told = (
                (own.final_observation, own.final_info) if final else (own.observation, own.info)
            )
            for name, array in piece.observation.items():
                seen[name][row] = array[index]
            for name, array in piece.info.items():
                told[name][row] = array[index]


def _episodes_of(recorded: list[Recorded]) -> Iterator[_Episode]:
    def key(part: Recorded) -> tuple[int, int]:
        return part.place.env, part.place.episode

    for (env, _), parts in groupby(sorted(recorded, key=key), key):
        found = tuple(parts)
        yield _Episode(env, found[0].place.seed, found)


def _at(world: _World, group: int, agent: int) -> tuple[int, Piece | None]:
    """Return what an agent plays at the world's step: the last part that has begun."""
    found: tuple[int, Piece | None] = (0, None)
    for first, piece in world.parts.get((group, agent), []):
        if first <= world.step:
            found = first, piece
    return found


def same(given: NDArray[Any], recorded: NDArray[Any]) -> bool:
    """Whether two actions have the same bytes, so that NaN equals itself."""
    return np.asarray(given).tobytes() == np.asarray(recorded).tobytes()
