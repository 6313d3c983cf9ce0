"""Array specs: what they accept, what they refuse and how they say it, JSON and spaces."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from gymnasium import spaces

from uerl_shm import spec_checks
from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import SpecError


def given(shape, dtype, **rest) -> dict:
    return {"shape": shape, "dtype": dtype, **rest}


def refusal(build, *args, **kwargs) -> str:
    with pytest.raises(SpecError) as caught:
        build(*args, **kwargs)
    return str(caught.value)


EVERY_ARRAY = [
    *(ArraySpec((2, 3), dtype) for dtype in spec_checks.DTYPES),
    ArraySpec((), "float64", low=0),
    ArraySpec.box(0.1, 0.7, (3,), "float32"),
    ArraySpec.box(0.1, 0.7, (3,), "float16"),
    ArraySpec.box([0, -np.inf], [np.inf, 0.3], (2,)),
    ArraySpec.box([0, None], [None, 2**63 - 1], (2,), "int64"),
    ArraySpec.box(0, 2**64 - 1, (2,), "uint64"),
    ArraySpec.box(np.arange(6).reshape(2, 3), 9, (2, 3), "uint8"),
    ArraySpec.box(False, [True, False], (2,), "bool"),
    ArraySpec.discrete(5),
    ArraySpec.discrete(5, start=-2),
    ArraySpec((), "uint8", kind="discrete", nvec=255),
    ArraySpec.multi_discrete([3, 4]),
    ArraySpec.multi_discrete([[1, 2], [3, 4]]),
    ArraySpec((2,), "int16", kind="multi_discrete", nvec=(3, 4), start=(-1, 7)),
    ArraySpec.multi_binary(6),
    ArraySpec.multi_binary((2, 3)),
    ArraySpec.image(8, 9, 1),
    ArraySpec.image(8, 9, 1, "float32"),
]


BAD_ARRAYS = [
    (given((3,), object), "dtype object holds pointers, expected elements of a fixed"),
    (
        given((3,), ">f4"),
        "dtype >f4 is big-endian, expected little-endian: use float32",
    ),
    (given((3,), "U8"), "dtype <U8 is not supported, expected one of bool, int8"),
    (given((3,), "longdouble"), "is not supported"),
    (given((3,), "pixels"), "dtype 'pixels' is unknown, expected one of bool"),
    (given((3,), None), "dtype None is unknown"),
    (given((3, 0), "int8"), "shape (3, 0) has an axis of 0, expected at least 1"),
    (given((-2,), "int8"), "shape (-2,) has an axis of -2, expected at least 1"),
    (given((1,) * 9, "int8"), "has 9 axes, expected at most 8"),
    (given(3, "int8"), "shape 3, expected a sequence of whole numbers"),
    (given((2.5,), "int8"), "shape axis 2.5, expected a whole number"),
    (given((True,), "int8"), "shape axis True, expected a whole number"),
    (
        given((3,), "int8", kind="boxes"),
        "kind 'boxes' is unknown, expected one of box",
    ),
    (given((3,), "f4", low=[1, 2]), "low has shape (2,), expected () or (3,)"),
    (
        given((3,), "f4", high=[[1, 2, 3]]),
        "high has shape (1, 3), expected () or (3,)",
    ),
    (
        given((2,), "f4", low=2, high=1),
        "low 2.0 is above high 1.0, expected low <= high",
    ),
    (given((2,), "i1", low=[0, 5], high=[9, 4]), "low 5 is above high 4"),
    (given((2,), "f4", low=np.nan), "low has a NaN, expected numbers"),
    (given((2,), "f4", high=[1, np.nan]), "high has a NaN, expected numbers"),
    (
        given((2,), "f4", low=np.inf),
        "low is inf, expected a value that something can",
    ),
    (
        given((2,), "f4", high=-np.inf),
        "high is -inf, expected a value that something",
    ),
    (given((2,), "f4", low="a"), "low has elements of type <U1, expected numbers"),
    (given((2,), "f4", low=[[1], [2, 3]]), "low is a ragged list"),
    (
        given((2,), "f4", high=1e39),
        "high 1e+39 does not fit in float32: use a wider",
    ),
    (given((2,), "u1", low=-1), "low -1 does not fit in uint8, expected 0 to 255"),
    (
        given((2,), "u1", high=256),
        "high 256 does not fit in uint8, expected 0 to 255",
    ),
    (
        given((2,), "i8", high=2.0**63),
        "high 9223372036854775808 does not fit in int64",
    ),
    (given((2,), "u1", high=0.5), "high has a fraction, expected whole numbers"),
    (given((2,), "bool", high=2), "high 2 does not fit in bool, expected 0 to 1"),
    (given((2,), "c8", low=0), "low is given for complex64, which has no order"),
    (
        given((2,), "f4", nvec=(2, 2)),
        "nvec is given for a box array, expected none",
    ),
    (given((2,), "f4", start=1), "start is given for a box array, expected none"),
    (given((), "i8", kind="discrete"), "nvec None, expected whole numbers"),
    (
        given((), "i8", kind="discrete", nvec=(2, 3)),
        "nvec has shape (2,), expected (1,)",
    ),
    (
        given((), "i8", kind="discrete", nvec=0),
        "nvec of int64 has 0, expected 1 to 9223372036854775807",
    ),
    (
        given((), "i8", kind="discrete", nvec=1.5),
        "nvec 1.5, expected whole numbers",
    ),
    (
        given((), "i8", kind="discrete", nvec=True),
        "nvec True, expected whole numbers",
    ),
    (
        given((1,), "i8", kind="discrete", nvec=2),
        "expected (): use multi_discrete",
    ),
    (
        given((), "f4", kind="discrete", nvec=2),
        "dtype float32 of a discrete array",
    ),
    (
        given((), "i1", kind="discrete", nvec=128),
        "nvec of int8 has 128, expected 1 to 127",
    ),
    (
        given((), "u1", kind="discrete", nvec=2, start=-1),
        "reach from -1 to 0, expected 0",
    ),
    (
        given((), "i8", kind="discrete", nvec=2, start=[1]),
        "start has shape (1,), expected",
    ),
    (
        given((), "i8", kind="discrete", nvec=2, start=None),
        "start None, expected whole",
    ),
    (
        given((), "i8", kind="discrete", nvec=2**62, start=2**62 + 1),
        "use a wider dtype",
    ),
    (
        given((), "i8", kind="discrete", nvec=2, low=0),
        "low is given for a discrete array",
    ),
    (
        given((3,), "i8", kind="multi_discrete", nvec=(2, 3)),
        "nvec has shape (2,), expected",
    ),
    (
        given((2,), "i8", kind="multi_discrete", nvec=(2, 0)),
        "nvec of int64 has 0, expected 1 to",
    ),
    (given((2,), "u1", kind="multi_binary"), "dtype uint8 of a multi_binary array"),
    (
        given((2,), "i1", kind="multi_binary", nvec=2),
        "nvec is given for a multi_binary",
    ),
]


@pytest.mark.parametrize(("arguments", "text"), BAD_ARRAYS)
def test_array_spec_refuses_and_says_what_was_found_and_expected(arguments, text):
    assert text in refusal(ArraySpec, **arguments)


@pytest.mark.parametrize("spec", EVERY_ARRAY, ids=repr)
def test_array_spec_survives_json_and_pickle(spec):
    text = json.dumps(spec.to_json(), allow_nan=False)
    assert ArraySpec.from_json(json.loads(text)) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert copy.deepcopy(spec) == spec


@pytest.mark.parametrize("spec", [s for s in EVERY_ARRAY if s.dtype.kind != "c"], ids=repr)
def test_space_of_an_array_spec_gives_the_spec_back_and_samples_what_the_spec_allows(spec):
    space = spec.space()
    assert ArraySpec.from_space(space) == spec
    assert space.dtype == spec.dtype
    assert space.shape == spec.shape
    sample = np.asarray(space.sample())
    low, high = spec.bounds()
    assert sample.dtype == spec.dtype
    assert (low <= sample).all()
    assert (sample <= high).all()


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (3,), np.float32),
        spaces.Box(np.array([0, -5]), np.array([4, 5]), dtype=np.int16),
        spaces.Box(-np.inf, np.inf, (2, 2), np.float64),
        spaces.Box(np.array([-np.inf, 0.0]), np.array([1.0, np.inf]), dtype=np.float64),
        spaces.Box(0, 255, (4, 4, 3), np.uint8),
        spaces.Box(-np.inf, np.inf, (2,), np.int64),
        spaces.Discrete(7, start=-3),
        spaces.Discrete(7, dtype=np.uint8),
        spaces.MultiDiscrete([2, 5], start=[1, -1]),
        spaces.MultiDiscrete([[2, 5], [3, 3]], dtype=np.int32),
        spaces.MultiBinary(5),
        spaces.MultiBinary([2, 3]),
    ],
    ids=str,
)
def test_spec_of_a_space_gives_the_space_back(space):
    again = ArraySpec.from_space(space).space()
    assert again == space
    assert again.dtype == space.dtype


@pytest.mark.parametrize(
    "space",
    [spaces.Text(5), spaces.Dict(a=spaces.Discrete(2)), spaces.Sequence(spaces.Discrete(2))],
)
def test_spec_of_a_space_without_a_fixed_size_is_refused(space):
    text = refusal(ArraySpec.from_space, space)
    assert "has no array of a fixed size, expected Box, Discrete, MultiDiscrete or" in text


def test_bounds_are_stored_as_given_at_birth_and_cannot_be_changed():
    low = np.array([0.0, 1.0])
    spec = ArraySpec.box(low, 2, (2,))
    low[0] = 9
    np.testing.assert_array_equal(spec.low, [0, 1])
    with pytest.raises(ValueError, match="read-only"):
        spec.low[0] = 5
    with pytest.raises(ValueError, match="WRITEABLE"):
        spec.low.setflags(write=True)
    with pytest.raises(AttributeError):
        spec.low = 3
    with pytest.raises(ValueError, match="read-only"):
        pickle.loads(pickle.dumps(spec)).low[0] = 5


def test_array_specs_are_equal_when_they_allow_the_same_values():
    assert ArraySpec.image(4, 4, 3) == ArraySpec((4, 4, 3), "uint8")
    assert ArraySpec.box([1, 1], [2, 2], (2,)) == ArraySpec.box(1, 2, (2,))
    assert ArraySpec.box(-np.inf, np.inf, (2,)) == ArraySpec.box(None, None, (2,))
    assert ArraySpec.multi_discrete([2, 2]) == ArraySpec(
        (2,), "int64", kind="multi_discrete", nvec=[2, 2], start=[0, 0]
    )


@pytest.mark.parametrize(
    "other",
    [
        ArraySpec.box([0, 1], [3, 3], (2,)),
        ArraySpec.box([0, 2], [3, 3], (2,), "float64"),
        ArraySpec.box([0, 2], [3, 4], (2,)),
        ArraySpec.box([[0, 2]], 3, (1, 2)),
        ArraySpec.multi_binary(2),
        "not a spec",
    ],
)
def test_array_specs_differ_when_dtype_shape_or_values_differ(other):
    assert ArraySpec.box([0, 2], [3, 3], (2,)) != other


def test_nbytes_is_the_size_of_one_row():
    assert ArraySpec.image(84, 84, 3).nbytes == 84 * 84 * 3
    assert ArraySpec((), "float64").nbytes == 8


def test_shape_and_dtype_of_discrete_kinds_follow_from_their_counts():
    read = ArraySpec.from_json
    assert read({"kind": "discrete", "nvec": [4], "start": 1}) == ArraySpec.discrete(4, 1)
    assert read({"kind": "multi_discrete", "nvec": [[2], [3]]}) == ArraySpec.multi_discrete(
        [[2], [3]]
    )
    assert read({"kind": "multi_binary", "shape": [3]}) == ArraySpec.multi_binary(3)


def test_null_in_json_bounds_is_no_bound():
    data = {"shape": [2], "dtype": "float32", "low": [None, 0.1], "high": None}
    spec = ArraySpec.from_json(data)
    np.testing.assert_array_equal(spec.low, np.array([-np.inf, 0.1], np.float32))
    assert spec.high is None
    assert spec.to_json()["low"] == [None, 0.1]
