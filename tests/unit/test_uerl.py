"""UERL's configuration as it is: its JSON byte for byte, and wrong JSON refused."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest

from support.uerl_configs import README, agent, camera, config, readme
from uerl_shm import uerl
from uerl_shm.errors import SpecError
from uerl_shm.uerl import AgentConfig, CameraSensorConfig, FVector, UEEnvConfig, UELaunchSettings

# The JSON -----------------------------------------------------------------------------------------


def test_the_json_of_uerls_readme_comes_back_byte_for_byte():
    text = README.read_text()
    read = UEEnvConfig.from_json(text)
    assert json.dumps(read.get_ue_config()) + "\n" == text
    assert read.get_ue_human_mode_command() + "\n" == f"ML.HumanStart {text}"


def test_the_readmes_config_written_in_python_prints_the_same_json():
    robot_agent = AgentConfig(
        "Agent1",
        uerl.UEAgent,
        "/CybertoothML/Agents/RobotAgent/BP_RobotAgent.BP_RobotAgent_C",
        "Agent1",
        gymnasium.spaces.Box(0, 255, (42, 42, 3), np.uint8),
        gymnasium.spaces.MultiDiscrete([2, 2, 2, 2, 2]),
        [CameraSensorConfig("camera_cpu", "CameraComp", width=42, height=42, fov=70)],
        [uerl.RobotMovementActuatorConfig("my_robot_actuator")],
        [uerl.PickupRewarderConfig("apples_reward")],
        [uerl.StepCounterTerminatorConfig("my_step_terminator", max_step_count=350)],
        [],
    )
    settings = UELaunchSettings("CollectApplesMap", render_type=uerl.RenderType.GPU_OFF_SCREEN)
    written = UEEnvConfig(settings, [robot_agent], None)
    assert json.dumps(written.get_ue_config()) == README.read_text().strip()


def test_every_component_and_the_videos_come_back_byte_for_byte():
    sensors = [
        camera(),
        uerl.DistanceTracerSensorConfig("rays"),
        uerl.RotationSensorConfig("rotation"),
        uerl.LocationSensorConfig("place", True, FVector(-1.5, 0, 0), FVector(1, 2, 3)),
        uerl.VelocitySensorConfig("speed"),
    ]
    rewarders = [
        uerl.PickupRewarderConfig("pick"),
        uerl.TargetDistanceRewarderConfig("near"),
        uerl.WorldDirectionRewarderConfig("east"),
        uerl.OnHitRewarderConfig("hit"),
    ]
    terminators = [
        uerl.StepCounterTerminatorConfig("steps"),
        uerl.ActorsOfClassFinishedTerminatorConfig("all"),
        uerl.OnHitTerminatorConfig("hit"),
    ]
    infos = [uerl.SpectatorCameraConfig("spectator", "", "SpecCameraActor")]
    whole = config(
        agent(
            sensors=sensors,
            rewarder_configs=rewarders,
            terminator_configs=terminators,
            infos_configs=infos,
        )
    )
    view = uerl.RendererViewConfig("Overview", "Agent1", "spectator", None, ["pick"])
    whole.episode_renderer_config = uerl.EpisodeRendererConfig([view])
    text = json.dumps(whole.get_ue_config())
    assert json.dumps(UEEnvConfig.from_json(text).get_ue_config()) == text
    again = UEEnvConfig.from_json(text).agent_configs[0]
    assert again.sensor_configs == sensors and again.infos_configs == infos


def test_numbers_keep_their_form():
    given = readme()
    given["agent_configs"][0]["sensor_configs"][0]["fov"] = 70.0
    given["agent_configs"][0]["sensor_configs"][0]["max_distance"] = 15000
    text = json.dumps(given)
    assert '"fov": 70.0' in text and '"max_distance": 15000,' in text
    assert json.dumps(UEEnvConfig.from_json(text).get_ue_config()) == text


# Errors -------------------------------------------------------------------------------------------


def change(path: str, value) -> dict:
    """The README's config with one entry changed; the value `del` takes it away."""
    given = place = readme()
    *steps, last = path.split("/")
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    if value is change:
        del place[last]
    else:
        place[last] = value
    return given


CAMERA = "agent_configs/0/sensor_configs/0"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("launch", 1, r"launch unknown, expected only launch_settings, agent_configs, epi"),
        (f"{CAMERA}/widht", 8, r"^agent_configs\[0\]\.sensor_configs\[0\]\.widht unknown, .*width"),
        ("launch_settings/render_type", 1, r"launch_settings\.render_type unknown, .*map_name"),
        ("agent_configs/0/agent_id", change, r"agent_configs\[0\]\.agent_id is missing, .*text"),
        ("episode_renderer_config", change, r"^episode_renderer_config is missing"),
        (f"{CAMERA}/width", "42", r"sensor_configs\[0\]\.width '42', expected a whole number"),
        (f"{CAMERA}/width", True, r"width True, expected a whole number"),
        (f"{CAMERA}/fov", "wide", r"fov 'wide', expected a finite number"),
        (f"{CAMERA}/use_gpu", 1, r"use_gpu 1, expected true or false"),
        (f"{CAMERA}/name", None, r"name None, expected text"),
        (f"{CAMERA}/ue_class_name", "eye", r"ue_class_name 'eye', .*camera, distance_tracer, .*:"),
        (f"{CAMERA}/ue_class_name", change, r"ue_class_name None, expected one of camera"),
        (f"{CAMERA}/ue_class_name", "step_counter", r"'step_counter', expected one of camera"),
        ("launch_settings/specific_ip_port", [""], r"specific_ip_port has 1 entries, expected 2"),
        ("launch_settings/specific_ip_port", "x:1", r"specific_ip_port 'x:1', expected a list"),
        ("launch_settings", 3, r"^launch_settings 3, expected an object of UELaunchSettings"),
        ("agent_configs", [], r"agent_configs is empty"),
        ("agent_configs", readme()["agent_configs"] * 2, r"\[1\]\.agent_id 'Agent1' is taken"),
    ],
)
def test_json_that_is_wrong_is_refused_by_its_path_and_what_is_known(path, value, said):
    with pytest.raises(SpecError, match=said):
        UEEnvConfig.from_json(change(path, value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", r"config \[\], expected an object of UEEnvConfig"),
        ('{"a": NaN}', "NaN, which is not JSON"),
        ('{"a": 1, "a": 2}', "'a' twice"),
        ("[" * 100_000, "is not JSON"),
        (b"\xff", "is not JSON"),
    ],
)
def test_text_that_is_no_configuration_is_refused(text, said):
    with pytest.raises(SpecError, match=said):
        UEEnvConfig.from_json(text)


def test_values_of_a_wrong_type_in_python_are_named_before_the_engine_reads_them():
    wrong = config(agent(sensors=[camera(width=84.0)]))
    for use in (wrong.get_ue_config, lambda: uerl.env_spec(wrong), lambda: uerl.vec_env(wrong)):
        with pytest.raises(SpecError, match=r"sensor_configs\[0\]\.width 84\.0, expected a whole"):
            use()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (config(agent(sensors=[])), r"agent_configs\[0\]\.observation has no array"),
        (config(agent(sensors=[camera(), camera("CAMERA")])), r"\[1\]\.name 'CAMERA' is taken"),
        (config(agent("A"), agent("a")), r"agent_configs\[1\]\.agent_id 'a' is taken"),
        (config(agent(sensors=[camera(height=0)])), r"sensor_configs\[0\]\.shape \(0, 72, 3\)"),
        (config(agent(sensors=[camera("a/b")])), r"agent_configs\[0\]\..*'a/b' has a slash"),
        (config(agent(), tickfps=0), r"launch_settings\.tickfps 0, expected 1"),
        (config(), r"agent_configs is empty"),
    ],
)
def test_a_configuration_without_a_spec_is_refused_by_its_path(wrong, said):
    with pytest.raises(SpecError, match=said):
        uerl.env_spec(wrong)
