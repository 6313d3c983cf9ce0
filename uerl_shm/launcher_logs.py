"""The logs of simulators: where they stand, how they are opened, what they say last."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from uerl_shm.errors import UerlError

LAST_BYTES = 1 << 16  # how far back last_lines() looks


class Logs:
    """One log for each lane, ``lane-<k>.log``, in one folder."""

    def __init__(self, folder: str | os.PathLike[str] | None, name: str) -> None:
        """Make the folder; without one it is ``<temporary files>/uerl_shm-<uid>/<name>``.

        Raises:
            UerlError: The folder of this user's logs belongs to somebody else.
        """
        self._is_ours = folder is None
        self.folder = _own_folder() / name if folder is None else Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, lane: int) -> Path:
        """Return the file of a lane."""
        return self.folder / f"lane-{lane}.log"

    def open(self, lane: int, *, append: bool) -> int:
        """Return a file descriptor that appends to a lane's log; without ``append`` it is new."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.path(lane), flags | (0 if append else os.O_TRUNC), 0o600)

    def forget(self, lane: int, *, clean: bool) -> None:
        """Remove a log that nobody needs: an empty one, or in our own folder one of a clean end."""
        with contextlib.suppress(OSError):
            if self.path(lane).stat().st_size == 0 or (clean and self._is_ours):
                self.path(lane).unlink()
        if self._is_ours:
            with contextlib.suppress(OSError):
                self.folder.rmdir()


def last_lines(path: Path, lines: int) -> str:
    """Return the last lines of a text file, without the final newline; "" if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _own_folder() -> Path:
    path = Path(tempfile.gettempdir(), f"uerl_shm-{os.geteuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise UerlError(
            f"{path} belongs to uid {found.st_uid} or is no folder, expected a folder of uid "
            f"{os.geteuid()} for logs: remove it, or give log_dir"
        )
    return path
