"""`record()`: every step that passes through a `VecEnv`, as a Minari data set.

The recorder stands in the learner's loop, so nothing is lost: what cannot be written as fast as it
comes makes the loop wait. `uerl-shm record` watches from outside instead, and waits for nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper
from numpy.typing import NDArray

from uerl_shm.errors import SpecError, StepTimeout
from uerl_shm.options import reset_mask_of, seeds_of
from uerl_shm.parts import EnvPart
from uerl_shm.recording_tape import Bools, Counts, Ints, Part, Tape, some_parts
from uerl_shm.spec import EnvSpec, GroupSpec
from uerl_shm.vec_env import StepBatch, VecEnv

__all__ = ["Recorder", "record"]


def record(env: VecEnv, path: str | os.PathLike[str]) -> Recorder:
    """Record an env's steps to a Minari data set, without loss.

        with uerl_shm.record(env, "runs/apples-v0") as env:
            ...  # step it as ever
        minari.MinariDataset("runs/apples-v0/data")

    An episode begins with a reset. One that is cut (by another reset, by a simulator that was lost,
    by the end of the recording) is kept: its last step counts as truncated, and its attribute
    ``cut`` says why. Rows that are not valid are left out.

    Args:
        env: Any `VecEnv`; other wrappers come around the recorder.
        path: Of the data set, a folder to be made. Its name ends with a version, as Minari's ids
            do. Where the spec has several groups there is a data set for each: ``PATH/GROUP-v0``.

    Raises:
        SpecError: ``env`` is none, or there is a data set of that name; later, at a step: others
            passed beside the recorder.
    """
    return Recorder(env, path)


class Recorder(VectorWrapper[Any, Any, Any, Any, Any]):
    """A `VecEnv` whose steps are recorded; see `record`.

    Leaving its ``with`` block finishes the data set, and leaves the env open; `close` closes both.

    Attributes:
        path: Of the data set.
    """

    env: Any

    def __init__(self, env: VecEnv, path: str | os.PathLike[str]) -> None:
        if not isinstance(env, VecEnv):
            raise SpecError(
                f"record() was given a {type(env).__name__}, expected a VecEnv: record first, and "
                "put other wrappers around the recorder"
            )
        super().__init__(env)
        self.path = path
        self._spec: EnvSpec = env._spec
        self._worlds = np.arange(env.num_worlds)
        # The next valid rows of these worlds begin an episode.
        self._fresh: Bools = np.ones(env.num_worlds, bool)
        self._seed: Ints = np.full(env.num_worlds, -1, np.int64)
        self._actions = [
            {
                name: np.zeros((env.num_worlds * group.agents, *spec.shape), spec.dtype)
                for name, spec in group.action.items()
            }
            for group in self._spec.groups
        ]
        self._tape = Tape(self._spec, env.num_worlds, path)
        self._num_batches: int = env.stats()["batches"]

    @property
    def counts(self) -> Counts:
        """What was recorded so far."""
        return self._tape.counts

    # Stepping -----------------------------------------------------------------------------------

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, and record it; see `VecEnv.step`."""
        try:
            batch = self.env.step(actions)
        except StepTimeout:  # the actions are on their way: recv() goes on with this step
            self._note(actions, self._worlds)
            raise
        self._note(actions, self._worlds)
        self._record(self._worlds, *batch)
        return batch  # type: ignore[no-any-return]

    def send(self, actions: Any, env_ids: Any = None) -> None:
        """Send actions, and remember them; see `VecEnv.send`."""
        self.env.send(actions, env_ids)
        self._note(actions, self._worlds_of(env_ids))

    def recv(
        self,
        min_envs: int | None = None,
        max_envs: int | None = None,
        timeout_s: float | None = None,
    ) -> StepBatch:
        """Receive steps, and record them; see `VecEnv.recv`."""
        batch: StepBatch = self.env.recv(min_envs, max_envs, timeout_s)
        self._record(self._worlds_of(batch.env_ids), *batch[:5])
        return batch

    def split(self, num_parts: int) -> list[RecordedPart]:
        """Return parts that are recorded, too; see `VecEnv.split`."""
        return [RecordedPart(self, part) for part in self.env.split(num_parts)]

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes, and record that; see `VecEnv.reset`."""
        agents = self.env.num_envs // self.env.num_worlds
        mask = reset_mask_of(dict(options or {}), self.env.num_envs, agents).astype(bool)
        self._seed[mask] = seeds_of(seed, self.env.num_envs, agents)[mask]
        try:
            batch = self.env.reset(seed=seed, options=options)
        except StepTimeout:  # recv() goes on with this reset
            self._fresh |= mask
            raise
        self._fresh |= mask
        observation, info = batch
        parts = self._parts(observation, info)
        self._begin(self._worlds, parts, mask & self._valid(self._worlds, info))
        self._tape.flush_now_and_then()
        return batch  # type: ignore[no-any-return]

    def _record(
        self,
        worlds: Ints,
        observation: Any,
        reward: Any,
        terminated: Any,
        truncated: Any,
        info: Any,
    ) -> None:
        self._expect_no_other_batch()
        parts = self._parts(observation, info, reward, terminated, truncated)
        valid = self._valid(worlds, info)
        self._tape.cut(worlds[~valid], "lost")
        self._fresh[worlds[~valid]] = True
        fresh = self._fresh[worlds]
        self._begin(worlds, parts, fresh & valid)
        self._step(worlds, parts, valid & ~fresh, info)
        self._tape.flush_now_and_then()

    def _step(self, worlds: Ints, parts: list[Part], chosen: Bools, info: Any) -> None:
        """Record a step of some of the worlds of a batch."""
        if not chosen.any():
            return
        same_step = self.env.autoreset_mode is AutoresetMode.SAME_STEP
        finals = self._finals(parts, info) if same_step else None
        stepped = worlds[chosen]
        actions = [
            {name: array[self._rows(stepped, group)] for name, array in arrays.items()}
            for group, arrays in zip(self._spec.groups, self._actions, strict=True)
        ]
        kept = some_parts(self._spec.groups, parts, chosen)
        over = self._tape.step(
            stepped, kept, actions, finals and some_parts(self._spec.groups, finals, chosen)
        )
        if not same_step:
            self._fresh[stepped[over]] = True

    def _expect_no_other_batch(self) -> None:
        """Refuse a loop of which the recorder sees only a part.

        Raises:
            SpecError: Batches were received from the env itself.
        """
        self._num_batches += 1
        others = self.env.stats()["batches"] - self._num_batches
        if others:
            self._num_batches += others
            raise SpecError(
                f"{others} batches were received beside the recorder, expected none: step the "
                "recorder, not the env in it, and skip frames in the engine (FrameSkip steps the "
                "innermost env)"
            )

    def _begin(self, worlds: Ints, parts: list[Part], chosen: Bools) -> None:
        """Begin an episode in some of the worlds of a batch."""
        if not chosen.any():
            return
        begun = worlds[chosen]
        self._tape.begin(begun, some_parts(self._spec.groups, parts, chosen), self._seed[begun])
        self._seed[begun] = -1
        self._fresh[begun] = False

    # Arrays -------------------------------------------------------------------------------------

    def _note(self, actions: Any, worlds: Ints) -> None:
        for group, arrays in zip(self._spec.groups, self._actions, strict=True):
            rows = self._rows(worlds, group)
            for name, array in _named(group, "action", self._of_group(actions, group)).items():
                arrays[name][rows] = array

    def _of_group(self, value: Any, group: GroupSpec) -> Any:
        return value if len(self._spec.groups) == 1 else value[group.name]

    def _parts(
        self, observation: Any, info: Any, reward: Any = None, terminated: Any = None,
        truncated: Any = None,
    ) -> list[Part]:  # fmt: skip
        parts = []
        for group in self._spec.groups:
            own = self._of_group(info, group)
            outcome = [
                None if value is None else _array(self._of_group(value, group))
                for value in (reward, terminated, truncated)
            ]
            parts.append(
                Part(
                    _named(group, "observation", self._of_group(observation, group)),
                    {name: _array(own[name]) for name in group.info},
                    _array(own["mask"]) if group.mask else None,
                    *outcome,
                )
            )
        return parts

    def _finals(self, parts: list[Part], info: Any) -> list[Part]:
        """Return the last observations and infos of worlds that have ended, in mode SAME_STEP."""
        found = []
        for group, part in zip(self._spec.groups, parts, strict=True):
            own = self._of_group(info, group)
            if "final_obs" in own:  # of this group somebody is done
                observation = _named(group, "observation", own["final_obs"])
                infos = {name: _array(own["final_info"][name]) for name in group.info}
                part = replace(part, observation=observation, info=infos)
            found.append(part)
        return found

    def _valid(self, worlds: Ints, info: Any) -> Bools:
        group = self._spec.groups[0]
        own = self._of_group(info, group)
        if "valid" not in own:
            return np.ones(len(worlds), bool)
        return _array(own["valid"]).reshape(-1, group.agents)[:, 0]

    def _rows(self, worlds: Ints, group: GroupSpec) -> Ints:
        return (worlds[:, None] * group.agents + np.arange(group.agents)).reshape(-1)

    def _worlds_of(self, env_ids: Any) -> Ints:
        if env_ids is None:
            return self._worlds
        agents = self.env.num_envs // self.env.num_worlds
        worlds: Ints = np.asarray(env_ids, np.int64)[::agents] // agents
        return worlds

    # Ending -------------------------------------------------------------------------------------

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exception: object) -> None:
        self._tape.close()

    def close(self, **kwargs: Any) -> None:
        """Finish the data set and close the env."""
        self._tape.close()
        super().close(**kwargs)

    def __getattr__(self, name: str) -> Any:
        """Return what else the env has, such as ``rollout`` and ``stats``."""
        if name.startswith("_") or name == "env":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.env, name)


class RecordedPart:
    """A part of a recorded env; see `uerl_shm.parts.EnvPart`."""

    def __init__(self, recorder: Recorder, part: EnvPart) -> None:
        self._recorder, self._part = recorder, part
        self.num_envs, self.rows = part.num_envs, part.rows
        self._worlds = recorder._worlds_of(np.arange(part.rows.start, part.rows.stop))

    def send(self, actions: Any) -> None:
        """Send this part's actions, and remember them."""
        self._part.send(actions)
        self._recorder._note(actions, self._worlds)

    def recv(self, timeout_s: float | None = None) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Receive the step of this part, and record it."""
        batch = self._part.recv(timeout_s)
        self._recorder._record(self._worlds, *batch)
        return batch

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Send, and receive."""
        self.send(actions)
        return self.recv()


def _array(value: Any) -> NDArray[Any]:
    """Return an array or a tensor of any device as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def _named(group: GroupSpec, kind: str, value: Any) -> Mapping[str, NDArray[Any]]:
    """Return arrays by name, also where there is only one."""
    specs = getattr(group, kind)
    if len(specs) == 1:
        return {name: _array(value) for name in specs}
    return {name: _array(value[name]) for name in specs}
