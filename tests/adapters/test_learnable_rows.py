"""Which rows may be learned from; importing the package imports no framework."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from uerl_shm.integrations.rows import Here, arrays_of, row_of

FRAMEWORKS = ["torch", "stable_baselines3", "torchrl", "tensordict", "ray", "pettingzoo", "dm_env"]


def test_a_row_counts_that_was_there_before_and_after():
    here = Here(4)
    here.reset({"valid": np.array([True, True, True, False])})
    assert here.learnable.tolist() == [True] * 4
    told = [
        here.step({"valid": np.array(valid), "mask": np.array(mask)}).tolist()
        for valid, mask in (
            ([True, True, False, True], [True, False, True, True]),
            ([True, True, True, True], [True, True, True, True]),
            ([True, True, True, True], [True, True, True, True]),
        )
    ]
    assert told == [[True, False, False, False], [True, False, False, True], [True] * 4]


def test_rows_of_a_part_leave_the_others_as_they_were():
    here = Here(4)
    first, second = np.array([3, 1]), np.array([0, 2])
    assert here.step({"valid": np.array([True, False])}, first).tolist() == [True, False]
    assert here.step({"valid": np.array([True, True])}, second).tolist() == [True, True]
    assert here.step({"valid": np.array([True, True])}, first).tolist() == [True, False]
    assert here.learnable.tolist() == [True, False, True, True]


def test_envs_without_such_infos_are_always_there():
    assert Here(3).step({"other": 1}).tolist() == [True] * 3


def test_arrays_are_writable_and_copied_only_where_they_must_be():
    own, locked = np.zeros(3), np.ones(3)
    locked.flags.writeable = False
    found = arrays_of({"own": own, "inner": {"locked": locked}})
    assert found["own"] is own
    assert found["inner"]["locked"].flags.writeable
    assert row_of(found, 1) == {"own": 0.0, "inner": {"locked": 1.0}}


def test_tensors_become_arrays_over_the_same_memory():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tensor = torch.zeros(3)
    arrays_of(tensor)[1] = 5
    assert tensor.tolist() == [0, 5, 0]


def test_importing_the_package_imports_no_framework():
    code = (
        "import sys, uerl_shm, uerl_shm.integrations, uerl_shm.integrations.rows, "
        "uerl_shm.integrations.puffer\n"
        f"print([name for name in {FRAMEWORKS} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
