"""UERL's configuration drives the plugin as it is: its README, its errors, its console line."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from uerl_support import KEYS

import uerl_shm
from uerl_shm import uerl
from uerl_shm.errors import UerlError
from uerl_shm.uerl_launch import launch_arguments

HERE = Path(__file__).resolve().parent
README = (HERE / "uerl_readme.json").read_text()


def readme_config(engine) -> uerl.UEEnvConfig:
    """What UERL's README configures, with the stand-in as its game."""
    config = uerl.UEEnvConfig.from_json(README)
    config.launch_settings.executable_path = str(engine)
    return config


def test_the_configuration_of_uerls_readme_runs_as_it_is(engine):
    config = readme_config(engine)
    assert json.loads(README)["agent_configs"] == config.get_ue_config()["agent_configs"]
    with contextlib.closing(uerl.vec_env(config, 2, startup_timeout_s=20)) as env:
        observation, _ = env.reset(seed=0)
        assert observation.shape == (2, 42, 42, 3)
        rewards, truncations = np.zeros(2), []
        for _ in range(350):
            observation, reward, terminated, truncated, _ = env.step(
                np.array([KEYS["forward"], KEYS["right"]])
            )
            rewards += reward
            truncations.append(truncated.copy())
            assert not terminated.any()
        assert rewards.tolist() == [2, 0]  # both apples stand before the first robot
        assert np.sum(truncations, axis=0).tolist() == [1, 1]
        assert truncations[349].all()  # max_step_count
        assert np.unique(observation[1].reshape(-1, 3), axis=0).shape[0] > 1  # it turns: a wall


def said_of(engine, change, **training):
    """The error that a changed configuration brings."""
    config = readme_config(engine)
    told = uerl.engine_config(config)
    told["training"] |= training
    change(told["agent_configs"][0])
    command = [str(engine), "CollectApplesMap", *launch_arguments(config.launch_settings)]
    with pytest.raises(UerlError) as caught:
        uerl_shm.VecEnv(command, 1, spec=uerl.env_spec(config), engine=told, startup_timeout_s=20)
    return str(caught.value)


def test_everything_that_is_unknown_is_told_in_one_error(engine):
    def change(agent):
        agent["agent_ue_class"] = "/Game/BP_Nobody.BP_Nobody_C"
        agent["spawn_point_name"] = "Nowhere"
        agent["sensors"] = []
        agent["sensor_configs"][0]["widht"] = 3
        agent["sensor_configs"].append({"name": "x", "ue_class_name": "smell"})
        agent["actuator_configs"][0]["ue_class_name"] = "wings"
        agent["rewarder_configs"].append({"name": "y"})
        agent["terminator_configs"].append(
            {"name": "z", "ue_class_name": "actors_finished", "actors_class_to_check": "Unicorn"}
        )
        agent["infos_configs"] = [{"name": "i", "ue_class_name": "telescope"}, 7]

    said = said_of(engine, change)
    for text in [
        "actor class '/Game/BP_Nobody.BP_Nobody_C' not found",
        "spawn point 'Nowhere' not found",
        "agent Agent1 has the key 'sensors', which is unknown",
        "sensor_configs[0] has the key 'widht', which is unknown",
        "sensor_configs[1]: 'smell' not found, expected one of:",
        "actuator_configs[0]: 'wings' not found, expected one of:",
        "rewarder_configs[1]: a part without 'ue_class_name'",
        "terminator_configs[1] has 'actors_class_to_check': actor class 'Unicorn' not found",
        "infos_configs[0]: 'telescope' not found, expected one of:",
        "infos_configs[1] is of another type, expected an object",
    ]:
        assert text in said
    assert "distance_tracer" in said.split("infos_configs[0]")[1]  # an info may be a sensor


# Kinds, what is wrong with them, and what is said of that.
WRONG = [
    (
        {"ue_class_name": "location", "minimum_location": [1, 2, 3]},
        "'minimum_location' of another type, expected an object of numbers: x y z",
    ),
    (
        {"ue_class_name": "location", "maximum_location": {"x": 1, "y": 2, "z": 3, "w": 4}},
        "'maximum_location' of another type, expected an object of numbers: x y z",
    ),
    (
        {"ue_class_name": "distance_tracer", "rotation": {"roll": 1, "yaw": "2", "pitch": 3}},
        "'rotation' of another type, expected an object of numbers: roll yaw pitch",
    ),
    ({"ue_class_name": "location", "normalise": True}, "in a room of 0 x 0 x 0 cm"),
    (
        {"ue_class_name": "velocity_sensor", "max_velocity": 0},
        "a greatest velocity of 0 cm/s, expected more than 0",
    ),
    (
        {"ue_class_name": "distance_tracer", "trace_channel": "smell"},
        "trace channel 'smell' not found, expected one of: Visibility Camera",
    ),
    (
        {"ue_class_name": "distance_tracer", "trace_length": 0},
        "10 rays of 0 cm in 1 frames, expected more than 0 of each",
    ),
    ({"ue_class_name": "camera", "frame_stack_size": 0}, "expected a whole number from 1 to"),
]


def test_values_that_will_not_do_are_named(engine):
    def change(agent):
        agent["agent_ue_class"] = "GameAgent"
        agent["infos_configs"] = [{"name": "empty", "ue_class_name": "sensor"}]
        for index, (sensor, _) in enumerate(WRONG):
            agent["sensor_configs"].append({"name": f"wrong{index}", **sensor})

    said = said_of(engine, change, resolution=[1 << 32, 240])
    assert "'resolution' of another type, expected a list of whole numbers of 32 bits" in said
    assert "is no character, expected an ACharacter" in said
    assert "empty: no sensor is set" in said
    for _, text in WRONG:
        assert text in said


def play(engine, tmp_path, line, *words):
    """What the game says when a person types a line into its console."""
    file = tmp_path / "line"
    file.write_text(line + "\n")
    command = [engine, "CollectApplesMap", f"-ShimConsole={file}", "-ShimTicks=12", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout


@pytest.mark.parametrize("name", ["ML.HumanStart", "Uerl.HumanStart", "ml.humanstart"])
def test_a_person_plays_what_uerls_console_line_configures(engine, tmp_path, name):
    line = uerl.UEEnvConfig.from_json(README).get_ue_human_mode_command()
    assert line == f"ML.HumanStart {README.strip()}"
    out = play(engine, tmp_path, line.replace("ML.HumanStart", name), "-ShimKeys=W")
    assert "agent Agent1 has been spawned" in out
    assert "agent Agent1 plays by itself" in out
    places = [text for text in out.splitlines() if text.startswith("Game: Agent1 at")]
    # 20 cm a tick; the keys that are read in one tick move in the next.
    assert places[-3:] == [
        "Game: Agent1 at 120 0 0, step 7, sum 0",
        "Game: Agent1 at 140 0 0, step 8, sum 1",
        "Game: Agent1 at 160 0 0, step 9, sum 1",
    ]


def test_a_second_console_line_replaces_what_the_first_one_spawned(engine, tmp_path):
    line = uerl.UEEnvConfig.from_json(README).get_ue_human_mode_command()
    out = play(engine, tmp_path, f"{line}\n{line.replace('Agent1', 'Tilted')}")
    last = [text for text in out.splitlines() if text.startswith("Game:")][-1]
    assert last.startswith("Game: Tilted at 0 3000 100")
    assert out.count("has been spawned") == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ML.HumanStart {", "got no JSON"),
        ("ML.HumanStart", "got no JSON"),
        ('ML.HumanStart {"agent_configs": []}', "agent_configs is empty"),
        (
            'ML.HumanStart {"agent_configs": [{"agent_id": "A", "agent_ue_class": "Ghost"}]}',
            "actor class 'Ghost' not found",
        ),
    ],
)
def test_a_console_line_that_will_not_do_says_why(engine, tmp_path, line, said):
    out = play(engine, tmp_path, line)
    assert said in out
    assert "ticks=12" in out
