"""Checking what callers pass: seeds, reset masks, choices, times, users."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from uerl_shm.errors import SpecError
from uerl_shm.launcher_command import resolve_user


def checked_choice(what: str, value: Any, choices: Iterable[Any]) -> Any:
    """Return `value` if it is one of `choices`."""
    listed = list(choices)
    if value not in listed:
        raise SpecError(f"{what} {value!r}, expected one of {listed}")
    return value


def checked_seconds(what: str, value: Any) -> float:
    """Return a time in seconds as a float: not negative, not NaN."""
    seconds = float(value)
    if not seconds >= 0.0:
        raise SpecError(f"{what} {value!r}, expected seconds, at least 0")
    return seconds


def checked_count(what: str, value: Any) -> int:
    """Return a count as an int: not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise SpecError(f"{what} {value!r}, expected an int, at least 0")
    return int(value)


def seeds_of(seed: Any, num_envs: int, rows_per_world: int) -> np.ndarray:
    """Return one int64 seed for each world; -1: go on with the env's own generator."""
    worlds = num_envs // rows_per_world
    if seed is None:
        return np.full(worlds, -1, np.int64)
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        return _checked_seeds([int(seed) + world for world in range(worlds)])
    if not isinstance(seed, (list, tuple, np.ndarray)):
        raise SpecError(f"seed {seed!r}, expected an int, a sequence of ints, or None")
    if len(seed) != num_envs:
        raise ValueError(
            f"{len(seed)} seeds, expected {num_envs}, one for each row: pass one int to derive them"
        )
    return _checked_seeds(list(seed)[::rows_per_world])


def _checked_seeds(seeds: list[Any]) -> np.ndarray:
    for seed in seeds:
        if seed is None:
            continue
        if not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) < 2**63:
            raise SpecError(f"seed {seed!r}, expected ints from 0 to 2**63 - 1, or None")
    return np.array([-1 if seed is None else int(seed) for seed in seeds], np.int64)


def reset_mask_of(options: dict[str, Any], num_envs: int, rows_per_world: int) -> np.ndarray:
    """Take ``"reset_mask"`` out of `options`; return one uint8 for each world, 1: reset.

    The texts are those of Gymnasium's vector envs, whose tests look for them.
    """
    worlds = num_envs // rows_per_world
    if "reset_mask" not in options:
        return np.ones(worlds, np.uint8)
    mask = options.pop("reset_mask")
    what = "`options['reset_mask']`"
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"{what} must be a numpy array, got {type(mask)}")
    if mask.shape != (num_envs,):
        raise ValueError(f"{what} must have shape `({num_envs},)`, got {mask.shape}")
    if mask.dtype != np.bool_:
        raise TypeError(f"{what} must have `dtype=np.bool_`, got {mask.dtype}")
    if not mask.any():
        raise ValueError(
            f"{what} must contain a boolean array with at least one True value, "
            f"got reset_mask={mask}"
        )
    by_world = mask.reshape(worlds, rows_per_world)
    if (by_world.any(axis=1) != by_world.all(axis=1)).any():
        raise SpecError(
            f"reset_mask {mask} names some agents of a world and not others, expected whole worlds "
            f"of {rows_per_world} rows"
        )
    return np.ascontiguousarray(by_world[:, 0]).astype(np.uint8)


class Access:
    """Who may open the segment: permission bits and group.

    Attributes:
        mode: Permission bits.
        gid: Number of the group; -1 leaves the process's own.
    """

    def __init__(
        self,
        mode: int,
        group: str | int | None,
        run_as_user: str | int | None,
        starts: bool,
    ) -> None:
        if not isinstance(mode, int) or not 0 <= mode <= 0o777 or mode & 0o600 != 0o600:
            found = oct(mode) if isinstance(mode, int) else repr(mode)
            raise SpecError(f"shm_mode {found}, expected 0o600, 0o660 or 0o666")
        self.mode = mode
        self.gid = -1 if group is None else _gid(group)
        self._run_as_user = run_as_user
        if run_as_user is not None and not starts:
            raise SpecError(
                f"run_as_user {run_as_user!r} without a simulator to start, expected simulator="
            )
        self._check_users()

    def _check_users(self) -> None:
        """Refuse to start simulators that could not open the segment.

        Raises:
            SpecError: The user may not read and write it.
        """
        if self._run_as_user is None:
            return
        user = resolve_user(self._run_as_user, None)
        if user.uid in (None, os.geteuid(), 0):
            return
        group = self.gid if self.gid >= 0 else os.getegid()
        in_group = group == user.gid or group in _groups_of(self._run_as_user, user.gid)
        if self.mode & 0o006 == 0o006 or (self.mode & 0o060 == 0o060 and in_group):
            return
        raise SpecError(
            f"simulators run as user {self._run_as_user!r}, who cannot open a segment of uid "
            f"{os.geteuid()}, gid {group} and mode {self.mode:#o}: give shm_group= a group of that "
            "user and shm_mode=0o660"
        )


def _gid(group: str | int) -> int:
    if isinstance(group, (int, np.integer)) or str(group).isdigit():
        return int(group)
    try:
        return grp.getgrnam(str(group)).gr_gid
    except KeyError:
        raise SpecError(
            f"shm_group {group!r} is unknown, expected a group of this machine"
        ) from None


def _groups_of(user: str | int, gid: int | None) -> list[int]:
    import pwd

    try:
        entry = pwd.getpwuid(int(user)) if str(user).isdigit() else pwd.getpwnam(str(user))
    except KeyError:
        return []
    return os.getgrouplist(entry.pw_name, entry.pw_gid if gid is None else gid)
