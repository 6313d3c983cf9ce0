"""Group and env specs: what they accept, what they refuse and how they say it, JSON and spaces."""

from __future__ import annotations

import copy
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

from uerl_shm import spec as spec_module
from uerl_shm import spec_checks
from uerl_shm.errors import LayoutMismatch, SpecError
from uerl_shm.spec import LAYOUT_VERSION, ArraySpec, EnvSpec, GroupSpec

LAYOUT_H = Path(__file__).parents[2] / "csrc" / "include" / "uerl_shm" / "layout.h"


CAMERA = ArraySpec.image(42, 42, 3)


VECTOR = ArraySpec.box(-1, 1, (4,))


MOVE = ArraySpec.box(-1, 1, (2,))


BAD_GROUPS = [
    ({"name": ""}, "name '', expected a name that is not empty"),
    ({"name": "Team A"}, "name 'Team A', expected only letters a-z, digits and underscores"),
    ({"name": "a/b"}, "name 'a/b' has a slash"),
    ({"name": "a" * 64}, "of 64 bytes, expected at most 63: shorten it by 1"),
    ({"name": 7}, "name 7, expected a name"),
    ({"observation": {}}, "observation has no array, expected at least 1"),
    ({"action": {}}, "action has no array, expected at least 1"),
    ({"observation": 5}, "observation 5, expected names and their ArraySpec"),
    ({"action": {"move": "f4"}}, "action.move 'f4', expected an ArraySpec"),
    ({"observation": {"a/b": CAMERA}}, "observation array 'a/b' has a slash"),
    ({"observation": {"": CAMERA}}, "observation array '', expected a name that is not empty"),
    ({"observation": {"a\n": CAMERA}}, "has a slash or a control character"),
    ({"observation": {"a\ud800": CAMERA}}, "has a slash or a control character"),
    ({"observation": {3: CAMERA}}, "observation array 3, expected a name"),
    ({"observation": {"c" * 46: CAMERA}}, "of 64 bytes, expected at most 63: shorten it by 1"),
    ({"observation": {"é" * 23: CAMERA}}, "of 64 bytes, expected at most 63: shorten it by 1"),
    ({"action": {"m" * 57: MOVE}}, "of 64 bytes, expected at most 63"),
    ({"info": {"i" * 53: VECTOR}}, "makes the field name 'final_info/iii"),
    ({"agents": 0}, "agents 0, expected 1 to 16777216"),
    ({"agents": 1.0}, "agents 1.0, expected a whole number"),
    ({"agents": True}, "agents True, expected a whole number"),
    ({"reward_dtype": "int32"}, "reward_dtype int32, expected float32 or float64"),
    ({"mask": "yes"}, "mask 'yes', expected true or false"),
]


BAD_ENVS = [
    ({"groups": ()}, "groups has 0 entries, expected 1 to 64"),
    ({"groups": [GroupSpec(f"g{i}", CAMERA, MOVE) for i in range(65)]}, "groups has 65 entries"),
    ({"groups": GroupSpec("a", CAMERA, MOVE)}, "expected a sequence of GroupSpec"),
    ({"groups": [CAMERA]}, "expected a GroupSpec"),
    (
        {"groups": [GroupSpec("a", CAMERA, MOVE)] * 2},
        "groups[1].name 'a' is taken, expected another",
    ),
    ({"parameters": {"a/b": 1}}, "parameter 'a/b' has a slash"),
    ({"parameters": {"p" * 54: 1}}, "of 64 bytes, expected at most 63"),
    ({"parameters": {"size": "big"}}, "parameters.size 'big', expected a finite number"),
    ({"parameters": {"size": np.nan}}, "parameters.size nan, expected a finite number"),
    ({"parameters": {"size": 10**400}}, "expected a finite number"),
    ({"parameters": [1]}, "parameters [1], expected names and their numbers"),
    ({"message_bytes": -1}, "message_bytes -1, expected 0 to 1048576"),
    ({"message_bytes": 1048577}, "message_bytes 1048577, expected 0 to 1048576"),
    ({"message_bytes": 4096.0}, "message_bytes 4096.0, expected a whole number"),
    (
        {"render": "depth"},
        "render 'depth' is not a picture of the first group, expected one of cam",
    ),
    ({"render": "state"}, "render 'state' is not a picture of the first group"),
    ({"render_fps": 0}, "render_fps 0, expected more than 0"),
    ({"render_fps": np.inf}, "render_fps inf, expected a finite number"),
    ({"name": "a\tb"}, "name 'a\\tb' has a slash or a control character"),
]


BAD_JSON = [
    ("{", "spec is not JSON, expected an object with groups: Expecting property name"),
    (b"\xff\xfe\xfa", "spec is not JSON"),
    ("[" * 100_000, "spec is not JSON"),
    ("[]", "spec [], expected an object"),
    ('{"groups": 3}', "groups 3, expected a list of objects"),
    ('{"name": "x"}', "groups None, expected a list of objects"),
    ('{"groups": [], "grops": []}', "grops unknown, expected only layout, name, groups"),
    ('{"groups": [], "groups": []}', "spec has 'groups' 2 times in one object, expected it once"),
    ('{"render_fps": NaN, "groups": []}', "spec has NaN, which is not JSON, expected a number"),
    ('{"render_fps": -Infinity, "groups": []}', "spec has -Infinity, which is not JSON"),
    ('{"groups": [5]}', "groups[0] 5, expected an object"),
    ('{"groups": [{}]}', "groups[0].observation is missing, expected an object of arrays"),
]


# A change to one good group, and the error with its path.
BAD_PATHS = [
    (["extra"], 1, "groups[0].extra unknown, expected only name, observation, action"),
    (["name"], "A", "groups[0].name 'A', expected only letters"),
    (["agents"], "2", "groups[0].agents '2', expected a whole number"),
    (["observation"], [1], "groups[0].observation [1], expected an object"),
    (["observation", "camera"], 7, "groups[0].observation.camera 7, expected an object"),
    (
        ["observation", "camera", "dtype"],
        "u9",
        "groups[0].observation.camera.dtype 'u9' is unknown",
    ),
    (["observation", "camera", "dtype"], None, "groups[0].observation.camera.dtype is missing"),
    (
        ["observation", "camera", "shape"],
        "ab",
        "groups[0].observation.camera.shape axis 'a', expected",
    ),
    (
        ["observation", "camera", "shape"],
        [0],
        "groups[0].observation.camera.shape (0,) has an axis",
    ),
    (
        ["observation", "camera", "size"],
        3,
        "groups[0].observation.camera.size unknown, expected only",
    ),
    (["observation", "camera", "kind"], "x", "groups[0].observation.camera.kind 'x' is unknown"),
    (["action", "move", "low"], "inf", "groups[0].action.move.low has elements of type <U3"),
    (["action", "move", "high"], -2, "groups[0].action.move.low -1.0 is above high -2.0"),
    (["info", "speed"], {"dtype": "f4"}, "groups[0].info.speed.shape is missing, expected it for"),
]


def group_json() -> dict:
    return json.loads(json.dumps(GroupSpec("agent", {"camera": CAMERA}, {"move": MOVE}).to_json()))


def refusal(build, *args, **kwargs) -> str:
    with pytest.raises(SpecError) as caught:
        build(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(("arguments", "text"), BAD_GROUPS)
def test_group_spec_refuses_and_says_what_was_found_and_expected(arguments, text):
    good = {"name": "agent", "observation": CAMERA, "action": MOVE}
    assert text in refusal(GroupSpec, **{**good, **arguments})


@pytest.mark.parametrize(("arguments", "text"), BAD_ENVS)
def test_env_spec_refuses_and_says_what_was_found_and_expected(arguments, text):
    group = GroupSpec("agent", {"camera": CAMERA, "state": VECTOR}, MOVE)
    assert text in refusal(EnvSpec, **{"groups": [group], **arguments})


@pytest.mark.parametrize(("text", "message"), BAD_JSON)
def test_json_that_is_not_a_spec_is_refused(text, message):
    assert message in refusal(EnvSpec.from_json, text)


@pytest.mark.parametrize(("path", "value", "message"), BAD_PATHS)
def test_json_error_begins_with_the_path_of_the_wrong_value(path, value, message):
    group = group_json()
    inner = group
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert refusal(EnvSpec.from_json, {"groups": [group]}).startswith(message)


def test_spec_of_another_layout_is_a_mismatch_that_names_both():
    with pytest.raises(LayoutMismatch, match="spec has layout 2, this uerl_shm reads 1: rebuild"):
        EnvSpec.from_json({"layout": 2, "groups": [group_json()]})


def test_longest_names_that_fit_in_a_field_name_are_accepted():
    group = GroupSpec("g" * 63, {"o" * 45: VECTOR}, {"a" * 56: MOVE}, info={"i" * 52: VECTOR})
    EnvSpec([group], parameters={"p" * 53: 1.0}, message_bytes=0)


def test_complex_array_has_no_space_and_the_error_names_its_path():
    assert "dtype complex64 has no gymnasium space" in refusal(ArraySpec((2,), "c8").space)
    group = GroupSpec("agent", {"wave": ArraySpec((2,), "c8")}, MOVE)
    assert refusal(group.observation_space).startswith("observation.wave.dtype complex64")


def test_bare_array_is_one_array_with_the_name_of_its_part():
    group = GroupSpec("agent", CAMERA, MOVE)
    assert group == GroupSpec("agent", {"observation": CAMERA}, {"action": MOVE})
    assert isinstance(group.observation_space(), spaces.Box)
    assert isinstance(group.action_space(), spaces.Box)


def test_several_arrays_make_a_dict_space_and_are_sorted_by_name():
    group = GroupSpec("agent", {"state": VECTOR, "camera": CAMERA}, MOVE)
    assert list(group.observation) == ["camera", "state"]
    assert group.observation_space() == spaces.Dict(camera=CAMERA.space(), state=VECTOR.space())


def test_one_named_array_makes_a_plain_space():
    group = GroupSpec("agent", {"camera": CAMERA}, {"move": ArraySpec.discrete(3)})
    assert group.observation_space() == CAMERA.space()
    assert group.action_space() == spaces.Discrete(3)


def test_arrays_and_parameters_cannot_be_changed_through_the_spec():
    spec = EnvSpec.single(CAMERA, MOVE, parameters={"size": 1})
    with pytest.raises(TypeError):
        spec.group.observation["depth"] = VECTOR
    with pytest.raises(TypeError):
        spec.parameters["size"] = 2


def two_groups() -> EnvSpec:
    return EnvSpec(
        [
            GroupSpec("hider", {"camera": CAMERA, "state": VECTOR}, MOVE, agents=2, mask=True),
            GroupSpec("seeker", VECTOR, ArraySpec.discrete(4), 3, {"speed": VECTOR}, "float64"),
        ],
        parameters={"size": 2.5, "apples": 10},
        message_bytes=512,
        name="hide and seek",
        render_fps=12.5,
    )


def test_env_spec_survives_json_files_and_pickle(tmp_path):
    spec = two_groups()
    spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == spec
    assert EnvSpec.from_json(spec.to_json().encode()) == spec
    assert EnvSpec.from_json(json.loads(spec.to_json())) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert copy.deepcopy(spec) == spec


def test_json_is_the_same_text_whatever_the_order_of_its_making():
    spec = two_groups()
    shuffled = EnvSpec(spec.groups, dict(reversed(spec.parameters.items())), 512, None, 12.5)
    assert shuffled != spec
    assert shuffled.to_json() == spec.to_json().replace("hide and seek", "")
    assert json.loads(spec.to_json())["layout"] == LAYOUT_VERSION


def test_errors_of_a_spec_file_begin_with_its_path(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text('{"groups": 1}')
    assert refusal(EnvSpec.load, path) == f"{path}: groups 1, expected a list of objects"


def test_all_keys_but_groups_observation_and_action_have_defaults():
    observation = {"camera": {"shape": [8, 8, 3], "dtype": "uint8"}}
    action = {"a": {"kind": "discrete", "nvec": [4]}}
    spec = EnvSpec.from_json({"groups": [{"observation": observation, "action": action}]})
    assert spec == EnvSpec.single(
        {"camera": ArraySpec((8, 8, 3), "uint8")}, {"a": ArraySpec.discrete(4)}
    )


def test_single_divides_its_arguments_between_the_group_and_the_env():
    spec = EnvSpec.single(CAMERA, MOVE, agents=2, mask=True, name="tennis", message_bytes=16)
    assert (spec.group.name, spec.group.agents, spec.group.mask) == ("agent", 2, True)
    assert (spec.name, spec.message_bytes, spec.agents) == ("tennis", 16, 2)


def test_the_only_group_is_refused_when_there_are_two():
    spec = two_groups()
    assert spec.agents == 5
    assert "spec has the groups hider, seeker, expected one" in refusal(lambda: spec.group)


def test_first_picture_is_rendered_when_no_name_is_given():
    assert EnvSpec.single({"z": CAMERA, "b": CAMERA, "a": VECTOR}, MOVE).render == "b"
    assert EnvSpec.single({"z": CAMERA, "b": CAMERA}, MOVE, render="z").render == "z"
    assert EnvSpec.single(ArraySpec.image(8, 8, 4), MOVE).render is None
    assert EnvSpec.single(VECTOR, MOVE).render is None


def test_limits_agree_with_the_layout_header():
    text = LAYOUT_H.read_text()
    limits = dict(re.findall(r"UERL_(MAX_\w+|NAME_BYTES) = ([\d <]+)", text))
    assert limits["MAX_DIMS"] == str(spec_checks.MAX_DIMS)
    assert limits["NAME_BYTES"] == str(spec_checks.MAX_NAME_BYTES + 1)
    assert limits["MAX_GROUPS"] == str(spec_module.MAX_GROUPS)
    assert limits["MAX_ROWS"] == f"1 << {spec_module.MAX_ROWS.bit_length() - 1}"
    assert limits["MAX_MESSAGE_BYTES"] == f"1 << {spec_module.MAX_MESSAGE_BYTES.bit_length() - 1}"
    version = re.search(r"UERL_LAYOUT_VERSION UINT32_C\((\d+)\)", text)
    assert version is not None
    assert LAYOUT_VERSION == int(version.group(1))
    dtypes = {name.lower() for name in re.findall(r"UERL_DTYPE_(\w+) = ", text)}
    assert set(spec_checks.DTYPES) == dtypes
