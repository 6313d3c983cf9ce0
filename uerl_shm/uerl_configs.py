"""UERL's configuration: launch settings, agents, episode videos, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import gymnasium

from uerl_shm import uerl_json
from uerl_shm.errors import SpecError
from uerl_shm.uerl_components import (
    ActuatorConfig,
    AgentComponentConfig,
    RewarderConfig,
    SensorConfig,
    TerminatorConfig,
)


class RenderType(Enum):
    """How the engine renders; it decides the engine's arguments."""

    NO_RENDER = 1
    GPU_ON_SCREEN = 2
    GPU_OFF_SCREEN = 3


@dataclass
class UELaunchSettings:
    """How an engine is started.

    Attributes:
        map_name: Level to open; the first argument after the executable.
        render_type: See `RenderType`; not part of the JSON.
        no_sound: Start without sound.
        run_name: Part of the JSON only.
        tickfps: Frames of simulated time in a second: each lasts ``1 / tickfps`` seconds.
        specific_ip_port: A websocket in UERL; here it must be its default.
        window_res_x, window_res_y: Of the window, in pixels; not of a camera.
        executable_path: Of the packaged game. Empty: engines attach by themselves.
        output_ue_log: Part of the JSON only: logs are always kept.
    """

    map_name: str
    render_type: RenderType = RenderType.NO_RENDER
    no_sound: bool = True
    run_name: str | None = "run_name_not_set"
    tickfps: int = 20
    specific_ip_port: tuple[str, int] | None = ("", -1)
    window_res_x: int = 320
    window_res_y: int = 240
    executable_path: str = ""
    output_ue_log: bool = False


class UEAgent:
    """Base of an agent's Python class in UERL. Its methods are not called here (see docs)."""


@dataclass
class AgentConfig:
    """One agent of each world.

    Attributes:
        agent_id: Unlike those of other agents.
        python_class: A `UEAgent`; not part of the JSON.
        agent_ue_class: Path of its class in the engine.
        spawn_point_name: Where it starts.
        observation_space: Not part of the JSON; it tells the array of a sensor whose config does
            not.
        action_space: Likewise of an actuator; else it must agree with the actuator's array.
        sensor_configs, actuator_configs, rewarder_configs, terminator_configs: Its components.
        infos_configs: Components whose arrays go into ``info``.
    """

    agent_id: str
    python_class: type | None
    agent_ue_class: str
    spawn_point_name: str
    observation_space: gymnasium.Space[Any] | None
    action_space: gymnasium.Space[Any] | None
    sensor_configs: list[SensorConfig]
    actuator_configs: list[ActuatorConfig]
    rewarder_configs: list[RewarderConfig]
    terminator_configs: list[TerminatorConfig]
    infos_configs: Sequence[AgentComponentConfig]


@dataclass
class RendererViewConfig:
    """One picture of UERL's episode videos (`uerl_shm.EpisodeRenderer.of_uerl`).

    Attributes:
        title: Written above it.
        agent_id: Whose components these are.
        base_image_comp: Name of a sensor, or of a component under ``infos_configs``: the picture.
        obs_image_comp: Likewise, drawn small in a corner; None: there is none.
        display_texts_components: Components whose values are written below.
    """

    title: str
    agent_id: str
    base_image_comp: str
    obs_image_comp: str | None = None
    display_texts_components: list[str] | None = None


@dataclass
class EpisodeRendererConfig:
    """UERL's episode videos; `uerl_shm.EpisodeRenderer.of_uerl` makes them.

    Attributes:
        views: Pictures, side by side.
        render_every_nth_episode: 1: each; 10: the first, the 11th, ...
        track_rewards: Whether reward and return are written.
        base_image_shape: Height, width and channels of each picture in the video.
        tensorboard_logdir: None: TensorBoard gets nothing.
        tensorboard_trial_name: Folder of the run under ``tensorboard_logdir``.
        step_count: Part of the JSON only.
    """

    views: list[RendererViewConfig]
    render_every_nth_episode: int = 1
    track_rewards: bool = True
    base_image_shape: tuple[int, int, int] = (512, 512, 3)
    tensorboard_logdir: str | None = None
    tensorboard_trial_name: str | None = None
    step_count: int | None = None


@dataclass
class UEEnvConfig:
    """Everything of one env: the engine, its agents, and videos of episodes or None."""

    launch_settings: UELaunchSettings
    agent_configs: list[AgentConfig]
    episode_renderer_config: EpisodeRendererConfig | None

    def get_all_agent_ids(self) -> list[str]:
        """Return the ids in the order of the agents."""
        return [agent.agent_id for agent in self.agent_configs]

    def get_ue_config(self) -> dict[str, Any]:
        """Return what the engine is told, without classes, spaces and the render type.

        Raises:
            SpecError: A value is of another type than its field; the text names its path.
        """
        self.check()
        config: dict[str, Any] = uerl_json.to_object(self)
        return config

    def get_ue_human_mode_command(self) -> str:
        """Return the console command with which a person plays as the first agent."""
        return f"ML.HumanStart {json.dumps(self.get_ue_config())}"

    def check(self) -> None:
        """Refuse values of a wrong type, no agent at all, and agents with one name in the engine.

        Raises:
            SpecError: The text names the path.
        """
        uerl_json.checked(UEEnvConfig, self)
        ids = [agent_id.lower() for agent_id in self.get_all_agent_ids()]
        if not ids:
            raise SpecError("agent_configs is empty, expected at least one agent")
        for index, agent in enumerate(self.agent_configs):
            if ids[index] in ids[:index]:
                raise SpecError(
                    f"agent_configs[{index}].agent_id {agent.agent_id!r} is taken, expected "
                    "another one (upper and lower case are one in the engine)"
                )

    @classmethod
    def from_json(cls, data: str | bytes | Mapping[str, Any]) -> UEEnvConfig:
        """Read what `get_ue_config` returns, or its JSON text.

        What the JSON does not hold is as nobody set it: no Python class, no spaces,
        `RenderType.NO_RENDER`.

        Raises:
            SpecError: Not strict JSON; a key is unknown or missing; a value is of another type.
                The text names the path, and what is known.
        """
        given = uerl_json.parsed(data) if isinstance(data, (str, bytes)) else data
        config: UEEnvConfig = uerl_json.checked(cls, given)
        config.check()
        return config
