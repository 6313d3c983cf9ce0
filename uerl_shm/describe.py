"""Asks a simulator for its spec; remembers it for as long as the simulator's files are the same."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from uerl_shm.errors import LayoutMismatch, SimulatorLost, SpecError, StepTimeout
from uerl_shm.launcher_cache import SpecCache, fingerprint
from uerl_shm.launcher_command import (
    ENV_DESCRIBE,
    Simulator,
    User,
    environment,
    resolve_command,
    resolve_user,
)
from uerl_shm.launcher_logs import last_lines
from uerl_shm.launcher_process import KILL_TIMEOUT_S, SimulatorProcess
from uerl_shm.launcher_unreal import check_unreal_user
from uerl_shm.spec import EnvSpec

MAX_SPEC_BYTES = 1 << 26  # UERL_MAX_TEXT_BYTES
LINES = 20  # of the simulator's output in an error

_cache = SpecCache()


def describe(
    simulator: Simulator,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout_s: float = 300.0,
    *,
    run_as_user: str | int | None = None,
    run_as_group: str | int | None = None,
) -> EnvSpec:
    """Return the spec that a simulator writes when it is asked for it.

    The command is run as for lane 0, with ``UERL_SHM_DESCRIBE`` naming the file to write. The
    answer is kept for as long as no file that it may depend on has changed; a Python simulator,
    which may import anything, is asked every time.

    Args:
        simulator: As of `resolve_command`.
        environ: Added to the environment of this process.
        cwd: Folder in which the simulator starts; default: this process's.
        timeout_s: Longest wait for the simulator to write its spec and to end.
        run_as_user: As of `Launcher`.
        run_as_group: As of `Launcher`.

    Raises:
        SimulatorLost: It does not exist, cannot be run, or did not end with exit code 0.
        SpecError: It wrote no spec, or a wrong one.
        LayoutMismatch: It was built against another layout.
        StepTimeout: It took longer than ``timeout_s``.
    """
    user = resolve_user(run_as_user, run_as_group)
    argv = resolve_command(simulator, 0, "describe", environ=environ, cwd=cwd)
    check_unreal_user(argv, user)
    variables = environment(environ, user)
    key = fingerprint(argv, variables, cwd)
    spec = None if key is None else _cache.load(key)
    if spec is None:
        spec = _ask(argv, variables, cwd, timeout_s, user)
        # Files that changed meanwhile may or may not have been seen: ask again next time.
        if key is not None and key == fingerprint(argv, variables, cwd):
            _cache.store(key, spec)
    return spec


def _ask(
    argv: list[str],
    variables: Mapping[str, str],
    cwd: str | os.PathLike[str] | None,
    timeout_s: float,
    user: User,
) -> EnvSpec:
    folder = Path(tempfile.mkdtemp(prefix="uerl_shm-describe-"))
    try:
        os.chown(folder, -1 if user.uid is None else user.uid, -1 if user.gid is None else user.gid)
        file, log = folder / "spec.json", folder / "log"
        with log.open("xb") as output:
            process = SimulatorProcess(
                argv,
                environ={**variables, ENV_DESCRIBE: str(file)},
                cwd=cwd,
                output_fd=output.fileno(),
                user=user,
            )
        _wait(process, argv, log, timeout_s)
        return _read(file, argv, log)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)


def _wait(process: SimulatorProcess, argv: list[str], log: Path, timeout_s: float) -> None:
    try:
        status = process.wait(timeout_s)
    finally:
        process.kill()
        process.wait(KILL_TIMEOUT_S)
    if status is None:
        raise StepTimeout(
            f"simulator {shlex.join(argv)} still ran after {timeout_s:g} s when it was asked for "
            f"its spec, expected it to write it and end: {_remedy(log)}"
        )
    if status.returncode != 0:
        raise SimulatorLost(
            f"simulator {shlex.join(argv)} ended with {status} when it was asked for its spec, "
            f"expected exit code 0: {_remedy(log)}"
        )


def _read(file: Path, argv: list[str], log: Path) -> EnvSpec:
    command = shlex.join(argv)
    try:
        # The simulator may run as somebody else: what it left is not to be followed.
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as opened:
            text = opened.read(MAX_SPEC_BYTES + 1)
    except OSError:
        text = b""
    if not text:
        raise SpecError(
            f"simulator {command} wrote no spec, expected one in the file that {ENV_DESCRIBE} "
            f"names: {_remedy(log)}"
        )
    if len(text) > MAX_SPEC_BYTES:
        raise SpecError(f"simulator {command} wrote a spec above {MAX_SPEC_BYTES} bytes")
    try:
        return EnvSpec.from_json(text)
    except (SpecError, LayoutMismatch) as error:
        raise type(error)(f"simulator {command} wrote a wrong spec: {error}") from None


def _remedy(log: Path) -> str:
    said = last_lines(log, LINES)
    advice = "call uerl_describe() before all else in it, or give spec="
    return f"{advice}; its last lines:\n{said}" if said else f"{advice}; it printed nothing"
