"""What a `VecEnv` is made of: spec, rows, spaces, segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.error import ClosedEnvironmentError
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from uerl_shm import _core
from uerl_shm import segment as segments
from uerl_shm import spec_checks as checks
from uerl_shm.errors import SpecError
from uerl_shm.keeper import Keeper, Patience
from uerl_shm.launcher import Launcher, Simulator, describe
from uerl_shm.options import Access, checked_choice, checked_count, checked_seconds
from uerl_shm.output import Output
from uerl_shm.spec import EnvSpec


def checked_autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """Return Gymnasium's enum for its value or itself."""
    value = getattr(mode, "value", mode)
    return AutoresetMode(checked_choice("autoreset_mode", value, segments.AUTORESET_MODES))


def checked_choices(output: str, on_death: str) -> None:
    """Refuse words that mean nothing."""
    checked_choice("output", output, ("numpy", "torch"))
    checked_choice("on_death", on_death, ("restart", "mask", "raise"))


def checked_name(name: str | None) -> str:
    """Return a segment name that is allowed; a new one for None."""
    if name is None:
        return segments.new_name()
    _core.check_name(name)
    return name


def spec_from(
    spec: Any, simulator: Any, environ: Any, cwd: Any, timeout_s: float, run_as_user: Any
) -> EnvSpec:
    """Return the spec that was given in any form, or else ask the simulator."""
    if isinstance(spec, EnvSpec):
        return spec
    if isinstance(spec, Mapping):
        return EnvSpec.from_json(spec)
    if spec is not None:
        return EnvSpec.load(spec)
    if simulator is None:
        raise SpecError(
            "no spec and no simulator to ask, expected spec= when simulators attach by themselves: "
            "write one with `uerl-shm describe COMMAND`"
        )
    return describe(
        simulator, environ=environ, cwd=cwd, timeout_s=timeout_s, run_as_user=run_as_user
    )


class Rows:
    """How many rows, worlds and lanes there are.

    Attributes:
        num_worlds: Copies of the env.
        num_lanes: Simulators.
        per_world: Rows of each world: the agents of the only group, or 1 where there are several
            groups and each has a batch of its own.
        worlds_per_lane: Worlds of each simulator.
    """

    def __init__(self, spec: EnvSpec, num_envs: int, envs_per_simulator: int) -> None:
        self.per_world = spec.groups[0].agents if len(spec.groups) == 1 else 1
        self.worlds_per_lane = envs_per_simulator
        for what, count, unit in (
            ("envs_per_simulator", envs_per_simulator, 1),
            ("num_envs", num_envs, self.per_world * max(envs_per_simulator, 1)),
        ):
            if count < 1 or count % unit:
                raise SpecError(
                    f"{what} {count}, expected a positive multiple of {unit} ({self.per_world} "
                    f"rows of each world, {envs_per_simulator} worlds of each simulator)"
                )
        self.num_worlds = num_envs // self.per_world
        self.num_lanes = self.num_worlds // envs_per_simulator


def space_of(spec: EnvSpec, kind: str, num_worlds: int | None) -> gymnasium.Space[Any]:
    """Return the space of one row's observation or action, or of a batch of `num_worlds` worlds."""
    spaces = {}
    for group in spec.groups:
        space = getattr(group, f"{kind}_space")()
        rows = 0 if num_worlds is None else num_worlds * group.agents
        spaces[group.name] = space if num_worlds is None else batch_space(space, rows)
    names = list(spaces)
    return gymnasium.spaces.Dict(spaces) if len(names) > 1 else spaces[names[0]]


def create_launcher(
    simulator: Simulator | None, name: str, rows: Rows, **options: Any
) -> Launcher | None:
    """Return what starts the simulators; None for those that attach by themselves."""
    if simulator is None:
        return None
    return Launcher(simulator, name=name, num_lanes=rows.num_lanes, **options)


@dataclass(frozen=True)
class Isolation:
    """What a learner does about simulators that are lost or late.

    Attributes:
        masks: Whether their rows are masked; if not, they are errors.
        step_deadline_s: A simulator that is silent for longer is late.
        min_valid: Rows of living simulators that a step needs.
        keeper: Who is told, and starts simulators again.
    """

    masks: bool
    step_deadline_s: float
    min_valid: int
    keeper: Keeper

    def __post_init__(self) -> None:
        checked_seconds("step_deadline_s", self.step_deadline_s)
        checked_count("min_valid", self.min_valid)


def isolation_of(
    launcher: Launcher | None,
    on_death: str,
    *,
    startup_s: float,
    max_restarts: int,
    kill_after_s: float,
    step_deadline_s: float,
    min_valid: int,
) -> Isolation:
    """Return what is done about simulators that are lost or late, for ``on_death`` of `VecEnv`."""
    patience = Patience(on_death == "restart", max_restarts, kill_after_s, startup_s)
    return Isolation(on_death != "raise", step_deadline_s, min_valid, Keeper(launcher, patience))


def create_core(
    spec: EnvSpec,
    rows: Rows,
    access: Access,
    isolation: Isolation,
    *,
    name: str,
    slots: int,
    autoreset_mode: AutoresetMode,
    torch: bool,
    copy: bool,
    engine: Mapping[str, Any] | None,
    annotations: Sequence[str],
    max_episode_steps: int | None,
) -> Any:
    """Create the segment; return the learner that owns it.

    Raises:
        SpecError: ``min_valid`` is more than there are rows, or ``engine`` is not JSON.
    """
    most = rows.num_worlds * sum(group.agents for group in spec.groups)
    if isolation.min_valid > most:
        raise SpecError(f"min_valid is {isolation.min_valid}, expected at most the {most} rows")
    mode = autoreset_mode.value
    if max_episode_steps is not None:
        if not 1 <= checked_count("max_episode_steps", max_episode_steps) < 1 << 31:
            raise SpecError(
                f"max_episode_steps {max_episode_steps}, expected 1 to {(1 << 31) - 1}, or None"
            )
        if autoreset_mode == AutoresetMode.SAME_STEP:
            raise SpecError(
                "max_episode_steps in SameStep mode, where simulators reset by themselves, "
                "expected NextStep or Disabled: or let the simulator end its episodes"
            )
    return _core.Learner(
        name=name,
        mode=access.mode,
        gid=access.gid,
        **layout_of(spec, rows, slots, mode, engine, checked_annotations(annotations)),
        action_checks=segments.action_checks_of(spec),
        wide_rewards=not torch,
        writable=torch,
        copy=copy,
        masks=isolation.masks,
        step_deadline_s=isolation.step_deadline_s,
        min_valid=isolation.min_valid,
        max_steps=max_episode_steps or 0,
        on_event=isolation.keeper.on_event,
    )


def layout_of(
    spec: EnvSpec,
    rows: Rows,
    slots: int,
    mode: str,
    engine: Mapping[str, Any] | None = None,
    annotations: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what decides a segment's layout, as `_core.Learner` and `_core.segment_bytes` take it.

    Args:
        spec: Of the simulators.
        rows: How many rows, worlds and lanes.
        slots: Batches that the segment can hold.
        mode: Value of gymnasium's autoreset enum.
        engine: What the engine is told; it stands in the segment's text.
        annotations: Names of numbers that the learner writes.
    """
    launch = {"autoreset_mode": mode, "envs_per_simulator": rows.worlds_per_lane}
    return {
        "num_lanes": rows.num_lanes,
        "envs_per_lane": rows.worlds_per_lane,
        "slots": slots,
        "autoreset_mode": segments.AUTORESET_MODES[mode],
        "message_bytes": spec.message_bytes,
        "groups": segments.groups_of(spec),
        "fields": segments.fields_of(spec, mode, annotations),
        "text": segments.text_of(spec, launch, engine),
    }


def output_of(output: str, device: Any, pin_memory: bool | None, fixed_tensors: bool) -> Output:
    """Return what turns batches into the caller's kind of arrays."""
    if output == "numpy":
        for what, value in (
            ("device", device), ("pin_memory", pin_memory), ("fixed_tensors", fixed_tensors)
        ):  # fmt: skip
            if value:
                raise SpecError(f"{what} {value!r} with output='numpy', expected output='torch'")
        return Output()
    from uerl_shm.torch import TorchOutput

    return TorchOutput(device, pin_memory, fixed_tensors)


def checked_annotations(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of annotations that fit, each once."""
    if isinstance(names, str):
        raise SpecError(f"annotations {names!r}, expected a list of names")
    for name in names:
        checks.checked_name("annotation", name, "annotation/")
    if len(set(names)) < len(names):
        raise SpecError(f"annotations {list(names)}, expected each name once")
    return tuple(names)


class Unborn:
    """Stands for the learner until there is one, so that a failed constructor can be closed."""


class Closed:
    """Stands for the learner of a closed env: every use says so."""

    def __getattr__(self, name: str) -> Any:
        raise ClosedEnvironmentError(
            f"{name} was called on a closed env, expected an open one: make a new one"
        )
