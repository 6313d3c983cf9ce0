"""The files that a person wrote, with their texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {
    *(".py", ".pyi", ".c", ".h", ".cpp", ".hpp", ".md", ".toml", ".txt", ".yml", ".yaml", ".sh"),
    *(".html", ".js", ".css", ".cs", ".pml", ".json"),
}
NAMES = {"Makefile", "Dockerfile", "run", "packages", ".clang-format", ".editorconfig"}
# Built, downloaded or written at run time.
NOT_OURS = {
    *(".git", ".venv", "build", "dist", "runs", "results", "__pycache__", "node_modules", "shared"),
    *(".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis", ".benchmarks"),
}
_COPIES = "unreal/UerlShm/Source/ThirdParty/UerlShmCore"  # of csrc, made by `make unreal`
BUILT = {
    *("uerl_shm/bin", "uerl_shm/include", "uerl_shm/lib"),
    *(f"{_COPIES}/core", f"{_COPIES}/include"),
}


@dataclass(frozen=True)
class Source:
    """One file: `path` is relative to the root, with forward slashes."""

    path: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Lines without their ends."""
        return self.text.splitlines()

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Name without its suffix."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Tree:
    """All files under `root`."""

    root: Path
    sources: tuple[Source, ...]

    def matching(self, *patterns: str) -> Iterator[Source]:
        """Files whose path matches one of the patterns (``*`` crosses folders)."""
        for source in self.sources:
            if any(fnmatch(source.path, pattern) for pattern in patterns):
                yield source


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        relative = path.relative_to(root).as_posix()
        if path.is_dir() and not path.is_symlink():
            built = path.name in NOT_OURS or relative in BUILT or path.name.endswith(".egg-info")
            if not built and not (path / "pyvenv.cfg").exists():
                yield from _walk(path, root)
        elif path.suffix in SUFFIXES or path.name in NAMES:
            yield path


@lru_cache
def read_tree(root: Path = ROOT) -> Tree:
    """Reads every file that a person wrote under `root`."""
    return Tree(
        root,
        tuple(
            Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
            for path in _walk(root, root)
        ),
    )
