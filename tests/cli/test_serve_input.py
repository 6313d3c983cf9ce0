"""What `uerl-shm serve` reads from JSON, and what it refuses: with one line, whatever it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uerl_shm import ArraySpec, SpecError
from uerl_shm.cli.serve_input import MAX_ROWS, read

SPECS = {
    "camera": ArraySpec.image(2, 3, 1),
    "place": ArraySpec.discrete(4),
    "speed": ArraySpec((2,), "float32"),
}
GOOD = {"camera": [[[0], [1], [2]], [[3], [4], [255]]], "place": 3, "speed": [0.5, -1]}


def body(**changed) -> bytes:
    return json.dumps({"observation": {**GOOD, **changed}}).encode()


def test_one_observation_becomes_one_row():
    arrays, many = read(body(), SPECS)
    assert not many and list(arrays) == list(SPECS)
    for name, spec in SPECS.items():
        assert arrays[name].dtype == spec.dtype
        assert np.array_equal(arrays[name], [GOOD[name]])


def test_rows_stay_rows_also_a_single_one():
    for count in (1, 3):
        arrays, many = read(body(**{name: [value] * count for name, value in GOOD.items()}), SPECS)
        assert many
        assert {name: array.shape for name, array in arrays.items()} == {
            "camera": (count, 2, 3, 1),
            "place": (count,),
            "speed": (count, 2),
        }


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"9" * 5000, "is not JSON"),
        (b"null", "request is null, expected an object with one key"),
        (b"[]", "request is a list of length 0"),
        (b'{"observation": 1, "x": 2}', "request is an object of 2 keys"),
        (b'{"observation": [1]}', "observation is a list of length 1, expected an object"),
        (b'{"observation": {}}', "observation has no 'camera'"),
        (body(smell=1), 'observation has "smell", expected camera, place, speed'),
        (body(speed=float("nan")), "body has NaN, which is not JSON"),
        (body(speed=[1.0, float("inf")]), "body has Infinity"),
        (body().replace(b"-1]", b"1e999]"), "array 'speed' has Infinity, expected -3.4"),
        (body(speed=[1e39, 0]), r"array 'speed' has 1e\+39, expected -3.4"),
        (body(speed=[10**400, 0]), "array 'speed' has 1000.*expected -3.4"),
        (body(speed=[1]), r"shape \(1,\), expected nested lists of shape \(2,\) or \(rows, 2\)"),
        (body(speed=[[1, 2], [3]]), "has a list of length 2, expected numbers"),
        (body(speed=3), r"shape \(\), expected"),
        (body(speed=["1", "2"]), 'array \'speed\' has "1", expected numbers'),
        (body(speed=[True, 1]), "array 'speed' has true, expected numbers"),
        (body(speed=[None, 1]), "array 'speed' has null, expected numbers"),
        (body(speed={"a": 1}), r"array 'speed' has shape \(\)"),
        (body(place=1.0), "array 'place' has 1.0, expected whole numbers"),
        (body(place=4), r"array 'place' has 4, expected 0 to 3 \(int64\)"),
        (body(place=-1), "array 'place' has -1, expected 0 to 3"),
        (body(place=[]), "array 'place' has 0 rows, expected 1 to 1024"),
        (body(place=[0] * (MAX_ROWS + 1)), "has 1025 rows, expected 1 to 1024"),
        (body(place=[1, 2]), "rows of camera one, without its axis, place 2, speed one"),
        (body(camera=[[[0], [1], [2]], [[3], [4], [256]]]), "has 256, expected 0 to 255"),
        (body(camera=[[[0]] * 3, [[-1]] * 3]), "has -1, expected 0 to 255"),
        (body(camera="a\nb" * 100), r"array 'camera' has shape \(\)"),
    ],
)  # fmt: skip
def test_wrong_request_is_refused_with_one_line_that_names_it(sent, said):
    with pytest.raises(SpecError, match=said) as caught:
        read(sent, SPECS)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(JSON, st.sampled_from(list(SPECS)))
def test_whatever_is_sent_is_read_or_refused(value, name):
    try:
        arrays, _ = read(body(**{name: value}), SPECS)
    except SpecError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(arrays["speed"]).all()
        assert all(array.dtype == SPECS[key].dtype for key, array in arrays.items())
