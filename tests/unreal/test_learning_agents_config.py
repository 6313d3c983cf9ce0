"""What Learning Agents' trainer makes of JSON files and regions, without an engine."""

from __future__ import annotations

import copy
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from uerl_shm import errors
from uerl_shm.learning_agents_config import named_guids, read_config
from uerl_shm.learning_agents_regions import NO_GUID, attach, create, exists, new_guid, unlink
from uerl_shm.options import Access

CONTROLS = new_guid()
GUIDS = [new_guid() for _ in range(10)]
OWN = Access(0o600, None, None, starts=False)
REGIONS = f"shared-memory-{CONTROLS}.json"
LISTS = "EpisodeFinalObservations", "Observations", "Actions", "ActionModifiers", "Rewards"
DEFAULT = {"Id": 0, "Name": "Default", "VectorDimensionNum": 4.0}

FILES: dict[str, Any] = {
    REGIONS: {
        "NetworkGuids": [{"NetworkId": 0, "Guid": GUIDS[0]}],
        "ReplayBuffers": [
            {
                "EpisodeStartsGuid": GUIDS[1],
                "EpisodeLengthsGuid": GUIDS[2],
                "EpisodeCompletionModesGuid": GUIDS[3],
                "EpisodeFinalMemoryStatesGuids": [],
                "MemoryStatesGuids": [NO_GUID],
                **{f"{name}Guids": [GUIDS[4 + i]] for i, name in enumerate(LISTS)},
            }
        ],
    },
    "data-config.json": {
        "Networks": [{"Id": 0, "Name": "Policy", "MaxByteNum": 100}],
        "ReplayBuffers": [
            {
                "Id": 0,
                "MaxEpisodeNum": 2,
                "MaxStepNum": 8,
                "HasCompletions": True,
                "HasFinalObservations": True,
                "HasFinalMemoryStates": False,
                "Observations": [DEFAULT],
                "Actions": [DEFAULT],
                "ActionModifiers": [DEFAULT],
                "MemoryStates": [{"Id": 0, "Name": "Default", "VectorDimensionNum": 0}],
                "Rewards": [DEFAULT],
            }
        ],
    },
    "trainer-config.json": {"TrainerMethod": "PPO"},
}


def written(folder: Path, files: dict[str, Any], encoding: str = "utf-8") -> Path:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding)
    return folder


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_are_read_in_every_encoding_that_unreal_writes(tmp_path, encoding):
    config = read_config(written(tmp_path, FILES, encoding), CONTROLS)
    assert config.networks[0].guid == GUIDS[0]
    buffer = config.replay_buffers[0]
    assert buffer.rows["rewards"]["Default"].shape == (8, 4)
    assert buffer.rows["final_observations"]["Default"].shape == (2, 4)
    assert buffer.rows["final_memory_states"] == {}
    assert buffer.rows["memory_states"]["Default"].guid == NO_GUID
    assert buffer.columns["completion_modes"].dtype == "u1"
    assert named_guids(tmp_path, CONTROLS) == set(GUIDS[:9])


def spoiled(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    files = copy.deepcopy(FILES)
    node = files
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return files


DATA = "data-config.json"
BUFFER = (DATA, "ReplayBuffers", 0)
PLACES = (REGIONS, "ReplayBuffers", 0)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ((*PLACES, "ActionModifiersGuids"), None, "generation C .* expected D"),
        ((REGIONS, "ReplayBuffers"), None, "generation A or B .* expected D"),
        ((REGIONS, "NetworkGuids"), None, "generation A or B"),
        ((DATA,), "{", "expected JSON"),
        ((DATA,), "[" * 100_000, "expected JSON"),
        ((DATA,), "[]", "with list, expected an object"),
        (("trainer-config.json", "TrainerMethod"), "BehaviorCloning", "expected 'PPO'"),
        (("trainer-config.json", "TrainerMethod"), None, "TrainerMethod None, expected str"),
        ((REGIONS, "NetworkGuids", 0, "Guid"), "{x}", "expected a GUID in braces"),
        ((REGIONS, "NetworkGuids", 0, "Guid"), "../x", "expected a GUID in braces"),
        ((REGIONS, "NetworkGuids", 0, "NetworkId"), 1, "network 0 without a region"),
        ((*PLACES, "RewardsGuids"), [], "0 RewardsGuids, expected 1"),
        ((*PLACES, "RewardsGuids", 0), 7, "region name 7"),
        ((*PLACES, "EpisodeStartsGuid"), None, "EpisodeStartsGuid None, expected str"),
        ((REGIONS, "ReplayBuffers"), [], "0 replay buffers with regions, expected 1"),
        ((DATA, "Networks", 0, "MaxByteNum"), 23, "of 23 bytes, expected at least 24"),
        ((DATA, "Networks", 0, "MaxByteNum"), 2**31, "expected a whole number"),
        ((DATA, "Networks", 0), 5, "Id None, expected a whole number"),
        ((*BUFFER, "MaxStepNum"), -1, "MaxStepNum -1, expected a whole number"),
        ((*BUFFER, "MaxStepNum"), 1.5, "MaxStepNum 1.5, expected a whole number"),
        ((*BUFFER, "MaxStepNum"), float("nan"), "MaxStepNum nan"),
        ((*BUFFER, "HasCompletions"), "yes", "HasCompletions 'yes', expected bool"),
        ((*BUFFER, "Rewards", 0, "Name"), None, "Name None, expected str"),
    ],
)
def test_file_that_is_not_of_generation_d_is_refused(tmp_path, path, value, said):
    with pytest.raises(errors.LayoutMismatch, match=said):
        read_config(written(tmp_path, spoiled(path, value)), CONTROLS)


def test_two_arrays_of_one_name_are_refused(tmp_path):
    files = spoiled((*BUFFER, "Rewards"), [DEFAULT, DEFAULT])
    files[REGIONS]["ReplayBuffers"][0]["RewardsGuids"] *= 2
    with pytest.raises(errors.LayoutMismatch, match="two arrays of one name"):
        read_config(written(tmp_path, files), CONTROLS)


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named(tmp_path, name):
    written(tmp_path, FILES)
    (tmp_path / name).unlink()
    with pytest.raises(errors.SegmentNotFound, match=r"\.json not found, expected the engine"):
        read_config(tmp_path, CONTROLS)


def test_regions_of_a_damaged_file_are_found_to_be_cleaned_up(tmp_path):
    assert named_guids(tmp_path, CONTROLS) == set()
    written(tmp_path, {REGIONS: f'{{"{GUIDS[0]}", "{GUIDS[1][:-1]}'})
    assert named_guids(tmp_path, CONTROLS) == {GUIDS[0]}


def test_region_that_is_not_there_is_named():
    with pytest.raises(errors.SegmentNotFound, match=r"network 0: region /dev/shm/.* not found"):
        attach(GUIDS[0], "network 0", 10)


def test_region_is_never_made_over_another():
    guid = new_guid()
    create(guid, 4096, OWN)
    try:
        with pytest.raises(errors.SegmentExists, match="exists, expected a fresh name"):
            create(guid, 4096, OWN)
        assert exists(guid)
    finally:
        assert unlink(guid)


def test_full_shared_memory_is_said_at_creation_and_leaves_nothing(monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    guid = new_guid()
    with pytest.raises(errors.SegmentFull, match="expected 4096 bytes: make it larger"):
        create(guid, 4096, OWN)
    assert not exists(guid)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_region_of_another_user_is_refused_with_the_remedy():
    guid = new_guid()
    create(guid, 4096, OWN)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        try:
            attach(guid, "network 0", 4096)
        except errors.SystemCallFailed as error:
            os.write(writing, f"{error.errno} {error} {unlink(guid)}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    said = os.read(reading, 4096).decode()
    os.close(reading)
    assert unlink(guid)
    assert said.startswith(f"{errno.EACCES} region /dev/shm/{guid} belongs to uid 0"), said
    assert "readable and writable for uid 65534" in said
    assert said.endswith("False")
