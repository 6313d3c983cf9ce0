"""VecEnv: many co-located simulators as one vectorised environment, without copies."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv

from uerl_shm.errors import SegmentCorrupt, SimulatorLost, SpecError, StepTimeout
from uerl_shm.launcher import Simulator
from uerl_shm.options import Access, checked_choice, checked_seconds, reset_mask_of, seeds_of
from uerl_shm.output import Output
from uerl_shm.parts import EnvPart, split
from uerl_shm.rollout import Rollout
from uerl_shm.simulators import Simulators
from uerl_shm.spec import EnvSpec
from uerl_shm.vec_looking import Looking
from uerl_shm.vec_making import (
    Closed,
    Rows,
    Unborn,
    checked_autoreset_mode,
    checked_choices,
    checked_name,
    create_core,
    create_launcher,
    isolation_of,
    output_of,
    space_of,
    spec_from,
)

__all__ = ["StepBatch", "VecEnv"]

_PEER_ERRORS = (StepTimeout, SimulatorLost, SegmentCorrupt)


class StepBatch(NamedTuple):
    """What `VecEnv.recv` returns: one row for each of ``env_ids``, in that order."""

    observation: Any
    reward: Any
    terminated: Any
    truncated: Any
    info: dict[str, Any]
    env_ids: np.ndarray


class VecEnv(Looking, VectorEnv):
    """Steps many simulators that write their rows straight into one batch in shared memory.

    A `gymnasium.vector.VectorEnv`. Observations and info arrays are read-only views of the segment
    that never change under their holder: a slot is written again only when no array (or tensor, or
    slice of one) over it is alive. When more batches are held than ``slots`` allow, the next ones
    are copies, ``stats()["copied_batches"]`` counts them and one warning says so.

    Rows: ``num_envs`` counts rows. With one group of agents, rows = worlds x agents. With several
    groups, ``num_envs`` counts worlds, and observations, actions, rewards and flags are dicts by
    group name.

    Args:
        simulator: Command line of one simulator: a str (split as a shell does), a list, or a
            callable ``lane -> argv``; ``{name}`` and ``{lane}`` are replaced. Started once for each
            lane. None waits for simulators that attach by themselves.
        num_envs: Rows (one group) or worlds (several groups).
        spec: `EnvSpec`, its JSON as a dict, or the path of a JSON file. None asks the simulator.
        name: Segment name, as in /dev/shm; None makes one up.
        envs_per_simulator: Worlds that each simulator holds.
        slots: Batches the segment can hold, at least 2. 4 keep a loop that holds two batches free
            of copies; ``2 * T + 2`` are for rollouts of T steps.
        autoreset_mode: ``"NextStep"``, ``"SameStep"`` or ``"Disabled"``, or gymnasium's enum.
        output: ``"numpy"`` (rewards float64) or ``"torch"`` (tensors over the same memory, rewards
            float32).
        device: For ``output="torch"``. On a GPU every batch is copied to it, on a stream of the
            env's own that the caller's stream waits for (docs/howto/gpu.md).
        copy: Return plain copies instead of views.
        render_mode: None or ``"rgb_array"``.
        timeout_s: Longest wait of `step`, `recv` and `reset`, in seconds.
        step_deadline_s: A simulator that is silent for longer is late: its rows are masked until it
            answers (then its envs are reset).
        startup_timeout_s: Longest wait until every simulator is attached, in seconds.
        on_death: What happens when a simulator is lost: ``"restart"`` masks its rows and starts it
            again; ``"mask"`` waits for another one to attach to its lane, and so does
            ``"restart"`` for simulators that were not started here; ``"raise"`` raises
            `SimulatorLost`, and knows no step deadline.
        shm_mode: Permission bits of the segment.
        shm_group: Name or number of the segment's group.
        run_as_user: Name or number of the user that simulators run as; needs root.
        environ: Added to the simulators' environment.
        cwd: Folder in which simulators start.
        log_dir: Folder of their logs, one for each lane.
        max_parallel_starts: How many simulators may be starting at once; None: all.
        parameters: Values of the spec's parameters, used from the first reset on.
        max_restarts: Restarts of one lane within 10 minutes; then it stays masked.
        kill_after_s: A simulator that is late for longer is told to leave, or killed if it was
            started here, in seconds.
        min_valid: Rows of living simulators that a step needs; with fewer it waits for restarts,
            and raises `SimulatorLost` when none is under way.
        engine: What the engine is told, as JSON: agents to spawn, frame rate, and what else its
            plugin reads (docs/howto/unreal.md); ``"training"`` and ``"inference"`` may be an
            `EngineConfig`. It stands in the segment's text.
        annotations: Names of numbers that `annotate` writes, such as ``["value"]``.
        pin_memory: Page-lock the segment, so that copies to a GPU do not wait; None: if ``device``
            is one. A batch that is dropped is not overwritten before the current stream has done
            what it was given until then.
        fixed_tensors: On a GPU: every batch goes into the same tensors, as CUDA graphs need; the
            next `step` overwrites them.
        max_episode_steps: Episodes that are so long are truncated, whatever the simulator says; not
            in SameStep mode.

    Raises:
        SpecError: An argument or the spec is wrong.
        SegmentExists: ``name`` is in use. SegmentFull: /dev/shm is too small.
        SimulatorLost, LayoutMismatch, StepTimeout: A simulator did not come up; see its log.
    """

    def __init__(
        self,
        simulator: Simulator | None = None,
        num_envs: int = 1,
        *,
        spec: EnvSpec | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        name: str | None = None,
        envs_per_simulator: int = 1,
        slots: int = 4,
        autoreset_mode: str | AutoresetMode = "NextStep",
        output: str = "numpy",
        device: Any = None,
        copy: bool = False,
        render_mode: str | None = None,
        timeout_s: float = 60.0,
        step_deadline_s: float = 60.0,
        startup_timeout_s: float = 300.0,
        on_death: str = "restart",
        shm_mode: int = 0o600,
        shm_group: str | int | None = None,
        run_as_user: str | int | None = None,
        environ: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        max_parallel_starts: int | None = None,
        parameters: Mapping[str, float] | None = None,
        max_restarts: int = 10,
        kill_after_s: float = 60.0,
        min_valid: int = 1,
        engine: Mapping[str, Any] | None = None,
        annotations: Sequence[str] = (),
        pin_memory: bool | None = None,
        fixed_tensors: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        self._core: Any = Unborn()
        self.autoreset_mode = checked_autoreset_mode(autoreset_mode)
        checked_choices(output, on_death)
        self._timeout_s = checked_seconds("timeout_s", timeout_s)
        patience_s = checked_seconds("startup_timeout_s", startup_timeout_s)
        access = Access(shm_mode, shm_group, run_as_user, starts=simulator is not None)
        name = self.segment_name = checked_name(name)
        self._spec = spec_from(spec, simulator, environ, cwd, patience_s, run_as_user)
        self._rows = Rows(self._spec, num_envs, envs_per_simulator)
        self._introduce(num_envs, render_mode, output_of(output, device, pin_memory, fixed_tensors))
        launcher = create_launcher(
            simulator, name, self._rows,
            environ=environ, cwd=cwd, log_dir=log_dir, run_as_user=run_as_user)  # fmt: skip
        isolation = isolation_of(
            launcher, on_death, startup_s=patience_s, max_restarts=max_restarts,
            min_valid=min_valid, kill_after_s=kill_after_s,
            step_deadline_s=step_deadline_s)  # fmt: skip
        self._core = create_core(
            self._spec, self._rows, access, isolation, name=name, slots=slots, copy=copy,
            autoreset_mode=self.autoreset_mode, torch=output == "torch", engine=engine,
            annotations=annotations, max_episode_steps=max_episode_steps)  # fmt: skip
        self._simulators = Simulators(self._core, name, self._rows.num_lanes, isolation.keeper)
        self._finalizer = weakref.finalize(self, _close, self._core, self._simulators, self._output)
        self._start(parameters or {}, patience_s, max_parallel_starts)

    def _start(
        self, parameters: Mapping[str, float], patience_s: float, max_parallel_starts: int | None
    ) -> None:
        try:
            self._output.attach(self._core)
            self._set_parameters({**self._spec.parameters, **parameters})
            self._simulators.start(patience_s, max_parallel_starts)
        except BaseException:
            self.close()
            raise

    def _introduce(self, num_envs: int, render_mode: str | None, output: Output) -> None:
        """Set what Gymnasium and its wrappers look at, and what kind of arrays they get."""
        self._output, self._batch, self._to_host = output, output.batch, output.to_host
        self.num_envs, self.num_worlds = num_envs, self._rows.num_worlds
        self.spec: Any = self._spec  # gymnasium.make_vec() puts its registration here
        checked_choice("render_mode", render_mode, (None, "rgb_array"))
        if render_mode is not None and self._spec.render is None:
            raise SpecError(
                f"render_mode {render_mode!r} without a picture to show, expected an observation "
                "array of dtype uint8 and shape (height, width, 3): add one to the spec"
            )
        self.render_mode = render_mode
        self.single_observation_space = space_of(self._spec, "observation", None)
        self.single_action_space = space_of(self._spec, "action", None)
        self.metadata = {
            "autoreset_mode": self.autoreset_mode,
            "render_modes": ["rgb_array"] if self._spec.render else [],
            "render_fps": self._spec.render_fps,
        }

    # Made when asked for: Gymnasium's batched Box holds bounds for every element of the batch.

    @cached_property
    def observation_space(self) -> gymnasium.Space[Any]:  # type: ignore[override]
        """Space of a batch of observations."""
        return space_of(self._spec, "observation", self.num_worlds)

    @cached_property
    def action_space(self) -> gymnasium.Space[Any]:  # type: ignore[override]
        """Space of a batch of actions."""
        return space_of(self._spec, "action", self.num_worlds)

    def _set_parameters(self, values: Mapping[str, Any]) -> None:
        names = list(self._spec.parameters)
        for name, value in values.items():
            if name not in names:
                raise SpecError(
                    f"parameter {name!r} is unknown, expected one of {names}: add it to the spec"
                )
            array = np.broadcast_to(np.asarray(value, np.float64), (self.num_worlds,))
            self._core.set_parameter(names.index(name), array.tolist())

    # Stepping -----------------------------------------------------------------------------------

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Send every env its action and wait for every env's step.

        Args:
            actions: Shape ``(num_envs, *action.shape)``, NumPy or torch; a dict where the spec has
                several actions or groups. The dtype may be another of the same kind.

        Returns:
            ``(observation, reward, terminated, truncated, info)``, one row for each env.
            observation: views of the segment (see the class). reward float64 (torch: float32),
            terminated and truncated bool, shape ``(num_envs,)``, arrays of the caller's own.

        Raises:
            SpecError: Wrong shape, dtype or count, NaN, a choice out of range; a pending row.
            StepTimeout: A simulator was silent for ``timeout_s``. Its row stays pending: `recv`
                goes on waiting for this same step, `reset` gives it up.
            SimulatorLost: A simulator ended; the message shows its exit status and last lines.
        """
        try:
            if self._to_host is not None:
                actions = self._to_host(actions)
            return self._batch(  # type: ignore[no-any-return]
                self._core.step(actions, self._timeout_s)
            )
        except _PEER_ERRORS as error:
            raise self._simulators.explained(error) from None

    def send(self, actions: Any, env_ids: Any = None) -> None:
        """Send actions without waiting.

        Args:
            actions: As of `step`, one row for each of ``env_ids``.
            env_ids: Ints, shape ``(n,)``, whole simulators; None: all.
        """
        ids = None if env_ids is None else np.asarray(env_ids, np.int64)
        if self._to_host is not None:
            actions = self._to_host(actions)
        self._core.send(actions, ids)

    def recv(
        self,
        min_envs: int | None = None,
        max_envs: int | None = None,
        timeout_s: float | None = None,
    ) -> StepBatch:
        """Receive the steps of envs that are ready, whoever is first.

        Args:
            min_envs: Rows to wait for; None: all that are pending (or ``max_envs`` if fewer).
            max_envs: Rows to take at most; None: all that are ready.
            timeout_s: Longest wait in seconds; None: the env's.

        Returns:
            The batch; ``env_ids`` names its rows. It is a view when its rows are neighbours in one
            slot, else one gathered copy (``stats()["gathered_rows"]``).

        Raises:
            StepTimeout: Fewer were ready in time. Nothing was consumed: call again.
            SpecError: Nothing is pending.
        """
        wait_s = self._timeout_s if timeout_s is None else checked_seconds("timeout_s", timeout_s)
        try:
            batch = self._core.recv(min_envs, max_envs, wait_s)
        except _PEER_ERRORS as error:
            raise self._simulators.explained(error) from None
        observation, reward, terminated, truncated, info = self._batch(batch[:5])
        return StepBatch(observation, reward, terminated, truncated, info, batch[5])

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every env, or in those of ``options["reset_mask"]``.

        Rows that are not reset keep their last observation. Pending rows are given up: their result
        is dropped and counted in ``stats()["superseded"]``.

        Args:
            seed: Int (world i gets ``seed + i``), a sequence of ints and Nones with one entry for
                each row, or None.
            options: ``"reset_mask"``: bool, shape ``(num_envs,)``; ``"parameters"``: name to number
                or to one number for each world; anything else is passed to the simulators as JSON.

        Returns:
            ``(observation, info)``, one row for each env.
        """
        seeds = seeds_of(seed, self.num_envs, self._rows.per_world)
        if isinstance(seed, (int, np.integer)):
            self._np_random, self._np_random_seed = seeding.np_random(int(seed))
        rest = dict(options or {})
        mask = reset_mask_of(rest, self.num_envs, self._rows.per_world)
        self._set_parameters(rest.pop("parameters", {}))
        try:
            text = json.dumps(rest) if rest else ""
        except (TypeError, ValueError) as error:
            raise SpecError(
                f"reset options {rest!r} are not JSON ({error}), expected numbers, strings, lists "
                "and dicts"
            ) from None
        try:
            result = self._core.reset(mask, seeds, text.encode(), self._timeout_s)
        except _PEER_ERRORS as error:
            raise self._simulators.explained(error) from None
        observation, info = self._batch(result)
        if not mask.all():
            self._mask_infos(info, mask.astype(bool))
        return observation, info

    def _mask_infos(self, info: dict[str, Any], worlds: np.ndarray) -> None:
        """Let the masks of an info say which rows were reset."""
        groups = self._spec.groups
        for group in groups:
            own = info[group.name] if len(groups) > 1 else info
            rows = np.repeat(worlds, group.agents)
            told = ("_valid", "_lost")  # of every row, reset or not
            own.update({key: rows for key in own if key.startswith("_") and key not in told})

    def split(self, num_parts: int) -> list[EnvPart]:
        """Return parts of the rows that are stepped in turn; see `EnvPart`."""
        return split(self, num_parts)

    def rollout(self, num_steps: int) -> Rollout:
        """Record the next ``num_steps`` steps as [T, rows, ...] arrays; see `Rollout`."""
        return Rollout(self, num_steps)

    def _current(self) -> Any:
        return self._batch(self._core.current())

    # Ending -------------------------------------------------------------------------------------

    def close_extras(self, **kwargs: Any) -> None:
        """End the simulators and remove the segment; arrays that are still held stay readable."""
        self._finalizer()
        self._core = Closed()

    def __repr__(self) -> str:
        """Name the env, its rows and its segment."""
        return (
            f"{type(self).__name__}({self._spec.name or 'env'}, num_envs={self.num_envs}, "
            f"name={self.segment_name!r})"
        )


def _close(core: Any, simulators: Simulators, output: Output) -> None:
    try:
        output.close()  # waits for a GPU, which may have failed
    finally:
        core.close()
        simulators.close()
