"""Unreal Engine refuses to run as root: say so before a simulator of it is started as root."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from uerl_shm.errors import SpecError
from uerl_shm.launcher_command import User

# The editor, and games of every configuration but Development, whose name is the game's alone.
_PROGRAM = re.compile(
    r"(UnrealEditor|UE4Editor)[\w.-]*|.+-Linux(Arm64|AArch64)?-(Shipping|Test|DebugGame)"
)
_FOLDER = re.compile(r"/Binaries/Linux(Arm64|AArch64)?/")
# Programs that run another one, mostly as somebody else: theirs to know.
_CHANGES_USER = {
    *("sudo", "su", "runuser", "gosu", "su-exec", "setpriv", "setuidgid", "chpst", "doas"),
    *("docker", "podman", "nerdctl", "kubectl", "bwrap", "chroot", "unshare", "nsenter"),
}


def check_unreal_user(argv: Sequence[str], user: User) -> None:
    """Refuse a command that Unreal Engine itself would refuse, only later and less clearly.

    Args:
        argv: As `resolve_command` returns it.
        user: As `resolve_user` returns it.

    Raises:
        SpecError: It is a program of Unreal Engine, and it would run as root.
    """
    uid = os.geteuid() if user.uid is None else user.uid
    if uid != 0 or not is_unreal(argv):
        return
    raise SpecError(
        f"simulator {shlex.join(argv)} would run as root, expected another user, because Unreal "
        "Engine refuses to run as root: give run_as_user= an ordinary user, shm_group= a group of "
        "that user, and shm_mode=0o660"
    )


def is_unreal(argv: Sequence[str]) -> bool:
    """Return whether a command starts Unreal's editor or a packaged game, itself or by a helper."""
    if Path(argv[0]).name in _CHANGES_USER:
        return False
    return any(
        _is_program(word) or word.endswith(".uproject")
        for word in argv
        if word and not word.startswith("-")
    )


def _is_program(word: str) -> bool:
    path = Path(word)
    if _PROGRAM.fullmatch(path.name) or _FOLDER.search(word):
        return True
    return path.is_absolute() and _is_start_script(path)


def _is_start_script(path: Path) -> bool:
    """Whether this is the script that a packaged game has beside its folders."""
    try:
        path = path.resolve()
        if not (path.parent / "Engine" / "Binaries" / "Linux").is_dir():
            return False
        with path.open("rb") as file:
            return path.suffix == ".sh" or file.read(2) == b"#!"
    except OSError:
        return False
