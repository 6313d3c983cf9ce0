"""What `uerl-shm serve-metrics` knows of its segments: looks, sums over looks, and verdicts.

It looks once a second even if nobody asks: a learner that ended is let go, and its memory with it.
Everything is judged by this process's own clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from uerl_shm.cli.samples import Sample, Watch, rates
from uerl_shm.errors import SegmentNotFound, UerlError
from uerl_shm.segment import list_segments

LOOK_S = 1.0
MIN_LOOK_S = 0.1  # whoever asks, and however often
WINDOW_S = 5.0  # of shares: long beside one step, as a wait is counted when it ends
MAX_SEGMENTS = 64  # that are followed at once
PARTS = ("simulators", "turns", "transport", "learner")
LANE_PARTS = ("simulator", "others", "transport", "learner")
WELL = ("ok", "starting")
REASONS = {
    "dead": "owner's lock of segment {name} is free, expected its learner to hold it: start the "
    "learner again, it takes the name over",
    "ended": "segment {name} is gone, expected its learner at work: start a learner that names it",
    "missing": "segment {name} not found for {waited_s:.0f} s, expected it within "
    "{stall_after_s:g} s: start a learner that names it, and share its /dev/shm",
    "stalled": "progress of segment {name} has stood at {progress} for {waited_s:.0f} s, expected "
    "it to move within {stall_after_s:g} s: see who waits for whom (`uerl-shm top {name}`), and "
    "what the learner says",
    "unreadable": "{refusal}",
}


@dataclass(frozen=True)
class Verdict:
    """What `/healthz` says of a name.

    Attributes:
        name: Of the segment; empty: of all of them, where there is none.
        status: ``ok``; ``starting``: no batch was sent yet, and there is time left; ``missing``,
            ``ended``, ``dead``, ``stalled``, ``unreadable``.
        reason: One line; empty where it is well.
        progress: Batches sent; None without a segment.
    """

    name: str
    status: str
    reason: str = ""
    progress: int | None = None


class Followed:
    """One name, over restarts of its learner.

    Args:
        name: Of the segment.

    Attributes:
        sample: The last look; None while there is no segment.
        watch: What looks; None while there is no segment.
        num_learners: Learners seen under this name.
        moved_at: Unix time at which the learner's progress was last seen to move.
        time_s: Seconds by `PARTS`, summed up since the first look.
        lane_time_s: The same of each lane, by `LANE_PARTS`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.sample: Sample | None = None
        self.watch: Watch | None = None
        self.num_learners = 0
        self.moved_at = time.time()
        self.time_s = dict.fromkeys(PARTS, 0.0)
        self.lane_time_s: dict[int, dict[str, float]] = {}
        self._refusal: tuple[bool, str] = True, ""  # is there no segment, or what is wrong with it
        self._moved_s = time.monotonic()
        self._seen: tuple[int, int] | None = None  # run and progress
        self._before: Sample | None = None  # where the window of shares begins

    def look(self) -> None:
        """Look once."""
        try:
            self.watch = self.watch or Watch(self.name)
            self.sample = self.watch.sample()
        except UerlError as error:
            self.watch, self.sample, self._before = None, None, None  # its memory is free
            # Not the error itself: its traceback would keep the segment mapped.
            self._refusal = isinstance(error, SegmentNotFound), str(error)
            return
        header = self.sample.header
        seen = header["run_id"], header["progress"]
        if seen != self._seen:
            self.num_learners += self._seen is None or self._seen[0] != seen[0]
            self._seen, self._moved_s, self.moved_at = seen, self.sample.at_s, time.time()
        self._add_times(self.watch, self.sample)

    def _add_times(self, watch: Watch, now: Sample) -> None:
        before = self._before
        alive, run = now.header["owner_alive"], now.header["run_id"]
        if before is None or not alive or before.header["run_id"] != run:
            self._before = now
            return
        if now.at_s - before.at_s < WINDOW_S:
            return
        found = rates(watch, before, now)
        if found["time"] is None:  # a wait that has not ended: the window grows
            return
        self._before = now
        _add(self.time_s, found["time"], found["seconds"])
        for lane in found["lanes"]:
            if lane["time"] is not None:
                sums = self.lane_time_s.setdefault(lane["lane"], dict.fromkeys(LANE_PARTS, 0.0))
                _add(sums, lane["time"], found["seconds"])

    def verdict(self, stall_after_s: float) -> Verdict:
        """Say whether training goes on, or may still begin."""
        waited_s = time.monotonic() - self._moved_s
        progress = self.sample.header["progress"] if self.sample else None
        status = self._status(waited_s <= stall_after_s)
        reason = REASONS.get(status, "").format(
            name=self.name, progress=progress, waited_s=waited_s, stall_after_s=stall_after_s,
            refusal=self._refusal[1],
        )  # fmt: skip
        return Verdict(self.name, status, reason, progress)

    def _status(self, has_time: bool) -> str:
        if self.sample is None:
            is_absent, _ = self._refusal
            if not is_absent:
                return "unreadable"
            if self.num_learners:
                return "ended"
            return "starting" if has_time else "missing"
        if not self.sample.header["owner_alive"]:
            return "dead"
        if not has_time:
            return "stalled"
        return "ok" if self.sample.header["progress"] else "starting"


def _add(sums: dict[str, float], shares: dict[str, float], seconds: float) -> None:
    for part, share in shares.items():
        sums[part] += share * seconds


class Looks:
    """Looks at several names. Hold `lock` while reading what they saw.

    Args:
        names: Of the segments; empty: all that there are.
        stall_after_s: A learner whose progress stood still for longer is not well.

    Attributes:
        lock: Held while somebody looks.
        followed: What was seen, by name.
        num_left_out: Segments beyond `MAX_SEGMENTS`.
    """

    def __init__(self, names: Sequence[str], stall_after_s: float) -> None:
        self.lock = threading.RLock()
        self.followed = {name: Followed(name) for name in names[:MAX_SEGMENTS]}
        self.num_left_out = len(names) - len(self.followed)
        self.stall_after_s = stall_after_s
        self._follows_all = not names
        self._ever_seen = False
        self._began_s = time.monotonic()
        self._looked_s = 0.0

    def look(self, min_age_s: float = MIN_LOOK_S) -> None:
        """Look, unless the last look is younger than that."""
        with self.lock:
            now_s = time.monotonic()
            if now_s - self._looked_s < min_age_s:
                return
            self._looked_s = now_s
            if self._follows_all:
                self._find()
            for one in self.followed.values():
                one.look()

    def _find(self) -> None:
        names = [segment.name for segment in list_segments()]
        self.num_left_out = max(len(names) - MAX_SEGMENTS, 0)
        known = self.followed
        self.followed = {name: known.get(name) or Followed(name) for name in names[:MAX_SEGMENTS]}
        self._ever_seen |= bool(names)

    def verdicts(self) -> list[Verdict]:
        """Return what is to be said of each name, at least one."""
        with self.lock:
            found = [one.verdict(self.stall_after_s) for one in self.followed.values()]
        if found:
            return found
        waited_s = time.monotonic() - self._began_s
        if not self._ever_seen and waited_s <= self.stall_after_s:
            return [Verdict("", "starting")]
        reason = (
            "no segment found in /dev/shm, expected at least one: start a learner, and share its "
            "/dev/shm"
        )
        return [Verdict("", "ended" if self._ever_seen else "missing", reason)]

    def health(self) -> dict[str, Any]:
        """Return what `/healthz` answers: ``status`` and ``reason`` are those of the worst name."""
        verdicts = self.verdicts()
        worst = next((v for v in verdicts if v.status not in WELL), verdicts[0])
        told = {v.name: asdict(v) for v in verdicts if v.name}
        return {"status": worst.status, "reason": worst.reason, "segments": told}

    def shown(self) -> str:
        """Return the name that the live view shows: the first that is there.

        Raises:
            SegmentNotFound: There is none.
        """
        with self.lock:
            for name, one in self.followed.items():
                if one.sample is not None:
                    return name
        raise SegmentNotFound("no segment found, expected one to show: start a learner")
