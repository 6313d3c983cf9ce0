"""From what a caller wrote as a simulator to an argv, an environment and a user."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uerl_shm._bin import FOLDER
from uerl_shm.errors import SimulatorLost, SimulatorNotFound, SpecError

#: One argument of a command.
Argument = str | os.PathLike[str]
#: A command line, an argv, or a function from a lane to either.
Simulator = str | Sequence[Argument] | Callable[[int], str | Sequence[Argument]]

MAX_ID = 2**32 - 2  # of a user or group; the next means "no change" to the kernel
ENV_NAME = "UERL_SHM_NAME"
ENV_LANE = "UERL_SHM_LANE"
ENV_DESCRIBE = "UERL_SHM_DESCRIBE"


@dataclass(frozen=True)
class User:
    """Whom a simulator runs as.

    Attributes:
        uid: None: as the learner.
        gid: None: as the learner.
        environ: What a login would set.
    """

    uid: int | None = None
    gid: int | None = None
    environ: Mapping[str, str] = field(default_factory=dict)


def resolve_command(
    simulator: Simulator,
    lane: int,
    name: str,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> list[str]:
    """Return the argv that starts the simulator of one lane.

    Args:
        simulator: A command line (divided as a shell divides words), an argv, or a function from a
            lane to either. ``{name}`` and ``{lane}`` are replaced; other braces stay as they are.
        lane: Number of the lane.
        name: Name of the segment.
        environ: What is added to the environment; its PATH counts.
        cwd: Folder in which the simulator starts; a relative path counts from there.

    Returns:
        The argv; its first entry is a path if one was found: a path as it was given, else one of
        the executables of this package, else one on PATH.

    Raises:
        SpecError: The command is empty, or is no text.
        SimulatorNotFound: There is no such executable.
        SimulatorLost: There is such a file, but it cannot be executed.
    """
    command = simulator(lane) if callable(simulator) else simulator
    values = {"{name}": name, "{lane}": str(lane)}
    argv = [
        re.sub(r"\{name\}|\{lane\}", lambda found: values[found[0]], argument)
        for argument in _divided(command)
    ]
    search = environment(environ)["PATH"]
    return [_executable(argv[0], search, cwd), *argv[1:]]


def environment(
    environ: Mapping[str, str] | None,
    user: User = User(),
) -> dict[str, str]:
    """Return this process's environment with ``environ`` over it, and our executables on PATH."""
    for key, value in (environ or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise SpecError(f"environ has {key!r}: {value!r}, expected text for text")
    inherited = dict(os.environ)
    if user.environ:  # another user's folders
        inherited = {key: value for key, value in inherited.items() if not key.startswith("XDG_")}
    merged = {**inherited, **user.environ, **(environ or {})}
    for key in (ENV_NAME, ENV_LANE, ENV_DESCRIBE):
        merged.pop(key, None)
    merged["PATH"] = os.pathsep.join(filter(None, (str(FOLDER), merged.get("PATH", os.defpath))))
    return merged


def resolve_user(user: str | int | None, group: str | int | None) -> User:
    """Return whom to run as, given names or numbers.

    Raises:
        SpecError: There is no such user or group, or this process may not change to it.
    """
    if user is None and group is None:
        return User()
    account = None if user is None else _account(user)
    uid = gid = None
    if group is not None:
        gid = _gid(group)
    elif account is not None:
        gid = account.pw_gid
    elif user is not None:
        raise SpecError(f"run_as_user {user} has no account, expected one: give run_as_group, too")
    if user is not None:
        uid = int(user) if account is None else account.pw_uid
    if os.geteuid() != 0:
        if uid in (None, os.geteuid()) and gid in (None, os.getegid()):
            return User()
        raise SpecError(
            f"run_as_user {user!r} and run_as_group {group!r} need root, this learner has uid "
            f"{os.geteuid()}: start the learner as root, or leave them out"
        )
    login: dict[str, str] = {}
    if account is not None:
        login = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
    return User(uid, gid, login)


def _divided(command: object) -> list[str]:
    if isinstance(command, str):
        try:
            argv = shlex.split(command)
        except ValueError as error:
            raise SpecError(f"simulator {command!r} is no command line: {error}") from None
    elif isinstance(command, Sequence) and not isinstance(command, bytes):
        argv = []
        for argument in command:
            if not isinstance(argument, (str, os.PathLike)):
                raise SpecError(f"simulator has the argument {argument!r}, expected text")
            argv.append(str(os.fspath(argument)))
    else:
        raise SpecError(f"simulator {command!r}, expected a command line, or a list of arguments")
    if not argv or not argv[0]:
        raise SpecError(f"simulator {command!r} is empty, expected a command line")
    for argument in argv:
        if "\0" in argument:
            raise SpecError(f"simulator has the argument {argument!r}, expected no zero in it")
    return argv


def _executable(command: str, search: str, cwd: str | os.PathLike[str] | None) -> str:
    if "/" in command:
        path = Path(cwd or ".", command).absolute()
        if not path.exists():
            raise SimulatorNotFound(
                f"simulator {path} does not exist, expected an executable: check the path"
            )
        if not path.is_file() or not os.access(path, os.X_OK):
            raise SimulatorLost(
                f"simulator {path} cannot be executed, expected an executable file: "
                f"chmod +x {shlex.quote(str(path))}"
            )
        return str(path)
    found = shutil.which(command, path=search)
    if found is None:
        here = Path(cwd or ".", command).exists()
        remedy = f"write ./{command}" if here else "write its path, or extend PATH"
        raise SimulatorNotFound(
            f"simulator {command!r} does not exist, expected an executable on PATH ({search}): "
            f"{remedy}"
        )
    return os.path.abspath(found)


def _account(user: str | int) -> pwd.struct_passwd | None:
    try:
        number = _number("run_as_user", user)
        return pwd.getpwnam(str(user)) if number is None else _by_number(number)
    except KeyError:
        raise SpecError(
            f"run_as_user {user!r} is unknown, expected a user of this machine: "
            "give a name from /etc/passwd, or a number"
        ) from None


def _number(what: str, value: str | int) -> int | None:
    if isinstance(value, str) and not value.isdecimal():
        return None
    if not 0 <= int(value) <= MAX_ID:
        raise SpecError(f"{what} {value}, expected 0 to {MAX_ID}")
    return int(value)


def _by_number(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None  # numbers without a name are usual in containers


def _gid(group: str | int) -> int:
    number = _number("run_as_group", group)
    if number is not None:
        return number
    try:
        return grp.getgrnam(str(group)).gr_gid
    except KeyError:
        raise SpecError(
            f"run_as_group {group!r} is unknown, expected a group of this machine: "
            "give a name from /etc/group, or a number"
        ) from None
