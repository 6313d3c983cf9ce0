"""Keyword arguments and defaults of the config classes are UERL's, in UERL's order."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

from uerl_shm import uerl
from uerl_shm.uerl import AgentConfig, FVector, UEEnvConfig

REQUIRED = inspect.Parameter.empty
DEFAULTS = {
    "UELaunchSettings": {
        "map_name": REQUIRED,
        "render_type": uerl.RenderType.NO_RENDER,
        "no_sound": True,
        "run_name": "run_name_not_set",
        "tickfps": 20,
        "specific_ip_port": ("", -1),
        "window_res_x": 320,
        "window_res_y": 240,
        "executable_path": "",
        "output_ue_log": False,
    },
    "CameraSensorConfig": {
        "attach_to_comp_name": REQUIRED,
        "attach_to_actor_name": "",
        "width": 72,
        "height": 72,
        "max_distance": 15000.0,
        "fov": 90.0,
        "use_gpu": False,
        "grayscale": False,
        "render_owner": True,
        "srgb": False,
        "frame_stack_size": 1,
        "normalise": False,
    },
    "DistanceTracerSensorConfig": {
        "num_traces": 10,
        "half_angle": 90.0,
        "trace_length": 3700.0,
        "should_normalise": True,
        "trace_channel": "visibility",
        "rotation": uerl.FRotator(0, 0, 0),
        "location": FVector(0, 0, 0),
        "invert_values": True,
        "frame_stack_size": 1,
        "output_stacked_shape": False,
    },
    "RotationSensorConfig": {"cyclic": True, "only_z": True, "zero_centered": False},
    "LocationSensorConfig": {
        "normalise": REQUIRED,
        "minimum_location": FVector(0, 0, 0),
        "maximum_location": FVector(0, 0, 0),
    },
    "VelocitySensorConfig": {
        "should_normalise": True,
        "zero_centered": True,
        "max_velocity": 500.0,
        "max_velocity_from_cmc": True,
    },
    "RobotMovementActuatorConfig": {},
    "DroneMovementActuatorConfig": {},
    "PickupRewarderConfig": {},
    "TargetDistanceRewarderConfig": {"target_location": FVector(1, 0, 0)},
    "WorldDirectionRewarderConfig": {"direction": FVector(1, 0, 0)},
    "OnHitRewarderConfig": {"on_hit_reward": -10.0},
    "StepCounterTerminatorConfig": {"max_step_count": 2000},
    "ActorsOfClassFinishedTerminatorConfig": {"actors_class_to_check": ""},
    "OnHitTerminatorConfig": {},
    "RendererViewConfig": {
        "title": REQUIRED,
        "agent_id": REQUIRED,
        "base_image_comp": REQUIRED,
        "obs_image_comp": None,
        "display_texts_components": None,
    },
    "EpisodeRendererConfig": {
        "views": REQUIRED,
        "render_every_nth_episode": 1,
        "track_rewards": True,
        "base_image_shape": (512, 512, 3),
        "tensorboard_logdir": None,
        "tensorboard_trial_name": None,
        "step_count": None,
    },
}
DEFAULTS["SpectatorCameraConfig"] = DEFAULTS["CameraSensorConfig"]
KINDS = {
    "CameraSensorConfig": "camera",
    "DistanceTracerSensorConfig": "distance_tracer",
    "RotationSensorConfig": "rotation",
    "LocationSensorConfig": "location",
    "VelocitySensorConfig": "velocity_sensor",
    "RobotMovementActuatorConfig": "robot_movement",
    "DroneMovementActuatorConfig": "drone_movement",
    "PickupRewarderConfig": "pickup_reward",
    "TargetDistanceRewarderConfig": "target_distance",
    "WorldDirectionRewarderConfig": "world_direction",
    "OnHitRewarderConfig": "on_hit_rewarder",
    "StepCounterTerminatorConfig": "step_counter",
    "ActorsOfClassFinishedTerminatorConfig": "actors_finished",
    "OnHitTerminatorConfig": "on_hit_terminator",
    "SpectatorCameraConfig": "spectator_camera",
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_keyword_arguments_and_defaults_are_uerls(name):
    expected = {**({"name": REQUIRED} if name in KINDS else {}), **DEFAULTS[name]}
    config_class = getattr(uerl, name)
    assert list(inspect.signature(config_class).parameters) == list(expected)
    values = {key: "given" for key, value in expected.items() if value is REQUIRED}
    made = config_class(**values)
    found = {field.name: getattr(made, field.name) for field in fields(made) if field.init}
    assert found == {**expected, **values}
    assert name not in KINDS or made.ue_class_name == KINDS[name]


def test_agents_and_envs_take_uerls_arguments_in_their_order():
    assert list(inspect.signature(AgentConfig).parameters) == [
        *("agent_id", "python_class", "agent_ue_class", "spawn_point_name"),
        *("observation_space", "action_space", "sensor_configs", "actuator_configs"),
        *("rewarder_configs", "terminator_configs", "infos_configs"),
    ]
    assert list(inspect.signature(UEEnvConfig).parameters) == [
        *("launch_settings", "agent_configs", "episode_renderer_config")
    ]
