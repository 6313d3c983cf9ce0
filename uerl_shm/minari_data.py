"""Minari data sets: episodes in one HDF5 file for each group of agents, written and read.

The format is Minari's (0.5.4): ``DATASET/data/main_data.hdf5`` beside ``metadata.json``. Whoever
wants to load it needs `minari`; here only `h5py` is needed. What Minari does not ask for and replay
needs stands beside it: the spec in the metadata, and where an episode belongs in its attributes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from uerl_shm.errors import SpecError
from uerl_shm.spec import EnvSpec, GroupSpec

try:
    import h5py
except ImportError:
    raise ImportError(
        "h5py not found, expected for data sets: pip install 'uerl_shm[record]'"
    ) from None

FORMAT_VERSION = "0.5.4"  # the first that can be told not to store pictures as JPEG
MAIN_FILE = "main_data.hdf5"
METADATA_FILE = "metadata.json"
UNFINISHED = "unfinished"  # episodes that still go on; gone when the data set is closed
CHUNK_BYTES = 1 << 18
_GOOD_NAME = re.compile(r"[-\w]+-v\d+")

#: Name to array ``[steps, ...]``.
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Piece:
    """Consecutive steps of one agent: a whole episode, or a part of one that still goes on.

    Attributes:
        observation: Name to array ``[n, *shape]``; one more than there are steps when `first`.
        info: Likewise.
        action: Name to array ``[steps, *shape]``.
        reward: Shape ``(steps,)``.
        terminated: Shape ``(steps,)``, bool.
        truncated: Shape ``(steps,)``, bool.
        first: Whether the episode begins here: the first observation came with no step.
        whole: Whether it ends here, too.
    """

    observation: Arrays
    info: Arrays
    action: Arrays
    reward: NDArray[Any]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    first: bool
    whole: bool = False


@dataclass(frozen=True)
class Place:
    """Where an episode of one agent belongs.

    Attributes:
        env: Number of the world.
        agent: Number of the agent in it.
        episode: How many episodes of that world were recorded before.
        first_step: Steps of the world's episode before the agent's began.
        seed: Of the reset; None when the world went on with its own generator, or it is unknown.
    """

    env: int
    agent: int
    episode: int
    first_step: int
    seed: int | None


def folders_of(spec: EnvSpec, path: str | os.PathLike[str]) -> dict[str, tuple[Path, str]]:
    """Return the folder and Minari's id of each group's data set.

    One group: ``DATASET``. Several: ``DATASET/GROUP-v0``, a namespace of Minari's.

    Raises:
        SpecError: The name has no version, which Minari needs.
    """
    root = Path(path)
    if not _GOOD_NAME.fullmatch(root.name):
        proposed = re.sub(r"[^-\w]", "-", root.name) or "demonstrations"
        raise SpecError(
            f"data set name {root.name!r}, expected letters, digits, _ and -, and a version at the "
            f"end: say {proposed}-v0"
        )
    if len(spec.groups) == 1:
        return {spec.groups[0].name: (root, root.name)}
    return {
        group.name: (root / f"{group.name}-v0", f"{root.name}/{group.name}-v0")
        for group in spec.groups
    }


class GroupWriter:
    """Writes the episodes of one group of agents, each as it goes on, so that memory stays small.

    Args:
        folder: Of the data set; made here.
        dataset_id: Minari's id.
        spec: Of the env.
        group: Whose episodes these are.
        num_worlds: Worlds that are recorded.

    Raises:
        SpecError: There is something in the folder, or an array has no gymnasium space.
    """

    def __init__(
        self, folder: Path, dataset_id: str, spec: EnvSpec, group: GroupSpec, num_worlds: int
    ) -> None:
        self._group = group
        self._many = len(group.observation) > 1, len(group.action) > 1
        self._metadata: dict[str, Any] = {
            "data_format": "hdf5",
            "jpeg_encoding": False,
            "observation_space": json.dumps(_space_to_json(group.observation_space())),
            "action_space": json.dumps(_space_to_json(group.action_space())),
            "dataset_id": dataset_id,
            "minari_version": FORMAT_VERSION,
            "uerl_shm": {
                "spec": json.loads(spec.to_json()),
                "group": group.name,
                "num_worlds": num_worlds,
            },
        }
        self.num_episodes = self.num_steps = 0
        self._data = folder / "data"
        if folder.exists() and any(folder.iterdir()):
            raise SpecError(f"data set {folder} exists, expected a new name: choose another")
        self._data.mkdir(parents=True, exist_ok=True)
        self._file = h5py.File(self._data / MAIN_FILE, "x", track_order=True)
        self._open = self._file.create_group(UNFINISHED)
        self._write_metadata()

    def append(self, row: int, piece: Piece) -> None:
        """Append a piece to the row's episode, which begins with it if it is the first."""
        if piece.first:
            self.drop(row)
        into = self._open.require_group(str(row))
        for kind, arrays, many in (
            ("observations", piece.observation, self._many[0]),
            ("actions", piece.action, self._many[1]),
            ("infos", piece.info, True),
        ):
            for name, array in arrays.items():
                _append(into, f"{kind}/{name}" if many else kind, array, piece.whole)
        into.require_group("infos")  # Minari expects one, also where the spec has no infos
        _append(into, "rewards", piece.reward, piece.whole)
        _append(into, "terminations", piece.terminated, piece.whole)
        _append(into, "truncations", piece.truncated, piece.whole)

    def finish(self, row: int, place: Place, cut: str | None) -> bool:
        """End the row's episode; return whether it was kept: it has to have a step.

        Args:
            row: Whose it is.
            place: Where it belongs.
            cut: Why it ended before its flags said so; it counts as truncated, as in Minari.
        """
        if str(row) not in self._open:
            return False
        episode = self._open[str(row)]
        num_steps = len(episode["rewards"])
        if num_steps == 0:
            self.drop(row)
            return False
        if cut is not None:
            episode["truncations"][-1] = True
            episode.attrs["cut"] = cut
        number = self.num_episodes
        episode.attrs.update({"id": number, "total_steps": num_steps, **_attributes(place)})
        self._file.move(episode.name, f"/episode_{number}")
        self.num_episodes += 1
        self.num_steps += num_steps
        return True

    def drop(self, row: int) -> None:
        """Forget the row's episode."""
        if str(row) in self._open:
            del self._open[str(row)]

    def flush(self) -> None:
        """Write what there is, so that it can be read should this process be killed."""
        self._file.flush()
        self._write_metadata()

    def close(self) -> None:
        """Finish the file; episodes that were not ended are forgotten."""
        if not self._file:
            return
        del self._file[UNFINISHED]
        self._file.close()
        self._write_metadata()

    def _write_metadata(self) -> None:
        num_bytes = (self._data / MAIN_FILE).stat().st_size
        counts = {
            "total_episodes": self.num_episodes,
            "total_steps": self.num_steps,
            "dataset_size": round(num_bytes / 1e6, 1),  # in MB, as Minari says it
        }
        fresh = self._data / f"{METADATA_FILE}.new"
        fresh.write_text(json.dumps({**self._metadata, **counts}), encoding="utf-8")
        fresh.replace(self._data / METADATA_FILE)


def _append(into: h5py.Group, name: str, array: NDArray[Any], whole: bool) -> None:
    if whole:  # nothing is to follow: a plain array is smaller and sooner made
        into.create_dataset(name, data=np.ascontiguousarray(array))
        return
    if name in into:
        stored = into[name]
        before = len(stored)
        if len(array):
            stored.resize(before + len(array), axis=0)
            stored[before:] = array
        return
    row_bytes = max(array.dtype.itemsize * int(np.prod(array.shape[1:])), 1)
    chunk = max(min(CHUNK_BYTES // row_bytes, max(len(array), 64)), 1)
    into.create_dataset(
        name,
        data=np.ascontiguousarray(array),
        chunks=(chunk, *array.shape[1:]),
        maxshape=(None, *array.shape[1:]),
    )


def _attributes(place: Place) -> dict[str, int]:
    found = {
        "env": place.env,
        "agent": place.agent,
        "episode": place.episode,
        "first_step": place.first_step,
    }
    return found if place.seed is None else {**found, "seed": place.seed}


def _space_to_json(space: gymnasium.Space[Any]) -> dict[str, Any]:
    """Return a space as Minari's metadata has it."""
    spaces = gymnasium.spaces
    if isinstance(space, spaces.Dict):
        inner = {key: _space_to_json(value) for key, value in space.spaces.items()}
        return {"type": "Dict", "subspaces": inner}
    if isinstance(space, spaces.Discrete):
        return {
            "type": "Discrete",
            "dtype": "int64",
            "start": int(space.start),
            "n": int(space.n),
        }
    if isinstance(space, spaces.MultiDiscrete):
        return {
            "type": "MultiDiscrete",
            "dtype": str(space.dtype),
            "nvec": space.nvec.tolist(),
            "start": space.start.tolist(),
        }
    if isinstance(space, spaces.MultiBinary):
        n = space.n if isinstance(space.n, int) else list(map(int, space.n))
        return {"type": "MultiBinary", "n": n}
    assert isinstance(space, spaces.Box)
    return {
        "type": "Box",
        "dtype": str(space.dtype),
        "shape": list(space.shape),
        "low": space.low.tolist(),
        "high": space.high.tolist(),
    }


# Reading -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """One agent's episode in a data set: where it belongs, and where it is.

    Attributes:
        place: Where it belongs.
        num_steps: Its steps.
        group: Number of its group.
        key: Name in the file.
    """

    place: Place
    num_steps: int
    group: int
    key: str


class DataSet:
    """Reads what was recorded here.

    Args:
        path: Of the data set.

    Attributes:
        spec: Of the env.
        num_worlds: Worlds that were recorded.
        episodes: Every agent's episodes, group by group.

    Raises:
        SpecError: There is no data set, or it was recorded by something else: nobody knows the
            spec.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        root = Path(path)
        found = [root] if (root / "data" / METADATA_FILE).exists() else sorted(root.glob("*-v0"))
        folders = [folder / "data" for folder in found if (folder / "data" / MAIN_FILE).exists()]
        if not folders:
            raise SpecError(
                f"data set {root} has no data/{MAIN_FILE}, expected what `uerl-shm record` wrote"
            )
        texts = [json.loads((folder / METADATA_FILE).read_text("utf-8")) for folder in folders]
        for folder, text in zip(folders, texts, strict=True):
            if "uerl_shm" not in text:
                raise SpecError(
                    f"data set {folder.parent} has no spec in its metadata, expected one that "
                    "`uerl-shm record` or uerl_shm.record() wrote"
                )
        self.spec = EnvSpec.from_json(texts[0]["uerl_shm"]["spec"])
        self.num_worlds: int = texts[0]["uerl_shm"]["num_worlds"]
        names = [group.name for group in self.spec.groups]
        by_group = {
            names.index(text["uerl_shm"]["group"]): (folder, text["total_episodes"])
            for folder, text in zip(folders, texts, strict=True)
        }
        self._files = {
            number: h5py.File(folder / MAIN_FILE, "r") for number, (folder, _) in by_group.items()
        }
        self.episodes = [
            recorded
            for number, (_, count) in sorted(by_group.items())
            for recorded in self._index(number, count)
        ]

    def _index(self, group: int, count: int) -> Iterator[Recorded]:
        for number in range(count):
            key = f"episode_{number}"
            attributes = self._files[group][key].attrs
            seed = attributes.get("seed")
            names = ("env", "agent", "episode", "first_step")
            env, agent, episode, first_step = (int(attributes[name]) for name in names)
            place = Place(env, agent, episode, first_step, None if seed is None else int(seed))
            yield Recorded(place, int(attributes["total_steps"]), group, key)

    def read(self, recorded: Recorded) -> Piece:
        """Return all steps of an agent's episode."""
        group = self.spec.groups[recorded.group]
        stored = self._files[recorded.group][recorded.key]

        def arrays(kind: str, names: Mapping[str, Any], many: bool) -> dict[str, NDArray[Any]]:
            return {name: stored[f"{kind}/{name}" if many else kind][()] for name in names}

        return Piece(
            arrays("observations", group.observation, len(group.observation) > 1),
            arrays("infos", group.info, True),
            arrays("actions", group.action, len(group.action) > 1),
            stored["rewards"][()],
            stored["terminations"][()],
            stored["truncations"][()],
            first=True,
        )

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
