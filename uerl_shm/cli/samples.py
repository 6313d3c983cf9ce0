"""Two looks at a segment, and the rates between them; for `uerl-shm top`.

Everything is judged by this process's own clock: a simulator's words may say anything.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from uerl_shm import _core
from uerl_shm.cli.segments import attached, file_bytes, lanes_of, rows_per_env
from uerl_shm.cli.top_shares import time_shares
from uerl_shm.errors import SegmentNotFound, UerlError


@dataclass
class Sample:
    """What a segment said at one moment.

    Attributes:
        at_s: Moment, on the monotonic clock.
        header: Of `_core.Observer.header`.
        lanes: Of `lanes_of`.
    """

    at_s: float
    header: dict[str, Any]
    lanes: list[dict[str, Any]]


@dataclass
class Watch:
    """Follows one name, over restarts of its learner.

    Attributes:
        name: Name of the segment.
        pending_since: Lane to the moment since which the same command has been pending.
    """

    name: str
    pending_since: dict[int, tuple[Any, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._observer = _core.Observer(self.name)
        self._run_id = self._observer.header()["run_id"]

    @property
    def rows_per_env(self) -> int:
        """Rows of one world, of all groups together."""
        return rows_per_env(self._observer)

    @property
    def num_rows(self) -> int:
        """Rows of all groups together."""
        return sum(rows for _, _, rows in self._observer.groups())

    def sample(self) -> Sample:
        """Look once; a new learner of the same name is followed.

        Raises:
            SegmentNotFound: The learner has ended and taken the name with it.
        """
        header = self._observer.header()
        if not header["owner_alive"]:
            file_bytes_of(self.name)
            header = self._follow(header)
        now_s = time.monotonic()
        lanes = lanes_of(self._observer, header)
        for lane in lanes:
            self._note_pending(lane, now_s)
        return Sample(now_s, header, lanes)

    def _follow(self, header: dict[str, Any]) -> dict[str, Any]:
        try:
            observer = _core.Observer(self.name)
        except SegmentNotFound:
            raise
        except UerlError:
            return header
        fresh = observer.header()
        if fresh["run_id"] == self._run_id:
            return header
        self._observer, self._run_id = observer, fresh["run_id"]
        self.pending_since.clear()
        return dict(fresh)

    def _note_pending(self, lane: dict[str, Any], now_s: float) -> None:
        number = lane["lane"]
        if not lane["pending"]:
            self.pending_since.pop(number, None)
            return
        same = (lane["generation"], lane["commands"], lane["results"])
        seen = self.pending_since.get(number)
        if seen is None or seen[0] != same:
            self.pending_since[number] = (same, now_s)

    def pending_s(self, lane: int, now_s: float) -> float | None:
        """Return for how long the same command has been seen pending; None if only just now."""
        seen = self.pending_since.get(lane)
        return None if seen is None or seen[1] == now_s else now_s - seen[1]


def file_bytes_of(name: str) -> int:
    """Return the size of a segment's file.

    Raises:
        SegmentNotFound: There is none.
    """
    try:
        return file_bytes(name)
    except FileNotFoundError:
        raise SegmentNotFound(f"segment {name} is gone: its learner has ended") from None


def rates(watch: Watch, before: Sample, after: Sample) -> dict[str, Any]:
    """Return what happened between two samples of the same learner.

    Rates are per second; shares are of the time between. ``pending_s`` counts from the first time
    that this process saw the command.
    """
    seconds = max(after.at_s - before.at_s, 1e-9)
    header = after.header
    same_run = before.header["run_id"] == header["run_id"]
    old = before.header if same_run else dict.fromkeys(header, 0)
    old_lanes = before.lanes if same_run else [None] * len(after.lanes)
    rows = (header["steps"] - old["steps"]) / seconds
    lanes = [
        _lane_rates(watch, was, lane, header["envs_per_lane"], after.at_s, seconds)
        for was, lane in zip(old_lanes, after.lanes, strict=True)
    ]
    batches = header["batches"] - old["batches"]
    waited = _share(header["wait_s"] - old["wait_s"], seconds)
    time = time_shares(
        waited if batches or not any(lane["pending"] for lane in after.lanes) else None,
        [lane["wait_share"] for lane in lanes],
        _core.num_cores(),
    )
    for lane, shares in zip(lanes, time.lanes, strict=True):
        lane["time"] = shares
    return {
        "name": watch.name,
        "state": "alive" if header["owner_alive"] else "dead",
        "closed": header["closed"],
        "seconds": seconds,
        "segment_bytes": header["segment_bytes"],
        "slots": header["num_slots"],
        "rows": watch.num_rows,
        "simulators": attached(after.lanes),
        "env_steps_per_s": rows / watch.rows_per_env,
        "rows_per_s": rows,
        "batches_per_s": batches / seconds,
        "learner_wait_share": waited,
        "time": time.total,
        "transport_s_per_batch": (
            time.total["transport"] * seconds / batches if time.total and batches else None
        ),
        "copied_batches": header["copied_batches"] - old["copied_batches"],
        "steps": header["steps"],
        "lanes": lanes,
    }


def _lane_rates(
    watch: Watch,
    old: dict[str, Any] | None,
    new: dict[str, Any],
    envs: int,
    now_s: float,
    seconds: float,
) -> dict[str, Any]:
    if old is None or old["generation"] != new["generation"]:
        old = dict.fromkeys(new, 0)  # its counters began anew
    commands = new["steps"] - old["steps"]
    waited = _share(new["wait_s"] - old["wait_s"], seconds)
    if commands == 0:  # it says how long it waited only when a command has come
        waited = 0.0 if new["pending"] else 1.0
    return {
        "lane": new["lane"],
        "state": new["state"],
        "generation": new["generation"],
        "env_steps_per_s": commands * envs / seconds,
        "wait_share": waited if new["locked"] else None,
        "pending_s": watch.pending_s(new["lane"], now_s),
    }


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0)
