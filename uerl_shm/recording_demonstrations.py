"""The demonstrations that the Unreal plugin writes, as a Minari data set."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import SpecError
from uerl_shm.minari_data import GroupWriter, Piece, Place, folders_of
from uerl_shm.recording_tape import Counts
from uerl_shm.spec import EnvSpec, GroupSpec

_MAGIC = b"UERLDEMO"
_VERSION = 1
_MOST_HEADER_BYTES = 1 << 26  # as of a spec
_REMEDY = "give what the plugin wrote with RecordFile (docs/howto/deploy_policy.md)"


@dataclass(frozen=True)
class Demonstrations:
    """One file of the plugin's: records of one agent.

    Attributes:
        group: Its arrays.
        records: One for each step, with the columns of docs/howto/deploy_policy.md.
    """

    group: GroupSpec
    records: NDArray[Any]


def read(path: str | os.PathLike[str]) -> Demonstrations:
    """Read a file of demonstrations; a record that was broken off at the end is left out.

    Raises:
        SpecError: It is no such file.
    """
    with open(path, "rb") as file:
        begin, length = file.read(8), int.from_bytes(file.read(8), "little")
        text = file.read(min(length, _MOST_HEADER_BYTES)) if begin == _MAGIC else b""
        num_bytes = os.fstat(file.fileno()).st_size
    if begin != _MAGIC:
        raise SpecError(f"{path} begins with {begin!r}, expected {_MAGIC!r}: {_REMEDY}")
    try:
        header = json.loads(text)
        if header["version"] != _VERSION:
            found = header["version"]
            raise SpecError(f"{path} has version {found}, this uerl_shm reads {_VERSION}")
        columns: Any = dict(header["dtype"])
        columns["formats"] = [(kind, tuple(shape)) for kind, shape in columns["formats"]]
        dtype: np.dtype[Any] = np.dtype(columns)
        group = _group_of(header)
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, SpecError):
            raise SpecError(f"{path}: {error}") from None
        raise SpecError(f"{path} has a damaged header ({error!r}): {_REMEDY}") from None
    whole = (num_bytes - 16 - length) // dtype.itemsize
    if whole == 0:
        return Demonstrations(group, np.empty(0, dtype))
    return Demonstrations(group, np.memmap(path, dtype, "r", 16 + length, (whole,)))


def _group_of(header: dict[str, Any]) -> GroupSpec:
    arrays: dict[str, dict[str, ArraySpec]] = {"observation": {}, "action": {}}
    for name, array in header["arrays"].items():
        kind, _, key = name.partition("/")
        arrays[kind][key] = ArraySpec.from_json(array)
    return GroupSpec(header["group"], arrays["observation"], arrays["action"])


def convert(paths: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str]) -> Counts:
    """Write demonstrations of the Unreal plugin to a Minari data set.

    Args:
        paths: Files, one for each agent, of agents with the same arrays; each becomes a world.
        output: Data set to be made; see `uerl_shm.minari_data.folders_of`.

    Returns:
        What was written. An episode that was broken off is kept up to its last whole step.

    Raises:
        SpecError: A file is none of these, files differ in their arrays, the data set exists.
    """
    files = [read(path) for path in paths]
    for path, file in zip(paths, files, strict=True):
        if file.group != files[0].group:
            raise SpecError(
                f"{path} has other arrays than {paths[0]}, expected the same: convert each alone"
            )
    spec = EnvSpec([files[0].group])
    folder, dataset_id = folders_of(spec, output)[spec.group.name]
    writer = GroupWriter(folder, dataset_id, spec, spec.group, len(files))
    counts = Counts()
    try:
        for world, file in enumerate(files):
            number = 0  # of those that are kept
            for episode in _episodes_of(file.records):
                writer.append(world, _piece_of(spec.group, episode))
                cut = _cut_of(episode)
                if writer.finish(world, Place(world, 0, number, 0, None), cut):
                    number += 1
                    counts.cut += cut is not None
    finally:
        writer.close()
    counts.episodes, counts.steps = writer.num_episodes, writer.num_steps
    return counts


def _episodes_of(records: NDArray[Any]) -> Iterator[NDArray[Any]]:
    borders = np.flatnonzero(np.diff(records["episode"])) + 1
    if len(records):
        yield from np.split(records, borders)


def _piece_of(group: GroupSpec, episode: NDArray[Any]) -> Piece:
    """The last record has the last observation: its own, or one whose step nobody saw end."""
    steps = episode[:-1]
    return Piece(
        {name: episode[f"observation/{name}"] for name in group.observation},
        {},
        {name: steps[f"action/{name}"] for name in group.action},
        steps["reward"],
        steps["terminated"],
        steps["truncated"],
        first=True,
        whole=True,
    )


def _cut_of(episode: NDArray[Any]) -> str | None:
    if not episode["last"][-1]:
        return "closed"
    over = len(episode) > 1 and (episode["terminated"][-2] or episode["truncated"][-2])
    return None if over else "reset"
