"""The error tree: every class, its built-in, and its code in the C header."""

from __future__ import annotations

import errno
import pickle
import re
from pathlib import Path

import pytest

from uerl_shm import errors

HEADER = Path(__file__).parents[2] / "csrc" / "include" / "uerl_shm" / "uerl_shm.h"

CLASS_OF_NAME = {
    "UERL_E_INVALID": errors.SpecError,
    "UERL_E_NOT_FOUND": errors.SegmentNotFound,
    "UERL_E_EXISTS": errors.SegmentExists,
    "UERL_E_LAYOUT": errors.LayoutMismatch,
    "UERL_E_CORRUPT": errors.SegmentCorrupt,
    "UERL_E_TIMEOUT": errors.StepTimeout,
    "UERL_E_CLOSED": errors.SimulatorLost,
    "UERL_E_FULL": errors.SegmentFull,
    "UERL_E_SYSTEM": errors.SystemCallFailed,
}

BUILT_IN_OF_CLASS = {
    errors.SpecError: ValueError,
    errors.SegmentNotFound: FileNotFoundError,
    errors.SegmentExists: FileExistsError,
    errors.SegmentFull: OSError,
    errors.LayoutMismatch: ValueError,
    errors.SegmentCorrupt: RuntimeError,
    errors.StepTimeout: TimeoutError,
    errors.SimulatorLost: ConnectionError,
    errors.SimulatorNotFound: FileNotFoundError,
    errors.LearnerClosed: ConnectionError,
    errors.SystemCallFailed: OSError,
}


def codes_in_header() -> dict[str, int]:
    body = re.search(r"enum uerl_error \{(.*?)\};", HEADER.read_text(), re.S)
    assert body is not None
    return {name: int(code) for name, code in re.findall(r"(UERL_E_\w+) = (-\d+)", body.group(1))}


def test_every_code_of_the_header_has_its_class_and_no_class_has_a_code_of_its_own():
    codes = codes_in_header()
    assert codes.keys() == CLASS_OF_NAME.keys()
    for name, code in codes.items():
        assert type(errors.error_from_code(code, "text")) is CLASS_OF_NAME[name], name
    assert set(errors._CLASSES) == set(codes.values())


def test_closed_means_that_the_learner_is_gone_when_a_simulator_asks():
    closed = codes_in_header()["UERL_E_CLOSED"]
    assert type(errors.error_from_code(closed, "gone", side="simulator")) is errors.LearnerClosed


@pytest.mark.parametrize(("kind", "built_in"), BUILT_IN_OF_CLASS.items())
def test_error_is_also_the_built_in_a_caller_would_guess(kind, built_in):
    assert issubclass(kind, built_in)
    assert issubclass(kind, errors.UerlError)


def test_every_class_has_a_built_in_and_stands_in_all_and_in_the_drawing():
    functions = {"code_of", "error_from_code"}
    named = {getattr(errors, name) for name in errors.__all__ if name not in functions}
    assert named == {errors.UerlError, errors.SegmentError, *BUILT_IN_OF_CLASS}
    assert errors.__doc__ is not None
    for kind, built_in in BUILT_IN_OF_CLASS.items():
        assert f"{kind.__name__} ({built_in.__name__})" in errors.__doc__


@pytest.mark.parametrize("kind", BUILT_IN_OF_CLASS)
def test_text_stays_as_it_was_given_also_after_pickling(kind):
    error = pickle.loads(pickle.dumps(kind("lane 3 is silent, expected a step: raise timeout_s")))
    assert type(error) is kind
    assert str(error) == "lane 3 is silent, expected a step: raise timeout_s"


def test_errno_says_what_an_os_error_of_that_kind_says():
    assert errors.SegmentFull("full").errno == errno.ENOSPC
    assert errors.SegmentNotFound("none").errno == errno.ENOENT
    assert errors.StepTimeout("late").errno == errno.ETIMEDOUT


def test_system_call_error_carries_the_errno_it_was_given():
    error = errors.error_from_code(codes_in_header()["UERL_E_SYSTEM"], "mmap", errno=errno.EPERM)
    assert isinstance(error, OSError)
    assert error.errno == errno.EPERM
    assert str(error) == "mmap"


def test_unknown_code_is_an_error_that_names_the_code():
    error = errors.error_from_code(-77, "odd")
    assert type(error) is errors.UerlError
    assert str(error) == "odd (error code -77)"


def test_a_code_that_became_an_exception_becomes_that_code_again():
    for code in range(-9, 0):
        for side in ("learner", "simulator"):
            assert errors.code_of(errors.error_from_code(code, "text", side=side)) == code
    assert errors.code_of(OSError()) == -9
