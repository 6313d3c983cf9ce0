"""`uerl-shm record --from`: what the Unreal plugin wrote becomes a Minari data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import call_program
from recording.conftest import h5py
from uerl_shm import ArraySpec, EnvSpec
from uerl_shm.errors import SpecError
from uerl_shm.recording_demonstrations import convert, read

minari = pytest.importorskip("minari", reason="it opens what is recorded: pip install minari")

ARRAYS = {
    "observation/camera": ArraySpec.image(34, 36, 3),
    "observation/speed": ArraySpec.box(None, None, (2,)),
    "action/push": ArraySpec.discrete(5),
}
COLUMNS: list[tuple[str, Any, tuple[int, ...]]] = [
    ("episode", "<i8", ()), ("step", "<i8", ()),
    *((name, spec.dtype.str, spec.shape) for name, spec in ARRAYS.items()),
    ("reward", "<f4", ()), ("terminated", "|b1", ()), ("truncated", "|b1", ()), ("last", "|b1", ()),
]  # fmt: skip


def written(path: Path, lengths: list[int], seed: int = 0, agent: str = "Hero") -> np.ndarray:
    """Write a file as docs/howto/deploy_policy.md describes it; return its records.

    Unlike a NumPy array's, its columns are packed. Each episode ends with a record of its own.
    """
    packed = np.dtype([(name, kind, shape) for name, kind, shape in COLUMNS])
    generator = np.random.default_rng(seed)
    records = np.zeros(sum(lengths) + len(lengths), packed)
    at = 0
    for episode, length in enumerate(lengths):
        own = records[at : at + length + 1]
        own["episode"], own["step"] = episode, np.arange(length + 1)
        own["observation/camera"] = generator.integers(0, 256, (length + 1, 34, 36, 3))
        own["observation/speed"] = generator.normal(size=(length + 1, 2))
        own["action/push"][:-1] = generator.integers(0, 5, length)
        own["reward"][:-1] = generator.normal(size=length)
        own["terminated"][-2], own["last"][-1] = True, True
        at += length + 1
    header = {
        "version": 1,
        "agent": agent,
        "group": "hero",
        "dtype": {
            "names": [name for name, _, _ in COLUMNS],
            "formats": [[kind, list(shape)] for _, kind, shape in COLUMNS],
            "offsets": [packed.fields[name][1] for name, _, _ in COLUMNS],
            "itemsize": packed.itemsize,
        },
        "arrays": {name: spec.to_json() for name, spec in ARRAYS.items()},
    }
    text = json.dumps(header).encode()
    path.write_bytes(b"UERLDEMO" + len(text).to_bytes(8, "little") + text + records.tobytes())
    return records


def test_every_record_stands_in_the_data_set(tmp_path):
    records = written(tmp_path / "a.demo", [4, 1, 7])
    done = call_program("record", "--from", str(tmp_path / "a.demo"), "-o", str(tmp_path / "a-v0"))
    assert done.returncode == 0, done.stderr
    assert "3 episodes, 12 steps" in done.stdout
    found = list(minari.MinariDataset(tmp_path / "a-v0/data"))
    assert len(found) == 3
    for number, episode in enumerate(found):
        own = records[records["episode"] == number]
        assert np.array_equal(episode.observations["camera"], own["observation/camera"])
        assert np.array_equal(episode.observations["speed"], own["observation/speed"])
        assert np.array_equal(episode.actions, own["action/push"][:-1])
        assert np.array_equal(episode.rewards, own["reward"][:-1])
        assert np.array_equal(episode.terminations, own["terminated"][:-1])
        assert not episode.truncations.any()


def test_an_episode_that_was_broken_off_is_kept_up_to_its_last_whole_step(tmp_path):
    written(tmp_path / "a.demo", [3, 6])
    data = (tmp_path / "a.demo").read_bytes()
    record = read(tmp_path / "a.demo").records.dtype.itemsize
    # The last record, the one before it, and half of the one before that.
    (tmp_path / "a.demo").write_bytes(data[: -2 * record - record // 2])
    counts = convert([tmp_path / "a.demo"], tmp_path / "a-v0")
    assert (counts.episodes, counts.steps, counts.cut) == (2, 3 + 3, 1)
    found = list(minari.MinariDataset(tmp_path / "a-v0/data"))
    assert found[1].truncations.tolist() == [False, False, True]
    with h5py.File(tmp_path / "a-v0/data/main_data.hdf5") as file:
        assert file["episode_1"].attrs["cut"] == "closed"


def test_several_files_become_worlds_of_one_data_set(tmp_path):
    written(tmp_path / "a.demo", [3], seed=1)
    written(tmp_path / "b.demo", [5, 2], seed=2, agent="Other")
    convert([tmp_path / "a.demo", tmp_path / "b.demo"], tmp_path / "both-v0")
    with h5py.File(tmp_path / "both-v0/data/main_data.hdf5") as file:
        places = [
            (g.attrs["env"], g.attrs["episode"], g.attrs["total_steps"]) for g in file.values()
        ]
    assert places == [(0, 0, 3), (1, 0, 5), (1, 1, 2)]


def test_the_data_set_knows_the_spec_of_the_agent(tmp_path):
    written(tmp_path / "a.demo", [3])
    convert([tmp_path / "a.demo"], tmp_path / "a-v0")
    metadata = json.loads((tmp_path / "a-v0/data/metadata.json").read_text())
    group = EnvSpec.from_json(metadata["uerl_shm"]["spec"]).group
    assert group.name == "hero"
    assert {f"observation/{name}": spec for name, spec in group.observation.items()} == {
        name: spec for name, spec in ARRAYS.items() if name.startswith("observation/")
    }
    assert group.action == {"push": ARRAYS["action/push"]}


def test_a_file_that_is_no_demonstration_is_refused(tmp_path):
    (tmp_path / "a.demo").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(SpecError, match="expected b'UERLDEMO'"):
        convert([tmp_path / "a.demo"], tmp_path / "a-v0")
    written(tmp_path / "b.demo", [2])
    data = (tmp_path / "b.demo").read_bytes()
    (tmp_path / "b.demo").write_bytes(data[:30])
    with pytest.raises(SpecError, match="damaged header"):
        convert([tmp_path / "b.demo"], tmp_path / "a-v0")
    (tmp_path / "b.demo").write_bytes(data.replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(SpecError, match="has version 2, this uerl_shm reads 1"):
        convert([tmp_path / "b.demo"], tmp_path / "a-v0")
    assert not (tmp_path / "a-v0").exists()


def test_files_of_different_agents_are_refused(tmp_path, monkeypatch):
    written(tmp_path / "a.demo", [2])
    monkeypatch.setitem(ARRAYS, "action/push", ArraySpec.discrete(6))
    written(tmp_path / "b.demo", [2])
    with pytest.raises(SpecError, match=r"b\.demo has other arrays than .*a\.demo"):
        convert([tmp_path / "a.demo", tmp_path / "b.demo"], tmp_path / "a-v0")
