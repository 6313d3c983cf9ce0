"""From UERL's configuration to the spec of its arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium

from uerl_shm import spec_checks as checks
from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import SpecError
from uerl_shm.spec import EnvSpec, GroupSpec
from uerl_shm.uerl_components import AgentComponentConfig
from uerl_shm.uerl_configs import AgentConfig, UEEnvConfig


@dataclass
class _Group:
    arrays: dict[str, dict[str, ArraySpec]]
    agent_ids: list[str] = field(default_factory=list)


def env_spec(config: UEEnvConfig) -> EnvSpec:
    """Return the spec of a configuration: one group for each set of agents with equal arrays.

    Arrays have the names of their components: sensors make observations, actuators make actions,
    infos make infos. The shapes and dtypes are those that each config's `array` gives.

    Raises:
        SpecError: A value is wrong, or an array cannot be told; the text names the path.
    """
    config.check()
    groups = []
    for name, found in _groups(config).items():
        index = config.get_all_agent_ids().index(found.agent_ids[0])
        with checks.inside(f"agent_configs[{index}]"):
            arrays = found.arrays
            observation, action = arrays["observation"], arrays["action"]
            num_agents = len(found.agent_ids)
            groups.append(GroupSpec(name, observation, action, num_agents, arrays["info"]))
    settings = config.launch_settings
    level = settings.map_name.rpartition("/")[2]
    return EnvSpec(groups, render_fps=_tick_rate(settings.tickfps), name=level)


def agent_groups(config: UEEnvConfig) -> dict[str, list[str]]:
    """Return the agents of each group, in the order of their rows in a world: by name.

    Upper and lower case are one, as in the engine. The only group is named ``"agent"``; several are
    named after the first agent of each.
    """
    config.check()
    return {name: group.agent_ids for name, group in _groups(config).items()}


def _groups(config: UEEnvConfig) -> dict[str, _Group]:
    found: list[_Group] = []
    by_name = sorted(enumerate(config.agent_configs), key=lambda entry: entry[1].agent_id.lower())
    for index, agent in by_name:
        with checks.inside(f"agent_configs[{index}]"):
            arrays = _arrays_of(agent)
        group = next((group for group in found if group.arrays == arrays), None)
        if group is None:
            group = _Group(arrays)
            found.append(group)
        group.agent_ids.append(agent.agent_id)
    if len(found) == 1:
        return {"agent": found[0]}
    named: dict[str, _Group] = {}
    for number, group in enumerate(found):
        name = re.sub("[^a-z0-9_]", "_", group.agent_ids[0].lower()) or "agent"
        named[name if name not in named else f"{name}_{number}"] = group
    return named


def _arrays_of(agent: AgentConfig) -> dict[str, dict[str, ArraySpec]]:
    arrays = {
        "observation": _named("sensor_configs", agent.sensor_configs, agent.observation_space),
        "action": _named("actuator_configs", agent.actuator_configs, agent.action_space),
        "info": _named("infos_configs", agent.infos_configs, None),
    }
    _check_action_space(arrays["action"], agent.action_space)
    return arrays


def _named(
    what: str, components: Sequence[AgentComponentConfig], space: gymnasium.Space[Any] | None
) -> dict[str, ArraySpec]:
    arrays: dict[str, ArraySpec] = {}
    for index, component in enumerate(components):
        path = f"{what}[{index}]"
        if component.name.lower() in map(str.lower, arrays):
            raise SpecError(f"{path}.name {component.name!r} is taken, expected another one")
        with checks.inside(path):
            array = component.array()
            if array is None:
                array = _from_space(component.name, space, alone=len(components) == 1)
        if array is None:
            raise SpecError(
                f"{path} ({type(component).__name__} {component.name!r}) has no array, expected "
                "its shape and dtype: define array() in its class, or give the agent a space "
                "(a Box, Discrete, MultiDiscrete or MultiBinary; a Dict for several components)"
            )
        arrays[component.name] = array
    return arrays


def _from_space(name: str, space: gymnasium.Space[Any] | None, alone: bool) -> ArraySpec | None:
    if isinstance(space, gymnasium.spaces.Dict):
        inner = space.spaces.get(name)
        return None if inner is None else ArraySpec.from_space(inner)
    return ArraySpec.from_space(space) if alone and space is not None else None


def _check_action_space(
    arrays: Mapping[str, ArraySpec], space: gymnasium.Space[Any] | None
) -> None:
    """Refuse a space that is not the actuator's; the dtype may be another (actions are cast)."""
    if space is None or len(arrays) != 1 or isinstance(space, gymnasium.spaces.Dict):
        return
    name, array = next(iter(arrays.items()))
    with checks.inside("action_space"):
        given = ArraySpec.from_space(space)
    if (given.kind, given.shape, given.nvec) != (array.kind, array.shape, array.nvec):
        raise SpecError(f"action_space {space}, expected {array.space()}, as {name!r} has it")


def _tick_rate(tickfps: int) -> int:
    return checks.checked_integer("launch_settings.tickfps", tickfps, 1, 1_000_000)
