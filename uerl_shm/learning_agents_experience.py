"""Finished episodes of Learning Agents, as views of the engine's regions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from uerl_shm.errors import SegmentCorrupt
from uerl_shm.learning_agents_config import ArrayPlace, ReplayBufferPlace
from uerl_shm.learning_agents_regions import attach
from uerl_shm.region_mapping import Mapping

RUNNING, TRUNCATED, TERMINATED = 0, 1, 2
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Episode:
    """One finished episode of ``n`` steps; views, as in `Experience`.

    Attributes:
        observations: By the engine's name: float32 ``(n, dimension)``; so the next four.
        actions: What was done.
        action_modifiers: What constrained the actions.
        memory_states: Of the policy, before each step.
        rewards: Of each step.
        final_observations: By name: float32 ``(dimension,)``, after the last step. Empty if the
            replay buffer has none; so the next.
        final_memory_states: After the last step.
        terminated: It ended by its own rules.
        truncated: It ended from outside.
    """

    observations: Arrays
    actions: Arrays
    action_modifiers: Arrays
    memory_states: Arrays
    rewards: Arrays
    final_observations: Arrays
    final_memory_states: Arrays
    terminated: bool
    truncated: bool


class Experience:
    """The episodes of one filled replay buffer.

    The float32 arrays are read-only views of memory that the engine owns: valid until `release`,
    after which it may write the next episodes there. Copy what you keep. As a context manager it
    is released at the end. ``starts``, ``lengths`` and ``completion_modes`` are copies.

    Attributes:
        replay_buffer_id: Which replay buffer.
        num_episodes: How many episodes.
        num_steps: Steps of all of them.
        starts: int32 ``(num_episodes,)``: the row of each episode's first step.
        lengths: int32 ``(num_episodes,)``: its number of steps.
        completion_modes: uint8 ``(num_episodes,)``: 0 running, 1 truncated, 2 terminated; None if
            the replay buffer has none.
        observations: By the engine's name: float32 ``(num_steps, dimension)``; so the next four.
        actions: What was done.
        action_modifiers: What constrained the actions.
        memory_states: Of the policy, before each step.
        rewards: Of each step.
        final_observations: By name: float32 ``(num_episodes, dimension)``; so the next.
        final_memory_states: After the last step of each episode.
        released: Whether `release` was called.
    """

    def __init__(
        self,
        buffer: ReplayBuffer,
        num_episodes: int,
        num_steps: int,
        release: Callable[[], None],
    ) -> None:
        self.replay_buffer_id = buffer.place.id
        self.num_episodes = num_episodes
        self.num_steps = num_steps
        # Decided upon below: copied first, so that nobody changes them after they were checked.
        columns = {name: array[:num_episodes].copy() for name, array in buffer.columns.items()}
        self.starts = columns["starts"]
        self.lengths = columns["lengths"]
        self.completion_modes = columns.get("completion_modes")
        self._check()
        self.observations = _cut(buffer.rows["observations"], num_steps)
        self.actions = _cut(buffer.rows["actions"], num_steps)
        self.action_modifiers = _cut(buffer.rows["action_modifiers"], num_steps)
        self.memory_states = _cut(buffer.rows["memory_states"], num_steps)
        self.rewards = _cut(buffer.rows["rewards"], num_steps)
        self.final_observations = _cut(buffer.rows["final_observations"], num_episodes)
        self.final_memory_states = _cut(buffer.rows["final_memory_states"], num_episodes)
        self.released = False
        self._release = release

    def _check(self) -> None:
        ends = self.starts.astype(np.int64) + self.lengths
        bad = (self.starts < 0) | (self.lengths < 0) | (ends > self.num_steps)
        if bad.any():
            first = int(np.argmax(bad))
            raise SegmentCorrupt(
                f"episode {first} has steps {self.starts[first]} to {ends[first]}, expected them "
                f"within 0 to {self.num_steps}: the engine is broken, start it again"
            )
        modes = self.completion_modes
        if modes is not None and (modes > TERMINATED).any():
            raise SegmentCorrupt(
                f"completion mode {modes.max()}, expected 0, 1 or 2: the engine is broken, start "
                "it again"
            )

    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes one by one, as views."""
        for i in range(self.num_episodes):
            steps = slice(int(self.starts[i]), int(self.starts[i]) + int(self.lengths[i]))
            mode = RUNNING if self.completion_modes is None else self.completion_modes[i]
            yield Episode(
                _at(self.observations, steps),
                _at(self.actions, steps),
                _at(self.action_modifiers, steps),
                _at(self.memory_states, steps),
                _at(self.rewards, steps),
                _at(self.final_observations, i),
                _at(self.final_memory_states, i),
                terminated=bool(mode == TERMINATED),
                truncated=bool(mode == TRUNCATED),
            )

    def release(self) -> None:
        """Give the memory back to the engine; once is enough."""
        if not self.released:
            self.released = True
            self._release()

    def __enter__(self) -> Experience:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class ReplayBuffer:
    """The regions of one replay buffer, mapped.

    Attributes:
        place: What data-config.json says of it.
        columns: ``"starts"`` and so on, all ``max_num_episodes`` of them.
        rows: ``"observations"`` and so on: arrays by the engine's names for them.
    """

    def __init__(self, place: ReplayBufferPlace) -> None:
        """Map them; errors as of `attach`."""
        self.place = place
        self._mappings: list[Mapping] = []

        def mapped(array: ArrayPlace) -> np.ndarray:
            if 0 in array.shape:
                return np.empty(array.shape, array.dtype)
            dtype = np.dtype(array.dtype)
            mapping = attach(array.guid, array.what, math.prod(array.shape) * dtype.itemsize)
            self._mappings.append(mapping)
            view = mapping.array(dtype, array.shape, 0)
            view.flags.writeable = False
            return view

        self.columns = {name: mapped(array) for name, array in place.columns.items()}
        self.rows = {
            kind: {name: mapped(array) for name, array in arrays.items()}
            for kind, arrays in place.rows.items()
        }

    def filled(self, num_episodes: int, num_steps: int, release: Callable[[], None]) -> Experience:
        """Return so many episodes and steps of it.

        Raises:
            SegmentCorrupt: The engine wrote numbers that cannot be.
        """
        for what, found, most in (
            ("episodes", num_episodes, self.place.max_num_episodes),
            ("steps", num_steps, self.place.max_num_steps),
        ):
            if not 1 <= found <= most:
                raise SegmentCorrupt(
                    f"replay buffer {self.place.id} has {found} {what}, expected 1 to {most}: the "
                    "engine is broken, start it again"
                )
        for mapping in self._mappings:
            mapping.check_whole()
        return Experience(self, num_episodes, num_steps, release)


def _cut(arrays: Arrays, num_rows: int) -> Arrays:
    return {name: array[:num_rows] for name, array in arrays.items()}


def _at(arrays: Arrays, rows: int | slice) -> Arrays:
    return {name: array[rows] for name, array in arrays.items()}
