"""What several commands read from a segment, beside what `uerl_shm.segment` says."""

from __future__ import annotations

import os
from typing import Any

from uerl_shm import _core
from uerl_shm.segment import AUTORESET_MODES, SHM_DIRECTORY

LEFTOVER_PREFIX = ".uerl-"  # between link and rename, when a segment takes a dead one's name over
LANE_STATES = ("empty", "binding", "ready", "refused", "left")  # enum uerl_lane_state
ROLE_NAMES = {number: name for name, number in _core.ROLES.items()}
MODE_NAMES = {number: name for name, number in AUTORESET_MODES.items()}


def lanes_of(observer: Any, header: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each lane's words say now, with ``state`` as a word."""
    lanes = [observer.lane(index) for index in range(header["num_lanes"])]
    for lane in lanes:
        lane["pending"] = is_pending(lane)
        lane["state"] = state_of(lane)
    return lanes


def state_of(lane: dict[str, Any]) -> str:
    """Return a lane's state in one word: of `LANE_STATES`, or ``lost``, ``late``, ``fenced``."""
    number = lane["state"]
    state = LANE_STATES[number] if number < len(LANE_STATES) else f"state {number}"
    if state not in ("binding", "ready"):
        return state
    if not lane["locked"]:
        return "lost"
    said = {lane["late"]: "late", lane["fence"]: "fenced"}  # of one generation each; 0: of none
    return said.get(lane["generation"] or -1, state)


def is_pending(lane: dict[str, Any]) -> bool:
    """Whether a command waits for the lane's simulator, or is in its hands.

    ``progress`` goes up with each command received and with each result published: odd between.
    """
    unread = lane["commands"] != lane["commands_read"]
    in_hand = lane["steps"] > 0 and lane["progress"] % 2 == 1
    return bool(unread or in_hand)


def attached(lanes: list[dict[str, Any]]) -> int:
    """Return how many lanes have a living simulator."""
    return sum(bool(lane["locked"]) for lane in lanes)


def file_bytes(name: str) -> int:
    """Return the size of a segment's file."""
    return os.stat(SHM_DIRECTORY / name).st_size


def rows_per_env(observer: Any) -> int:
    """Return the rows of one world, of all groups together."""
    return sum(rows for _, rows, _ in observer.groups())
