"""From UERL's configuration to arrays, a command line and a running env."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest

from support.uerl_configs import agent, camera, config, readme
from uerl_shm import ArraySpec, VecEnv, uerl
from uerl_shm.errors import SpecError
from uerl_shm.uerl import CameraSensorConfig, UEEnvConfig, UELaunchSettings


def array_of(component) -> ArraySpec:
    spec = uerl.env_spec(config(agent(sensors=[component])))
    return spec.group.observation[component.name]


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
    alike = config(agent("Red"), agent("blue"))
    assert uerl.agent_groups(alike) == {"agent": ["blue", "Red"]}  # as the plugin sorts them
    assert uerl.env_spec(alike).group.agents == 2
    mixed = config(agent("Hider-1"), agent("Seeker", [camera("eye")]), agent("Hider-2"))
    assert uerl.agent_groups(mixed) == {"hider_1": ["Hider-1", "Hider-2"], "seeker": ["Seeker"]}
    groups = uerl.env_spec(mixed).groups
    assert [(group.name, group.agents) for group in groups] == [("hider_1", 2), ("seeker", 1)]


def test_groups_whose_names_would_be_one_are_told_apart():
    twins = config(agent("A-1"), agent("A_1", [camera("eye")]))
    assert uerl.agent_groups(twins) == {"a_1": ["A-1"], "a_1_1": ["A_1"]}


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
            r"specific_ip_port .*33333.*-UerlShm=NAME",
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


def test_the_engine_is_told_uerls_json_the_groups_and_the_frame_rate(made):
    mixed = config(agent("A"), agent("B", [camera("eye")]), executable_path="game", tickfps=30)
    uerl.vec_env(mixed, 4, slots=9)
    ((args, options),) = made
    assert args == (uerl.command(mixed.launch_settings), 4)
    told = options["engine"]
    assert [entry.pop("group") for entry in told["agent_configs"]] == ["a", "b"]
    assert told.pop("training") == {"fixed_fps": 30}
    assert json.dumps(told) == json.dumps(mixed.get_ue_config())
    assert options["spec"].to_json() == uerl.env_spec(mixed).to_json() and options["slots"] == 9


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
    with pytest.warns(
        UserWarning,
        match=r"^episode_renderer_config makes no video by itself",
    ):
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
