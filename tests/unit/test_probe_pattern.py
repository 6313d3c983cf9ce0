"""The reader's pattern equals the simulator's, byte for byte."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support import probe_pattern

ROOT = Path(__file__).resolve().parents[2]

# As enum uerl_dtype in layout.h.
DTYPES = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip

Dump = Callable[..., bytes]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Dump:
    program = tmp_path_factory.mktemp("dump") / "dump_pattern"
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    source = ROOT / "tests" / "support" / "dump_pattern.cpp"
    include = f"-I{ROOT / 'csrc' / 'include'}"
    subprocess.run([*compiler, "-std=c++17", "-O2", include, source, "-o", program], check=True)
    return lambda *words: (
        subprocess.run([program, *map(str, words)], check=True, capture_output=True).stdout
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_python_computes_the_bytes_that_the_simulator_writes_for_every_dtype(
    dump: Dump, dtype: str
) -> None:
    shape = (7, 5)
    row = probe_pattern.expected("agent/observation/x", 3, 1, 41, shape, dtype)
    number = DTYPES.index(dtype) + 1
    assert dump("row", "agent/observation/x", 3, 1, 41, row.nbytes, number) == row.tobytes()


@pytest.mark.parametrize("num_bytes", [1, 7, 8, 9, 63, 64, 65, 127, 128, 84 * 84 * 3])
def test_rows_of_any_length_end_where_they_should(dump: Dump, num_bytes: int) -> None:
    row = probe_pattern.expected("group_1/info/y", 2**31, 0, 2**40, (num_bytes,), "uint8")
    assert dump("row", "group_1/info/y", 2**31, 0, 2**40, num_bytes, 3) == row.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_floats_are_finite_and_within_one(dtype: str) -> None:
    rows = probe_pattern.expected("agent/observation/x", np.arange(50), 0, 7, (64,), dtype)
    parts = rows.view(rows.real.dtype)
    assert np.isfinite(parts).all()
    assert (np.abs(parts) >= 0.5).all()
    assert (np.abs(parts) < 1.0).all()


def test_bools_are_both_values_and_nothing_else() -> None:
    rows = probe_pattern.expected("agent/observation/x", 0, 0, 0, (1000,), "bool")
    assert set(np.unique(rows.view(np.uint8))) == {0, 1}


def test_one_call_gives_the_rows_of_a_whole_batch() -> None:
    envs = np.arange(4)[:, None]
    agents = np.arange(2)
    rows = probe_pattern.expected("agent/observation/x", envs, agents, 9, (3, 5), "int16")
    assert rows.shape == (4, 2, 3, 5)
    alone = probe_pattern.expected("agent/observation/x", 3, 1, 9, (3, 5), "int16")
    assert (rows[3, 1] == alone).all()


@pytest.mark.parametrize(
    "other",
    [
        ("agent/observation/x", 0, 0, 1),
        ("agent/observation/x", 0, 1, 0),
        ("agent/observation/x", 1, 0, 0),
        ("agent/observation/y", 0, 0, 0),
        ("group_1/observation/x", 0, 0, 0),
    ],
)
def test_a_row_of_another_step_agent_env_array_or_group_has_other_bytes(
    other: tuple[str, int, int, int],
) -> None:
    row = probe_pattern.expected("agent/observation/x", 0, 0, 0, (64,), "uint8")
    wrong = probe_pattern.expected(*other, (64,), "uint8")
    assert (row == wrong).mean() < 0.2


@pytest.mark.parametrize("shift", [1, 3, 8, 64, 2048, 4096])
def test_a_shifted_row_has_other_bytes(shift: int) -> None:
    row = probe_pattern.expected("agent/observation/x", 0, 0, 0, (21168,), "uint8")
    assert (row[shift:] == row[:-shift]).mean() < 0.2


def test_python_computes_the_rewards_of_the_simulator(dump: Dump) -> None:
    rewards = probe_pattern.reward("agent", np.arange(5), 1, 77)
    found = b"".join(dump("reward", "agent/reward", env, 1, 77) for env in range(5))
    assert rewards.tobytes() == found
    assert (rewards == rewards.astype(np.float32)).all()


@pytest.mark.parametrize("episode_steps", [None, 0, 12])
def test_python_computes_the_ends_of_the_simulator(dump: Dump, episode_steps: int | None) -> None:
    option = -1 if episode_steps is None else episode_steps
    for episode in range(12):
        found = np.frombuffer(dump("end", 5, episode, option), np.int64)
        assert tuple(found) == tuple(probe_pattern.end(5, episode, episode_steps))


def test_episodes_end_in_all_three_ways() -> None:
    end = probe_pattern.end(np.arange(8)[:, None], np.arange(8))
    ways = set(zip(end.terminated.flat, end.truncated.flat, strict=True))
    assert ways == {(True, False), (False, True), (True, True)}
    assert end.num_steps.min() >= 20
    assert end.num_steps.max() < 80


def test_action_sum_weighs_each_byte_by_its_place() -> None:
    first = np.array([[1, 0], [0, 1]], np.uint8)
    second = np.array([[2], [3]], np.uint8)
    assert probe_pattern.action_sum(first, second).tolist() == [1 + 6, 2 + 9]
