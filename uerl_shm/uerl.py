"""UERL's configuration as it is, driving a `VecEnv` instead of a websocket.

    from uerl_shm.uerl import AgentConfig, UEEnvConfig, UELaunchSettings, vec_env

    config = UEEnvConfig(UELaunchSettings("CollectApplesMap", ...), [agent], None)
    env = vec_env(config, num_envs=16)

docs/howto/from-uerl.md says what stays, what changes, and what is not carried over.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from uerl_shm.errors import SpecError
from uerl_shm.uerl_components import (
    ActorsOfClassFinishedTerminatorConfig,
    ActuatorConfig,
    AgentComponentConfig,
    CameraSensorConfig,
    DistanceTracerSensorConfig,
    DroneMovementActuatorConfig,
    FRotator,
    FVector,
    InfoProviderConfig,
    LocationSensorConfig,
    OnHitRewarderConfig,
    OnHitTerminatorConfig,
    PickupRewarderConfig,
    RewarderConfig,
    RobotMovementActuatorConfig,
    RotationSensorConfig,
    SensorConfig,
    SpectatorCameraConfig,
    StepCounterTerminatorConfig,
    TargetDistanceRewarderConfig,
    TerminatorConfig,
    VelocitySensorConfig,
    WorldDirectionRewarderConfig,
)
from uerl_shm.uerl_configs import (
    AgentConfig,
    EpisodeRendererConfig,
    RendererViewConfig,
    RenderType,
    UEAgent,
    UEEnvConfig,
    UELaunchSettings,
)
from uerl_shm.uerl_launch import command, launch_arguments
from uerl_shm.uerl_spec import agent_groups, env_spec
from uerl_shm.vec_env import VecEnv

__all__ = [
    "ActorsOfClassFinishedTerminatorConfig",
    "ActuatorConfig",
    "AgentComponentConfig",
    "AgentConfig",
    "CameraSensorConfig",
    "DistanceTracerSensorConfig",
    "DroneMovementActuatorConfig",
    "EpisodeRendererConfig",
    "FRotator",
    "FVector",
    "InfoProviderConfig",
    "LocationSensorConfig",
    "OnHitRewarderConfig",
    "OnHitTerminatorConfig",
    "PickupRewarderConfig",
    "RenderType",
    "RendererViewConfig",
    "RewarderConfig",
    "RobotMovementActuatorConfig",
    "RotationSensorConfig",
    "SensorConfig",
    "SpectatorCameraConfig",
    "StepCounterTerminatorConfig",
    "TargetDistanceRewarderConfig",
    "TerminatorConfig",
    "UEAgent",
    "UEEnvConfig",
    "UELaunchSettings",
    "VelocitySensorConfig",
    "WorldDirectionRewarderConfig",
    "agent_groups",
    "command",
    "engine_config",
    "env_spec",
    "launch_arguments",
    "vec_env",
]

# Methods of UERL's agents, which process what one agent's websocket message held.
_HOOKS = (
    *("process_observations", "combine_processed_observations", "process_rewards"),
    *("process_terminations", "process_infos", "reset"),
)


def vec_env(config: UEEnvConfig, num_envs: int = 1, **options: Any) -> VecEnv:
    """Start the engines of a configuration as one vectorised env.

    Observations come by sensor name (one sensor: its array alone), RGB, rows before columns;
    actions go by actuator name; a reward is the sum of the rewarders. The engine reads the
    configuration in the segment.

    Args:
        config: Each engine holds one world with all of its agents.
        num_envs: As of `VecEnv`: rows with one group of agents, worlds with several.
        **options: Of `VecEnv`, such as ``output``, ``slots``, ``name``; not ``simulator``, ``spec``
            and ``engine``, which are the configuration's.

    Raises:
        SpecError: A value of the configuration is wrong, or cannot be carried over.
        Others: As `VecEnv`.

    Warns:
        UserWarning: The configuration has parts that do nothing here: hooks of Python classes,
            episode videos, which are made by a wrapper.
    """
    spec, simulator = env_spec(config), command(config.launch_settings)
    if simulator is None and options.get("name") is None:
        raise SpecError(
            "launch_settings.executable_path is empty, expected the path of a packaged game: or "
            "give name=, and start engines that attach by themselves"
        )
    for text in _not_carried_over(config):
        warnings.warn(text, stacklevel=2)
    return VecEnv(simulator, num_envs, spec=spec, engine=engine_config(config), **options)


def engine_config(config: UEEnvConfig) -> dict[str, Any]:
    """Return what the engine's plugin reads in the segment.

    It is what `UEEnvConfig.get_ue_config` returns, with two additions: each agent's ``group``, and
    ``training``, which holds the frame rate where the plugin looks for it.
    """
    told = config.get_ue_config()
    for name, agent_ids in agent_groups(config).items():
        for agent in told["agent_configs"]:
            if agent["agent_id"] in agent_ids:
                agent["group"] = name
    return {**told, "training": {"fixed_fps": config.launch_settings.tickfps}}


def _not_carried_over(config: UEEnvConfig) -> Iterator[str]:
    for agent_class in dict.fromkeys(
        agent.python_class or UEAgent for agent in config.agent_configs
    ):
        for hook in (name for name in _HOOKS if hasattr(agent_class, name)):
            yield (
                f"{agent_class.__name__}.{hook}() is not called, expected arrays to be used as "
                "the engine wrote them: wrap the VecEnv (docs/howto/from-uerl.md)"
            )
    if config.episode_renderer_config is not None:
        yield (
            "episode_renderer_config makes no video by itself, expected "
            "EpisodeRenderer.of_uerl(env, config) around the env (docs/howto/watching.md)"
        )
