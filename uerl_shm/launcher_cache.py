"""Remembers specs for as long as every file that they may depend on is the same.

A simulator is known by its command, its environment and its files: the executable, the arguments
that are files, and all files near those that may decide: what lies beside a start script or a
project file, and a whole packaged Unreal project. Where that cannot be told (interpreters import
anything; folders with very many files), nothing is remembered.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from uerl_shm.errors import UerlError
from uerl_shm.spec import LAYOUT_VERSION, EnvSpec

MAX_SPECS = 200  # in the folder; the oldest go
MAX_FILES = 20_000  # some 0.1 s to look at
# What engines, editors and interpreters write beside the files that decide.
SKIPPED_FOLDERS = {"Saved", "Intermediate", "DerivedDataCache", "__pycache__"}
SHELLS = {"sh", "bash", "dash"}
INTERPRETER = re.compile(r"(python|pypy|perl|ruby|node|java|env|mono|dotnet|wine)[\d.]*")
# Differ from shell to shell, and decide nothing.
VOLATILE = re.compile(r"_|PWD|OLDPWD|SHLVL|COLUMNS|LINES|TERM.*|WINDOWID|PYTEST_.*|SSH_.*")


class _Unknown(Exception):
    """It cannot be told on which files the spec depends."""


class SpecCache:
    """Specs by fingerprint, in memory and in the user's cache folder."""

    def __init__(self) -> None:
        self._memory: dict[str, EnvSpec] = {}

    def load(self, key: str) -> EnvSpec | None:
        """Return the spec kept for a fingerprint; None if there is none that can be read."""
        if key not in self._memory:
            with contextlib.suppress(OSError, UerlError):
                self._memory[key] = EnvSpec.load(_folder() / f"{key}.json")
        return self._memory.get(key)

    def store(self, key: str, spec: EnvSpec) -> None:
        """Keep a spec; without a folder that can be written, in memory only."""
        self._memory[key] = spec
        with contextlib.suppress(OSError):
            folder = _folder()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".json")
            try:
                os.close(fd)
                spec.save(name)
                os.replace(name, folder / f"{key}.json")
            except OSError:
                os.unlink(name)
                raise
            specs = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
            for path in specs[:-MAX_SPECS]:
                path.unlink()


def fingerprint(
    argv: Sequence[str], environ: Mapping[str, str], cwd: str | os.PathLike[str] | None
) -> str | None:
    """Return what names a simulator in its present state; None if that cannot be told."""
    folder = Path(cwd or ".").absolute()
    try:
        files = [_state(path) for path in _relevant_files(argv, folder)]
    except (_Unknown, OSError):
        return None
    variables = {key: value for key, value in environ.items() if not VOLATILE.fullmatch(key)}
    known = [LAYOUT_VERSION, list(argv), str(folder), sorted(variables.items()), files]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _relevant_files(argv: Sequence[str], cwd: Path) -> Iterator[Path]:
    executable = Path(argv[0]).resolve()
    given = [executable]
    for argument in argv[1:]:
        for text in (argument, argument.partition("=")[2]):
            with contextlib.suppress(OSError, ValueError):  # some text that is no path
                path = cwd / text
                if path.is_file():
                    given.append(path.resolve())
    if INTERPRETER.fullmatch(executable.name) or _interpreter(executable) not in (None, *SHELLS):
        raise _Unknown
    if executable.name in SHELLS and len(given) == 1:
        raise _Unknown  # sh -c may do anything
    left = MAX_FILES
    for path in given:
        yield path
        for found in _tree(_root(path)):
            left -= 1
            if left < 0:
                raise _Unknown
            yield found


def _interpreter(path: Path) -> str | None:
    """Return the name of the program that runs a script; None of another file."""
    with path.open("rb") as file:
        line = file.readline(256)
    if not line.startswith(b"#!"):
        return None
    words = line[2:].decode(errors="replace").split()
    return Path(words[0]).name if words else ""


def _root(path: Path) -> Path | None:
    """Return the folder of files that decide together with ``path``; None if it stands alone."""
    if len(path.parents) > 2 and path.parent.parent.name == "Binaries":
        return path.parents[2]  # Project/Binaries/Linux/Project
    if _interpreter(path) is not None or path.suffix == ".uproject":
        return path.parent
    return None


def _tree(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        return
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith(".")
        )
        yield from (Path(root, name) for name in sorted(files))


def _state(path: Path) -> list[int | str]:
    """Return what changes whenever a file is written, replaced, or given another's times."""
    try:
        now = path.stat()
    except FileNotFoundError:  # a link to nowhere
        now = path.lstat()
    return [str(path), now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns]


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    return Path(base, "uerl_shm")
