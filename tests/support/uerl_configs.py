"""Small configurations of UERL's kind, for tests."""

from __future__ import annotations

import json
from pathlib import Path

from uerl_shm import uerl
from uerl_shm.uerl import AgentConfig, CameraSensorConfig, UEEnvConfig, UELaunchSettings

README = Path(__file__).parents[1] / "unreal" / "uerl_readme.json"


def readme() -> dict:
    """The configuration that UERL's README prints."""
    return json.loads(README.read_text())


def config(*agents: AgentConfig, **settings) -> UEEnvConfig:
    return UEEnvConfig(UELaunchSettings("Map", **settings), list(agents), None)


def agent(agent_id="Agent1", sensors=None, actuators=None, action_space=None, **rest):
    given = {
        "agent_id": agent_id,
        "python_class": uerl.UEAgent,
        "agent_ue_class": "/Game/BP_Agent.BP_Agent_C",
        "spawn_point_name": agent_id,
        "observation_space": None,
        "action_space": action_space,
        "sensor_configs": [camera()] if sensors is None else sensors,
        "actuator_configs": [robot()] if actuators is None else actuators,
        "rewarder_configs": [uerl.PickupRewarderConfig(name="apples")],
        "terminator_configs": [uerl.StepCounterTerminatorConfig(name="steps")],
        "infos_configs": [],
    }
    return AgentConfig(**{**given, **rest})


def camera(name="camera", **rest):
    return CameraSensorConfig(name=name, attach_to_comp_name="Eye", **rest)


def robot():
    return uerl.RobotMovementActuatorConfig(name="keys")
