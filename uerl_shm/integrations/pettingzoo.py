"""PettingZoo: one world of a simulator, with all its agents, as a ParallelEnv.

The only module that imports pettingzoo.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from uerl_shm.array_spec import ArraySpec
from uerl_shm.integrations.rows import row_of
from uerl_shm.launcher import Simulator
from uerl_shm.spec import EnvSpec
from uerl_shm.vec_env import VecEnv
from uerl_shm.vec_making import spec_from

__all__ = ["PettingZooEnv"]


class PettingZooEnv(ParallelEnv):  # type: ignore[misc]
    """A `pettingzoo.ParallelEnv` over one world; for many worlds at once use `VecEnv` itself.

    Agent i of a group is named ``GROUP_i``. PettingZoo revives nobody, so an agent that dies and
    comes back within an episode is a new one: ``GROUP_i#2`` is its second life. An agent that goes
    away without an end of its own is truncated. Observations are copies.

    Args:
        simulator: As of `VecEnv`.
        render_mode: None or ``"rgb_array"``.
        **options: Further arguments of `VecEnv`, but for ``num_envs``, ``envs_per_simulator``,
            ``autoreset_mode``, ``output``, ``device`` and ``copy``.

    Attributes:
        agents: Names of those that act now.
        possible_agents: Every agent's first life, and the later lives of this episode so far.
        valid: Whether the simulator made the last step. If not, every agent is truncated, and there
            is nothing to learn from the step.

    Raises:
        SpecError, SimulatorLost and others: As `VecEnv`.
    """

    def __init__(
        self, simulator: Simulator | None = None, *, render_mode: str | None = None, **options: Any
    ) -> None:
        spec = _spec_of(simulator, options)
        rows = spec.groups[0].agents if len(spec.groups) == 1 else 1
        options |= {"spec": spec, "render_mode": render_mode}
        self._env = VecEnv(simulator, rows, autoreset_mode="Disabled", copy=True, **options)
        self._groups = {group.name: group for group in spec.groups}
        self.render_mode = render_mode
        self.metadata = {
            "name": spec.name or "uerl_shm",
            "is_parallelizable": True,
            "render_modes": self._env.metadata["render_modes"],
            "render_fps": self._env.metadata["render_fps"],
        }
        self._spaces: dict[str, tuple[spaces.Space[Any], spaces.Space[Any]]] = {}
        places = [(group.name, row) for group in spec.groups for row in range(group.agents)]
        self._places = {f"{group}_{row}": (group, row) for group, row in places}
        self._lives = dict.fromkeys(self._places, 1)
        self.possible_agents = list(self._places)
        self.agents: list[str] = []
        self.valid = True

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return the space of an agent's observation, the same object each time."""
        return self._spaces_of(agent)[0]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return the space of an agent's action, the same object each time."""
        return self._spaces_of(agent)[1]

    def _spaces_of(self, agent: str) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        if agent not in self._spaces:
            group = self._groups[self._place_of(agent)[0]]
            self._spaces[agent] = group.observation_space(), group.action_space()
        return self._spaces[agent]

    def _place_of(self, agent: str) -> tuple[str, int]:
        """Return group and row of an agent, whichever of its lives this is."""
        return self._places[agent.partition("#")[0]]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin an episode.

        Args:
            seed: Of the world's generator; None: go on with it.
            options: ``"parameters"`` and what else the simulator understands.

        Returns:
            ``(observations, infos)`` by agent.
        """
        observation, info = map(self._by_group, self._env.reset(seed=seed, options=options))
        self._lives = dict.fromkeys(self._places, 1)
        self.possible_agents = list(self._places)
        self.agents = [name for name, place in self._places.items() if _flag(info, "mask", place)]
        self.valid = all(_flag(info, "valid", place) for place in self._places.values())
        return self._told(self.agents, observation, info)

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, Any],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Make one step.

        Args:
            actions: By agent; those left out do nothing (zero, or what bounds leave of it).

        Returns:
            ``(observations, rewards, terminations, truncations, infos)`` by agent: those that
            acted, and those that have just come, with reward 0.
        """
        if not self.agents:
            return {}, {}, {}, {}, {}
        step = self._env.step(self._batch(actions))
        observation, reward, terminated, truncated, info = map(self._by_group, step)
        self.valid = all(_flag(info, "valid", place) for place in self._places.values())
        rewards, terminations, truncations = {}, {}, {}
        for agent in self.agents:
            group, row = place = self._place_of(agent)
            is_gone = not (self.valid and _flag(info, "mask", place))
            rewards[agent] = float(reward[group][row])
            terminations[agent] = bool(terminated[group][row])
            truncations[agent] = bool(truncated[group][row]) or (
                is_gone and not terminations[agent]
            )
        acted = [self._place_of(agent) for agent in self.agents]
        for name, (group, row) in self._places.items():
            done = terminated[group][row] or truncated[group][row]
            if (group, row) in acted or done or not _flag(info, "mask", (group, row)):
                continue
            agent = self._next_life(name)
            self.agents.append(agent)
            rewards[agent], terminations[agent], truncations[agent] = 0.0, False, False
        observations, infos = self._told(self.agents, observation, info)
        self.agents = [
            agent for agent in self.agents if not terminations[agent] and not truncations[agent]
        ]
        return observations, rewards, terminations, truncations, infos

    def render(self) -> NDArray[np.uint8] | None:
        """Return the last picture: ``(height, width, 3)``; None without a render mode."""
        return None if self.render_mode is None else self._env.render()[0]

    def close(self) -> None:
        """End the simulator."""
        self._env.close()

    def _next_life(self, name: str) -> str:
        self._lives[name] += 1
        self.possible_agents.append(agent := f"{name}#{self._lives[name]}")
        return agent

    def _by_group(self, batch: Any) -> Any:
        """Return a part of a batch as a dict by group, also where there is only one."""
        return batch if len(self._groups) > 1 else {next(iter(self._groups)): batch}

    def _batch(self, actions: dict[str, Any]) -> Any:
        """Return what `VecEnv.step` expects, nothing to do for whoever is not named."""
        batch: dict[str, Any] = {}
        for name, group in self._groups.items():
            named = {key: _idle(spec, group.agents) for key, spec in group.action.items()}
            batch[name] = named if len(named) > 1 else next(iter(named.values()))
        for agent, action in actions.items():
            group_name, row = self._place_of(agent)
            _put(batch[group_name], row, action)
        return batch if len(batch) > 1 else next(iter(batch.values()))

    def _told(
        self, agents: list[str], observation: Any, info: Any
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        observations, infos = {}, {}
        for agent in agents:
            group, row = self._place_of(agent)
            observations[agent] = row_of(observation[group], row)
            infos[agent] = {name: info[group][name][row] for name in self._groups[group].info}
        return observations, infos


def _spec_of(simulator: Any, options: dict[str, Any]) -> EnvSpec:
    spec, environ, cwd, user = map(options.get, ("spec", "environ", "cwd", "run_as_user"))
    return spec_from(spec, simulator, environ, cwd, options.get("startup_timeout_s", 300.0), user)


def _flag(info: Any, key: str, place: tuple[str, int]) -> bool:
    group, row = place
    return bool(info[group][key][row]) if key in info[group] else True


def _idle(spec: ArraySpec, rows: int) -> NDArray[Any]:
    """Return actions of zero, or of what is nearest to it within the bounds."""
    low, high = spec.bounds()
    zero = np.zeros(spec.shape, spec.dtype)
    if spec.dtype != np.bool_:
        zero = np.clip(zero, low, high)
    return np.broadcast_to(zero, (rows, *spec.shape)).astype(spec.dtype)


def _put(batch: Any, row: int, action: Any) -> None:
    if isinstance(batch, dict):
        for key, array in batch.items():
            array[row] = action[key]
    else:
        batch[row] = action
