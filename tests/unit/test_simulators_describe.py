"""What the bundled simulators say of themselves, and how they refuse."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from uerl_shm.spec import EnvSpec

UERL_SIM = Path(__file__).resolve().parents[2] / "uerl_shm" / "bin" / "uerl-sim"
SCENES = ["basic", "apples", "tennis", "gather", "probe"]


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("UERL_SHM_")}
    return subprocess.run(
        [UERL_SIM, *words], capture_output=True, text=True, timeout=30, env=clean | environ
    )


def describe(tmp_path: Path, *words: str) -> EnvSpec:
    path = tmp_path / "spec.json"
    done = run(*words, "--describe", str(path))
    assert done.returncode == 0, done.stderr
    return EnvSpec.load(path)


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_describes_itself(tmp_path: Path, scene: str) -> None:
    spec = describe(tmp_path, scene)
    assert spec.name == scene
    assert EnvSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("scene", SCENES)
def test_the_environment_asks_for_the_same_description(tmp_path: Path, scene: str) -> None:
    path = tmp_path / "asked.json"
    assert run(scene, UERL_SHM_DESCRIBE=str(path)).returncode == 0
    assert EnvSpec.load(path) == describe(tmp_path, scene)


def test_basic_has_the_arrays_of_the_known_task(tmp_path: Path) -> None:
    group = describe(tmp_path, "basic").group
    assert group.observation_space().shape == (20,)
    assert group.action_space().n == 3


def test_tennis_is_one_group_of_two(tmp_path: Path) -> None:
    group = describe(tmp_path, "tennis").group
    assert (group.agents, group.mask) == (2, False)
    assert group.observation_space().shape == (12,)


def test_gather_is_two_groups_with_masks_and_different_observations(tmp_path: Path) -> None:
    spec = describe(tmp_path, "gather", "--agents", "3", "--actions=discrete")
    assert [(g.name, g.agents, g.mask) for g in spec.groups] == [
        ("red", 3, True),
        ("blue", 3, True),
    ]
    red, blue = spec.groups
    assert red.observation_space() != blue.observation_space()
    assert red.action_space().n == blue.action_space().n == 5
    assert spec.parameters == {"num_food": 12.0}


def test_probe_has_the_arrays_of_its_command_line(tmp_path: Path) -> None:
    spec = describe(
        tmp_path, "probe", "--groups=2", "--agents=3", "--reward-dtype=float64",
        "--observation=a:int16:2x3", "--observation=b:complex64:scalar", "--action=c:float64:5",
        "--info=d:bool:7",
    )  # fmt: skip
    assert [group.name for group in spec.groups] == ["group_0", "group_1"]
    for group in spec.groups:
        shapes = {name: (a.shape, a.dtype.name) for name, a in group.observation.items()}
        assert shapes == {"a": ((2, 3), "int16"), "b": ((), "complex64")}
        assert group.action_space().shape == (5,)
        assert set(group.info) == {"d", "step", "episode", "action_sum", "seed", "lane", "received"}
        assert (group.agents, group.reward_dtype) == (3, "float64")


def test_help_lists_scenes_options_and_an_example() -> None:
    text = run("--help").stdout
    assert all(f"    {scene} " in text for scene in SCENES)
    assert "Example" in text
    for scene in SCENES:
        done = run(scene, "--help")
        assert done.returncode == 0
        assert "--step-us" in done.stdout
        assert f"uerl-sim {scene}" in done.stdout.split("Example")[1]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], "scene is missing"),
        (["chess"], "scene is 'chess', expected one of basic, apples, tennis, gather, probe"),
        (["basic", "--speed", "3"], "option is '--speed'"),
        (["basic", "--lane"], "option --lane has no value"),
        (["basic", "--lane", "-1"], "option --lane is '-1'"),
        (["basic", "--frame", "84x84"], "option is '--frame'"),
        (["apples", "--frame", "84"], "--frame is '84'"),
        (["gather", "--rewards", "none"], "option --rewards is 'none'"),
        (["probe", "--observation", "a:float:3"], "expected a dtype"),
        (["basic", "--help=yes"], "option --help has a value"),
    ],
)
def test_a_bad_command_line_is_refused_in_one_line(words: list[str], found: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert found in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("uerl-sim: ")


def test_a_spec_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "missing" / "spec.json")
    done = run("basic", "--describe", path)
    assert done.returncode == 1
    assert path in done.stderr


def test_a_segment_that_does_not_come_is_an_error_that_names_it() -> None:
    done = run("basic", "--name", "uerl-nobody-made-this", "--attach-timeout-s", "0")
    assert done.returncode == 1
    assert "uerl-nobody-made-this" in done.stderr


def test_without_any_segment_name_the_remedy_is_told() -> None:
    done = run("basic")
    assert done.returncode == 1
    assert "UERL_SHM_NAME" in done.stderr


def test_descriptions_are_plain_json_objects(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    run("apples", "--describe", str(path))
    assert json.loads(path.read_text())["layout"] == 1
