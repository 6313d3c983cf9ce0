"""Learning Agents' three JSON files: which networks and replay buffers, and in which regions.

The engine writes them into ``<task_dir>/Configs`` before it raises ConfigSignal:
``shared-memory-{GUID}.json`` names the regions, ``data-config.json`` gives the shapes,
``trainer-config.json`` the settings of the training.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uerl_shm.errors import LayoutMismatch, SegmentNotFound, SpecError
from uerl_shm.learning_agents_regions import GUID, NO_GUID
from uerl_shm.learning_agents_snapshots import HEADER

FLOAT, INT, BYTE = "<f4", "<i4", "u1"
# Ours -> list in data-config.json, list in shared-memory.json, flag without which there is none.
_ROWS = {
    "observations": ("Observations", "ObservationsGuids", None),
    "actions": ("Actions", "ActionsGuids", None),
    "action_modifiers": ("ActionModifiers", "ActionModifiersGuids", None),
    "memory_states": ("MemoryStates", "MemoryStatesGuids", None),
    "rewards": ("Rewards", "RewardsGuids", None),
    "final_observations": (
        *("Observations", "EpisodeFinalObservationsGuids", "HasFinalObservations"),
    ),
    "final_memory_states": (
        *("MemoryStates", "EpisodeFinalMemoryStatesGuids", "HasFinalMemoryStates"),
    ),
}


@dataclass(frozen=True)
class ArrayPlace:
    """One array and the region that it fills.

    Attributes:
        what: For error texts.
        guid: The region's name; `NO_GUID` if the array has no bytes.
        dtype: NumPy's name of the element type.
        shape: ``(rows, dimension)`` or ``(rows,)``.
    """

    what: str
    guid: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class NetworkPlace:
    """One network: its id, the engine's name for it, the length of its snapshot, its region."""

    id: int
    name: str
    num_bytes: int
    guid: str


@dataclass(frozen=True)
class ReplayBufferPlace:
    """One replay buffer: its limits and arrays.

    Attributes:
        columns: ``"starts"``, ``"lengths"`` and, where episodes have one, ``"completion_modes"``.
        rows: ``"observations"``, ``"actions"`` and so on: arrays by the engine's names for them.
    """

    id: int
    max_num_episodes: int
    max_num_steps: int
    columns: dict[str, ArrayPlace]
    rows: dict[str, dict[str, ArrayPlace]]


@dataclass(frozen=True)
class Config:
    """What the engine said about itself.

    Attributes:
        networks: By id.
        replay_buffers: By id.
        schemas: ``Schemas`` of data-config.json, as the engine wrote it.
        settings: All of trainer-config.json, such as ``["PPOSettings"]["DiscountFactor"]``.
    """

    networks: dict[int, NetworkPlace]
    replay_buffers: dict[int, ReplayBufferPlace]
    schemas: Any
    settings: dict[str, Any]


def configs_of(task_dir: str | os.PathLike[str]) -> Path:
    """Return the folder ``Configs`` of a training, which is made if missing.

    Raises:
        SpecError: The engine could not be told of it.
    """
    configs = Path(task_dir).resolve() / "Configs"
    if re.search(r"[\s,()\"']", str(configs)):
        raise SpecError(
            f"task_dir {str(configs.parent)!r} has a space, comma, bracket or quote, expected "
            "none: the engine's command line ends an argument there"
        )
    configs.mkdir(parents=True, exist_ok=True)
    return configs


def regions_path(configs: Path, guid: str) -> Path:
    """Return the file that names the regions of the engine with these controls."""
    return configs / f"shared-memory-{guid}.json"


def read_config(configs: Path, guid: str) -> Config:
    """Read and check the three files.

    Args:
        configs: ``<task_dir>/Configs``.
        guid: Name of the controls.

    Raises:
        SegmentNotFound: A file is missing.
        LayoutMismatch: A file does not say what generation D of the protocol (Unreal Engine 5.6)
            says, or trains by another method than PPO.
    """
    regions = _read(regions_path(configs, guid))
    _check_generation(regions)
    data = _read(configs / "data-config.json")
    settings = _read(configs / "trainer-config.json")
    method = _get(settings, "TrainerMethod", str)
    if method != "PPO":
        raise LayoutMismatch(
            f"the engine trains by {method!r}, expected 'PPO', the only method whose order of "
            "networks is known here: use the engine's PPO trainer"
        )
    guids = {
        _count(each, "NetworkId"): _guid(_get(each, "Guid", str))
        for each in _list(regions, "NetworkGuids")
    }
    networks = [_network(each, guids) for each in _list(data, "Networks")]
    names = _list(regions, "ReplayBuffers")
    described = _list(data, "ReplayBuffers")
    if len(names) != len(described):
        raise _differs(
            f"{len(names)} replay buffers with regions", f"{len(described)} as described"
        )
    buffers = [_replay_buffer(*pair) for pair in zip(described, names, strict=True)]
    return Config(
        {network.id: network for network in networks},
        {buffer.id: buffer for buffer in buffers},
        data.get("Schemas"),
        settings,
    )


def named_guids(configs: Path, guid: str) -> set[str]:
    """Return every region that ``shared-memory-{GUID}.json`` names; none if it cannot be read.

    Reads no meaning into the file: it serves to clean up, also after an engine that was not
    understood.
    """
    try:
        text = regions_path(configs, guid).read_bytes().decode("utf-8", "ignore").replace("\0", "")
    except OSError:
        return set()
    return {found[0] for found in GUID.finditer(text)} - {NO_GUID}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())  # finds out about UTF-16, which Unreal may write
    except FileNotFoundError:
        raise SegmentNotFound(
            f"{path} not found, expected the engine to have written it: start the engine with "
            "engine_arguments, and check that both sides see the same folder"
        ) from None
    except (ValueError, RecursionError) as error:
        raise _differs(f"{path}: {error}", "JSON") from None
    if not isinstance(content, dict):
        raise _differs(f"{path} with {type(content).__name__}", "an object")
    return content


def _check_generation(regions: dict[str, Any]) -> None:
    buffers = regions.get("ReplayBuffers")
    old = None
    if not isinstance(buffers, list) or "NetworkGuids" not in regions:
        old = "A or B"
    elif any(isinstance(each, dict) and "ActionModifiersGuids" not in each for each in buffers):
        old = "C"
    if old is not None:
        raise LayoutMismatch(
            f"the engine speaks generation {old} of Learning Agents' protocol, expected D, with "
            "ReplayBuffers and ActionModifiersGuids: use Unreal Engine 5.6"
        )


def _network(described: Any, guids: dict[int, str]) -> NetworkPlace:
    network_id = _count(described, "Id")
    if network_id not in guids:
        raise _differs(f"network {network_id} without a region", "one in NetworkGuids")
    num_bytes = _count(described, "MaxByteNum")
    if num_bytes < HEADER.size:
        raise _differs(f"network {network_id} of {num_bytes} bytes", f"at least {HEADER.size}")
    return NetworkPlace(network_id, _get(described, "Name", str), num_bytes, guids[network_id])


def _replay_buffer(described: Any, names: Any) -> ReplayBufferPlace:
    buffer_id = _count(described, "Id")
    where = f"of replay buffer {buffer_id}"
    episodes, steps = _count(described, "MaxEpisodeNum"), _count(described, "MaxStepNum")
    columns = {
        "starts": ("EpisodeStartsGuid", INT),
        "lengths": ("EpisodeLengthsGuid", INT),
    }
    if _get(described, "HasCompletions", bool):
        columns["completion_modes"] = ("EpisodeCompletionModesGuid", BYTE)
    rows = {}
    for ours, (theirs, guids, flag) in _ROWS.items():
        num_rows = steps if flag is None else episodes
        given = flag is None or _get(described, flag, bool)
        pairs = _pairs(described, names, theirs, guids) if given else []
        places = [
            ArrayPlace(f"{ours} {name!r} {where}", guid, FLOAT, (num_rows, dimension))
            for name, dimension, guid in pairs
        ]
        rows[ours] = {name: place for (name, _, _), place in zip(pairs, places, strict=True)}
        if len(rows[ours]) != len(pairs):
            raise _differs(f"{ours} {where} with two arrays of one name", "different names")
    return ReplayBufferPlace(
        buffer_id,
        episodes,
        steps,
        {
            ours: ArrayPlace(
                f"episode {ours} {where}", _guid(_get(names, key, str)), dtype, (episodes,)
            )
            for ours, (key, dtype) in columns.items()
        },
        rows,
    )


def _pairs(described: Any, names: Any, theirs: str, guids: str) -> list[tuple[str, int, str]]:
    arrays, found = _list(described, theirs), _list(names, guids)
    if len(arrays) != len(found):
        raise _differs(f"{len(found)} {guids}", f"{len(arrays)}, one for each of {theirs}")
    return [
        (_get(array, "Name", str), _count(array, "VectorDimensionNum"), _guid(guid))
        for array, guid in zip(arrays, found, strict=True)
    ]


def _get(node: Any, key: str, kind: type) -> Any:
    if not isinstance(node, dict) or not isinstance(node.get(key), kind):
        found = repr(node.get(key)) if isinstance(node, dict) else f"in {node!r}"
        raise _differs(f"{key} {found}", kind.__name__)
    return node[key]


def _list(node: Any, key: str) -> list[Any]:
    found: list[Any] = _get(node, key, list)
    return found


def _count(node: Any, key: str) -> int:
    found = node.get(key) if isinstance(node, dict) else None
    whole = isinstance(found, (int, float)) and not isinstance(found, bool) and found % 1 == 0
    if not whole or not 0 <= found < 2**31:  # type: ignore[operator]
        raise _differs(f"{key} {found!r}", "a whole number from 0 to 2**31 - 1")
    return int(found)  # type: ignore[arg-type]


def _guid(found: Any) -> str:
    if not isinstance(found, str) or not GUID.fullmatch(found):
        raise _differs(f"region name {found!r}", "a GUID in braces, upper case")
    return found


def _differs(found: str, expected: str) -> LayoutMismatch:
    return LayoutMismatch(
        f"the engine's Configs have {found}, expected {expected}: remove the Configs of earlier "
        "runs, and use Unreal Engine 5.6"
    )
