"""Plays a simulator with actions and seeds that can be repeated, and records what came of it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm.cli.actions import draw, num_envs_of
from uerl_shm.cli.check_rows import Event, Findings, Recorder, RowReader, Rows
from uerl_shm.launcher import ExitStatus
from uerl_shm.spec import EnvSpec
from uerl_shm.vec_env import VecEnv

REST_S = 0.003  # after this time the rows of a result must still be the same
REST_STEPS = 25  # so often that is looked at
SLOTS = 8

#: Events of each world, in order.
Stream = list[list[Event]]


@dataclass(frozen=True)
class Setting:
    """What is played.

    Attributes:
        simulator: Its command line.
        spec: Its spec.
        num_simulators: How many are started.
        envs_per_simulator: Worlds of each.
        timeout_s: Longest wait for one step.
        startup_timeout_s: Longest wait until all have started.
    """

    simulator: str
    spec: EnvSpec
    num_simulators: int
    envs_per_simulator: int
    timeout_s: float
    startup_timeout_s: float

    @property
    def num_worlds(self) -> int:
        """Worlds of all simulators together."""
        return self.num_simulators * self.envs_per_simulator


class Plan:
    """Actions of every world for so many steps, drawn from a seed.

    Args:
        setting: Whose actions.
        num_steps: How many of each world.
        seed: Another seed draws other actions.
    """

    def __init__(self, setting: Setting, num_steps: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self._worlds = setting.num_worlds
        self._steps = num_steps
        self._groups: dict[str, dict[str, NDArray[Any]]] = {}
        for group in setting.spec.groups:
            count = self._worlds * num_steps * group.agents
            arrays = {
                name: draw(array, count, generator).reshape(
                    self._worlds, num_steps, group.agents, *array.shape
                )
                for name, array in group.action.items()
            }
            self._groups[group.name] = arrays

    def batch(self, steps: NDArray[np.int64]) -> Any:
        """Return each world's actions at its step ``steps[world]``, as `VecEnv.step` takes them."""
        chosen = np.minimum(steps, self._steps - 1)
        batch = {}
        for group, arrays in self._groups.items():
            taken = {
                name: array[np.arange(self._worlds), chosen].reshape(-1, *array.shape[3:])
                for name, array in arrays.items()
            }
            batch[group] = taken if len(taken) > 1 else next(iter(taken.values()))
        return batch if len(batch) > 1 else next(iter(batch.values()))


class Player:
    """Simulators behind a learner of their own, in one autoreset mode.

    Attributes:
        step_times: Seconds that each step took.
        restless: What changed after its result had been given; empty if nothing.
    """

    def __init__(self, setting: Setting, mode: str, findings: Findings, held: int) -> None:
        """Start the simulators.

        Args:
            setting: What is played.
            mode: ``"NextStep"``, ``"SameStep"`` or ``"Disabled"``.
            findings: What is wrong goes there.
            held: Batches that are held, so that slots are used in another order.
        """
        self._setting, self._mode = setting, mode
        spec = setting.spec
        self._env = VecEnv(
            setting.simulator,
            num_envs_of(spec, setting.num_worlds),
            spec=spec,
            envs_per_simulator=setting.envs_per_simulator,
            slots=SLOTS,
            autoreset_mode=mode,
            timeout_s=setting.timeout_s,
            startup_timeout_s=setting.startup_timeout_s,
            on_death="raise",
        )
        self._reader = RowReader(self._env.segment_name, spec)
        self._recorder = Recorder(spec, findings)
        self._held: deque[Any] = deque(maxlen=held)
        self._steps = np.zeros(setting.num_worlds, np.int64)  # taken since the last reset by us
        self._ended = np.zeros(setting.num_worlds, bool)
        self._rest_steps = 0
        self.step_times: list[float] = []
        self.restless = ""

    def close(self) -> tuple[list[ExitStatus | None], float]:
        """End the learner; return how the simulators ended, and after how many seconds."""
        launcher = self._env._simulators.launcher
        begin = time.monotonic()
        self._env.close()
        seconds = time.monotonic() - begin
        assert launcher is not None
        return [launcher.poll(lane) for lane in range(self._setting.num_simulators)], seconds

    def watch_rest(self) -> None:
        """Look in the next steps whether rows change after their result."""
        self._rest_steps = REST_STEPS

    def play(self, seeds: list[int] | None, plan: Plan, num_steps: int) -> Stream:
        """Reset all worlds and take so many steps.

        Args:
            seeds: One for each world; None: the worlds' own generators go on.
            plan: What the worlds do, from its first step on.
            num_steps: Steps of the learner; those that only reset a world count.
        """
        stream: Stream = [[] for _ in range(self._setting.num_worlds)]
        self.reset(stream, seeds, np.ones(self._setting.num_worlds, bool))
        self.advance(stream, plan, num_steps)
        return stream

    def reset(self, stream: Stream, seeds: list[int] | None, worlds: NDArray[np.bool_]) -> None:
        """Reset some worlds by the learner's own command, and record it."""
        spec = self._setting.spec
        repeats = num_envs_of(spec, 1)
        options = None if worlds.all() else {"reset_mask": np.repeat(worlds, repeats)}
        per_row = None if seeds is None else np.repeat(seeds, repeats).tolist()
        observation, _ = self._env.reset(seed=per_row, options=options)
        self._held.append(observation)
        self._steps[worlds] = 0
        self._ended[worlds] = False
        self._record(stream, self._reader.read(), worlds, "reset")

    def advance(self, stream: Stream, plan: Plan, num_steps: int) -> None:
        """Take steps; worlds whose episode ended are reset as the mode has it."""
        everyone = np.ones(self._setting.num_worlds, bool)
        for _ in range(num_steps):
            resets = self._ended.copy()
            if self._mode == "Disabled" and resets.any():
                steps = self._steps.copy()
                self.reset(stream, None, resets)
                self._steps = steps
                resets[:] = False
            actions = plan.batch(self._steps)
            begin = time.perf_counter()
            batch = self._env.step(actions)
            self.step_times.append(time.perf_counter() - begin)
            self._held.append(batch[0])
            rows = self._reader.read()
            self._check_rest(rows)
            self._steps[~resets] += 1
            self._ended[:] = False
            self._record(stream, rows, everyone & ~resets, "step")
            self._record(stream, rows, resets, "reset")

    def _record(self, stream: Stream, rows: Rows, worlds: NDArray[np.bool_], kind: str) -> None:
        same_step = self._mode == "SameStep"
        for world in np.flatnonzero(worlds).tolist():
            event = self._recorder.event(rows, world, kind, same_step)
            stream[world].append(event)
            self._ended[world] = event.ended and not same_step

    def _check_rest(self, rows: Rows) -> None:
        if self._rest_steps == 0 or self.restless:
            return
        self._rest_steps -= 1
        time.sleep(REST_S)
        for key, later in self._reader.read().items():
            if later.tobytes() != rows[key].tobytes():
                self.restless = key[1]
                return
