"""UERL's configuration as it is: its JSON byte for byte, its defaults, and what we make of it."""

from __future__ import annotations

import inspect
import json
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from uerl_shm import ArraySpec, VecEnv, uerl
from uerl_shm.errors import SpecError
from uerl_shm.uerl import AgentConfig, CameraSensorConfig, FVector, UEEnvConfig, UELaunchSettings

README = Path(__file__).parents[1] / "unreal" / "uerl_readme.json"


def readme() -> dict:
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


def array_of(component) -> ArraySpec:
    spec = uerl.env_spec(config(agent(sensors=[component])))
    return spec.group.observation[component.name]


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


# UERL's defaults: keyword arguments in their order -----------------------------------------------

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


# Arrays -------------------------------------------------------------------------------------------


def test_a_camera_that_is_not_square_has_rows_before_columns():
    assert array_of(camera(width=84, height=48)) == ArraySpec.image(48, 84, 3)
    assert array_of(camera(width=84, height=48, grayscale=True)) == ArraySpec.image(48, 84, 1)
    assert array_of(camera(width=8, height=4, frame_stack_size=3)).shape == (4, 8, 9)


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (uerl.DistanceTracerSensorConfig("x"), ArraySpec.box(0, 1, (10,))),
        (
            uerl.DistanceTracerSensorConfig("x", num_traces=30, should_normalise=False),
            ArraySpec.box(0, 3700, (30,)),
        ),
        (
            uerl.DistanceTracerSensorConfig("x", frame_stack_size=3),
            ArraySpec.box(0, 1, (30,)),
        ),
        (
            uerl.DistanceTracerSensorConfig("x", frame_stack_size=3, output_stacked_shape=True),
            ArraySpec.box(0, 1, (10, 3)),
        ),
        (uerl.RotationSensorConfig("x"), ArraySpec.box(0, 1, (2,))),
        (
            uerl.RotationSensorConfig("x", only_z=False, zero_centered=True),
            ArraySpec.box(-1, 1, (6,)),
        ),
        (uerl.LocationSensorConfig("x", True), ArraySpec.box(0, 1, (3,))),
        (uerl.LocationSensorConfig("x", False), ArraySpec.box(None, None, (3,))),
        (uerl.VelocitySensorConfig("x"), ArraySpec.box(-1, 1, (3,))),
        (uerl.VelocitySensorConfig("x", zero_centered=False), ArraySpec.box(0, 1, (3,))),
        (uerl.VelocitySensorConfig("x", should_normalise=False), ArraySpec.box(None, None, (3,))),
    ],
)
def test_a_sensors_config_tells_its_array(component, expected):
    assert array_of(component) == expected


def test_the_readmes_config_makes_a_spec():
    spec = uerl.env_spec(UEEnvConfig.from_json(readme()))
    assert (spec.name, spec.render, spec.render_fps) == ("CollectApplesMap", "camera_cpu", 20)
    assert spec.group.observation_space() == gymnasium.spaces.Box(0, 255, (42, 42, 3), np.uint8)
    assert spec.group.action_space() == gymnasium.spaces.MultiDiscrete([2] * 5)


def test_agents_with_equal_arrays_are_rows_of_one_group():
    alike = config(agent("Red"), agent("Blue"))
    assert uerl.agent_groups(alike) == {"agent": ["Red", "Blue"]}
    assert uerl.env_spec(alike).group.agents == 2
    mixed = config(agent("Hider-1"), agent("Seeker", [camera("eye")]), agent("Hider-2"))
    assert uerl.agent_groups(mixed) == {"hider_1": ["Hider-1", "Hider-2"], "seeker": ["Seeker"]}
    groups = uerl.env_spec(mixed).groups
    assert [(group.name, group.agents) for group in groups] == [("hider_1", 2), ("seeker", 1)]


def test_groups_whose_names_would_be_one_are_told_apart():
    twins = config(agent("A"), agent("a", [camera("eye")]))
    assert uerl.agent_groups(twins) == {"a": ["A"], "a_1": ["a"]}


def test_a_spectators_pictures_are_infos():
    spectator = uerl.SpectatorCameraConfig("spectator", "", width=8, height=6)
    group = uerl.env_spec(config(agent(infos_configs=[spectator]))).group
    assert list(group.observation) == ["camera"]
    assert group.info["spectator"] == ArraySpec.image(6, 8, 3)


def test_components_of_ones_own_tell_their_array_or_the_agents_space_does():
    @dataclass
    class SonarConfig(uerl.SensorConfig):
        num_beams: int = 4
        ue_class_name = "sonar"

        def array(self):
            return ArraySpec.box(0, 1, (self.num_beams,))

    @dataclass
    class WheelConfig(uerl.ActuatorConfig):
        ue_class_name = "wheel"

    wheels = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    own = config(agent(sensors=[SonarConfig("sonar", 7)], actuators=[WheelConfig("wheel")]))
    with pytest.raises(SpecError, match=r"agent_configs\[0\]\.actuator_configs\[0\].*array\(\)"):
        uerl.env_spec(own)
    own.agent_configs[0].action_space = wheels
    group = uerl.env_spec(own).group
    assert group.observation["sonar"].shape == (7,)
    assert group.action["wheel"] == ArraySpec.box(-1, 1, (2,))
    own.agent_configs[0].actuator_configs = [WheelConfig("front"), WheelConfig("rear")]
    own.agent_configs[0].action_space = gymnasium.spaces.Dict({"front": wheels, "rear": wheels})
    assert list(uerl.env_spec(own).group.action) == ["front", "rear"]
    text = json.dumps(own.get_ue_config())
    assert json.dumps(UEEnvConfig.from_json(text).get_ue_config()) == text


def test_a_class_that_inherits_its_name_is_read_as_the_one_that_has_it():
    @dataclass
    class NightCamera(CameraSensorConfig):
        gain: float = 1.0

    assert NightCamera("camera", "Eye").ue_class_name == "camera"
    read = UEEnvConfig.from_json(readme()).agent_configs[0].sensor_configs[0]
    assert type(read) is CameraSensorConfig


def test_an_action_space_that_is_not_the_actuators_is_refused():
    def space(value):
        return config(agent(action_space=value))

    uerl.env_spec(space(gymnasium.spaces.MultiDiscrete([2] * 5, dtype=np.int32)))
    with pytest.raises(SpecError, match=r"action_space .*, expected MultiDiscrete.* 'keys'"):
        uerl.env_spec(space(gymnasium.spaces.MultiDiscrete([2] * 4)))


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
        (config(agent(sensors=[camera(), camera()])), r"sensor_configs\[1\]\.name 'camera' is tak"),
        (config(agent(sensors=[camera(height=0)])), r"sensor_configs\[0\]\.shape \(0, 72, 3\)"),
        (config(agent(sensors=[camera("a/b")])), r"agent_configs\[0\]\..*'a/b' has a slash"),
        (config(agent(), tickfps=0), r"launch_settings\.tickfps 0, expected 1"),
        (config(), r"agent_configs is empty"),
    ],
)
def test_a_configuration_without_a_spec_is_refused_by_its_path(wrong, said):
    with pytest.raises(SpecError, match=said):
        uerl.env_spec(wrong)


# The command line ---------------------------------------------------------------------------------

ALWAYS = ["-unattended"]
FIXED = ["-UseFixedTimeStep", "-FPS=20"]
NULL_RHI = ["-nullrhi", "-onethread", "-NoVSync", "-ReduceThreadUsage"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [*ALWAYS, *NULL_RHI, "-nosound", *FIXED]),
        ({"no_sound": False, "tickfps": 60}, [*ALWAYS, *NULL_RHI, FIXED[0], "-FPS=60"]),
        (
            {"render_type": uerl.RenderType.GPU_ON_SCREEN},
            [*ALWAYS, "-WINDOWED", "-ResX=320", "-ResY=240", "-nosound", *FIXED],
        ),
        (
            {
                "render_type": uerl.RenderType.GPU_OFF_SCREEN,
                "window_res_x": 64,
                "window_res_y": 48,
            },
            [
                *ALWAYS,
                *("-WINDOWED", "-ResX=64", "-ResY=48", "-RenderOffscreen"),
                "-nosound",
                *FIXED,
            ],
        ),
    ],
)
def test_launch_settings_become_the_engines_arguments(settings, expected):
    launch = UELaunchSettings("Map", executable_path="/games/apples.sh", **settings)
    assert uerl.launch_arguments(launch) == expected
    assert uerl.command(launch) == ["/games/apples.sh", "Map", *expected]


def test_the_bundled_simulator_takes_its_scene_as_the_map():
    launch = UELaunchSettings("apples", executable_path="uerl-sim")
    assert uerl.command(launch) == ["uerl-sim", "apples"]
    launch = UELaunchSettings("", executable_path="uerl-sim apples --episode-steps 9")
    assert uerl.command(launch) == ["uerl-sim", "apples", "--episode-steps", "9"]


def test_an_engine_without_an_executable_attaches_by_itself():
    assert uerl.command(UELaunchSettings("Map")) is None
    with pytest.raises(SpecError, match=r"executable_path is empty, .* give name="):
        uerl.vec_env(config(agent()))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"specific_ip_port": ("10.0.0.1", 33333)},
            r"specific_ip_port .*33333.*UERL_SHM_NAME=NAME",
        ),
        ({"executable_path": "'game"}, r"executable_path \"'game\" is no command line"),
        ({"executable_path": "game", "window_res_x": 0}, r"window_res_x 0, expected 1"),
        ({"executable_path": "game", "render_type": 1}, r"render_type 1, .*GPU_OFF_SCREEN"),
    ],
)
def test_launch_settings_that_are_wrong_are_named(settings, said):
    with pytest.raises(SpecError, match=said):
        uerl.command(UELaunchSettings("Map", **settings))


def test_an_address_without_a_port_is_none_as_in_uerl():
    for address in (None, ("", -1), ("10.0.0.1", -1)):
        launch = UELaunchSettings("Map", executable_path="game", specific_ip_port=address)
        assert uerl.command(launch)[:2] == ["game", "Map"]


# The env ------------------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch):
    """What `vec_env` makes a VecEnv of."""
    calls = []
    monkeypatch.setattr(uerl, "VecEnv", lambda *args, **options: calls.append((args, options)))
    return calls


def test_the_engine_is_told_uerls_json_and_the_rows_of_its_agents(made):
    both = config(agent("A"), agent("B"), executable_path="/games/apples.sh")
    uerl.vec_env(both, 4, slots=9)
    (args, options) = made[0]
    assert args == (uerl.command(both.launch_settings), 4)
    assert options["engine"] == {**both.get_ue_config(), "agent_groups": {"agent": ["A", "B"]}}
    assert options["spec"].to_json() == uerl.env_spec(both).to_json() and options["slots"] == 9


def test_hooks_of_python_classes_and_videos_are_said_to_do_nothing(made):
    class Picky(uerl.UEAgent):
        def combine_processed_observations(self, observations):
            return observations["camera"]

    class Derived(Picky):
        pass

    whole = config(agent("A", python_class=Derived), agent("B"), executable_path="game")
    with pytest.warns(UserWarning, match=r"^Derived\.combine_processed_observations\(\) is not"):
        uerl.vec_env(whole)
    whole = config(agent(), executable_path="game")
    whole.episode_renderer_config = uerl.EpisodeRendererConfig([])
    with pytest.warns(UserWarning, match=r"^episode_renderer_config makes no video"):
        uerl.vec_env(whole)
    assert len(made) == 2


def test_what_the_configuration_decides_cannot_be_given_twice():
    for name in ("engine", "spec", "simulator"):
        with pytest.raises(TypeError, match=name):
            uerl.vec_env(config(agent(), executable_path="game"), **{name: None})


def test_engines_of_uerls_configuration_step_as_any_others():
    move = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    @dataclass
    class MoveConfig(uerl.ActuatorConfig):
        ue_class_name = "move_of_a_test"

    scene = config(
        agent(
            sensors=[camera(width=24, height=12)],
            actuators=[MoveConfig("move")],
            action_space=move,
        ),
        executable_path="uerl-sim apples --frame 24x12",
    )
    scene.launch_settings.map_name = ""
    plain = "uerl-sim apples --frame 24x12"
    with closing(uerl.vec_env(scene, 2)) as env, closing(VecEnv(plain, 2)) as other:
        observation, _ = env.reset(seed=3)
        expected, _ = other.reset(seed=3)
        assert observation.shape == (2, 12, 24, 3)
        assert np.array_equal(observation, expected)
        action = env.action_space.sample()
        for one, two in zip(env.step(action)[:4], other.step(action)[:4], strict=True):
            assert np.array_equal(one, two)
