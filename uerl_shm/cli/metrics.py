"""Figures of segments for Prometheus, read when it asks. Only this file imports its client.

Names and units are in the manner of Prometheus. A counter begins anew with its learner, that of a
lane's simulator with its simulator; Prometheus takes that for the restart it is.
"""

from __future__ import annotations

import os
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from uerl_shm.cli.metrics_looks import Followed, Looks
from uerl_shm.cli.segments import attached
from uerl_shm.segment import SHM_DIRECTORY

PREFIX = "uerl_shm_"
MAX_LANES = 1024  # of a segment that have series of their own
_C, _G = "counter", "gauge"
_KINDS = {_C: CounterMetricFamily, _G: GaugeMetricFamily}
_SEGMENT, _LANE = ("segment",), ("segment", "lane")
# Name without the prefix, and without _total: kind, help, labels.
METRICS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "up": (_G, "Whether a learner holds the segment's lock; 0 where there is none.", _SEGMENT),
    "learners": (_C, "Learners seen under this name.", _SEGMENT),
    "last_progress_timestamp_seconds": (
        *(_G, "When the learner was last seen to send a batch, in Unix time.", _SEGMENT),
    ),
    "steps": (_C, "Rows delivered to the learner: one for each agent and step.", _SEGMENT),
    "env_steps": (_C, "The same, counted in steps of envs.", _SEGMENT),
    "sent_batches": (_C, "Batches of commands sent: the learner's progress.", _SEGMENT),
    "batches": (_C, "Batches delivered.", _SEGMENT),
    "copied_batches": (_C, "Batches that were copied, as no slot was free.", _SEGMENT),
    "gathered_rows": (_C, "Rows copied because they stood in several runs or slots.", _SEGMENT),
    "copied_rows": (_C, "Rows copied from slot to slot.", _SEGMENT),
    "superseded_results": (_C, "Results dropped because a reset overtook them.", _SEGMENT),
    "discarded_results": (_C, "Results of late or lost simulators dropped.", _SEGMENT),
    "violations": (_C, "Impossible values that simulators wrote.", _SEGMENT),
    "dropped_messages": (_C, "Messages of simulators that nobody fetched.", _SEGMENT),
    "held_slots": (_G, "Slots that batches held when one was last sent or delivered.", _SEGMENT),
    "learner_wait_seconds": (_C, "Time the learner stood still, waiting for results.", _SEGMENT),
    "time_seconds": (
        *(_C, "Where the time goes, as `uerl-shm top` says it.", (*_SEGMENT, "part")),
    ),
    "segment_bytes": (_G, "Size of the segment.", _SEGMENT),
    "slots": (_G, "Slots of the segment.", _SEGMENT),
    "rows": (_G, "Rows of a batch.", _SEGMENT),
    "lanes": (_G, "Lanes of the segment, one for each simulator.", _SEGMENT),
    "simulators": (_G, "Lanes that a living simulator holds.", _SEGMENT),
    "lane_up": (_G, "Whether a living simulator holds the lane.", _LANE),
    "lane_late": (_C, "How often a simulator of the lane missed the deadline.", _LANE),
    "lane_lost": (_C, "How often one was found dead.", _LANE),
    "lane_restarts": (_C, "How often another simulator took the lane.", _LANE),
    "lane_results": (_C, "Results of the simulator that holds the lane.", _LANE),
    "lane_wait_seconds": (_C, "Time that simulator waited for commands.", _LANE),
    "lane_time_seconds": (
        *(_C, "Where the lane's time goes, as `uerl-shm top` says it.", (*_LANE, "part")),
    ),
    "lane_pending_seconds": (_G, "How long the same command has been pending.", _LANE),
    "lane_is_late": (_G, "Whether the lane's simulator is past the deadline.", _LANE),
    "left_out_segments": (_G, "Segments beyond those that are followed.", ()),
    "dev_shm_size_bytes": (_G, "Size of /dev/shm.", ()),
    "dev_shm_free_bytes": (_G, "What of it is free.", ()),
}
# Of these the value is a word of the header, or of a lane (_core.Observer).
_OF_HEADER = {
    "up": "owner_alive",
    "steps": "steps",
    "sent_batches": "progress",
    "batches": "batches",
    "copied_batches": "copied_batches",
    "gathered_rows": "gathered_rows",
    "copied_rows": "copied_rows",
    "superseded_results": "superseded",
    "discarded_results": "discarded",
    "violations": "violations",
    "dropped_messages": "dropped_messages",
    "held_slots": "held_slots",
    "learner_wait_seconds": "wait_s",
    "segment_bytes": "segment_bytes",
    "slots": "num_slots",
    "lanes": "num_lanes",
}
_OF_LANE = {
    "lane_up": "locked",
    "lane_late": "num_late",
    "lane_lost": "num_lost",
    "lane_results": "steps",
    "lane_wait_seconds": "wait_s",
}


class SegmentCollector:
    """Reads what `Looks` saw, which is at most `metrics_looks.MIN_LOOK_S` old."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks

    def describe(self) -> list[Metric]:
        """Return the families without figures."""
        return list(_Families().by_name.values())

    def collect(self) -> list[Metric]:
        """Return all figures."""
        families = _Families()
        self._looks.look()
        with self._looks.lock:
            families.add("left_out_segments", self._looks.num_left_out)
            for one in self._looks.followed.values():
                _add_segment(families, one)
        found = os.statvfs(SHM_DIRECTORY)
        families.add("dev_shm_size_bytes", found.f_blocks * found.f_frsize)
        families.add("dev_shm_free_bytes", found.f_bavail * found.f_frsize)
        return list(families.by_name.values())


class _Families:
    def __init__(self) -> None:
        self.by_name = {
            name: _KINDS[kind](PREFIX + name, text, labels=labels)
            for name, (kind, text, labels) in METRICS.items()
        }

    def add(self, name: str, value: float, *labels: str) -> None:
        self.by_name[name].add_metric(labels, value)


def _add_segment(families: _Families, one: Followed) -> None:
    name, sample, watch = one.name, one.sample, one.watch
    families.add("learners", one.num_learners, name)
    if sample is None or watch is None:
        families.add("up", 0, name)
        return
    for metric, key in _OF_HEADER.items():
        families.add(metric, sample.header[key], name)
    families.add("last_progress_timestamp_seconds", one.moved_at, name)
    families.add("env_steps", sample.header["steps"] / watch.rows_per_env, name)
    families.add("rows", watch.num_rows, name)
    families.add("simulators", attached(sample.lanes), name)
    for part, seconds in one.time_s.items():
        families.add("time_seconds", seconds, name, part)
    for lane in sample.lanes[:MAX_LANES]:
        number = str(lane["lane"])
        _add_lane(families, lane, name, number)
        pending_s = watch.pending_s(lane["lane"], sample.at_s)
        families.add("lane_pending_seconds", pending_s or 0.0, name, number)
        for part, seconds in one.lane_time_s.get(lane["lane"], {}).items():
            families.add("lane_time_seconds", seconds, name, number, part)


def _add_lane(families: _Families, lane: dict[str, Any], *labels: str) -> None:
    for metric, key in _OF_LANE.items():
        families.add(metric, lane[key], *labels)
    families.add("lane_restarts", max(lane["generation"] - 1, 0), *labels)
    families.add("lane_is_late", lane["state"] == "late", *labels)


def registry_of(looks: Looks) -> CollectorRegistry:
    """Return a registry of these figures alone."""
    registry = CollectorRegistry()
    registry.register(SegmentCollector(looks))
    return registry


def encoded(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return all figures as text, and its content type.

    Args:
        registry: Of `registry_of`.
        accept: The header ``Accept`` of who asks.
    """
    try:
        encoder, kind = choose_encoder(accept)
    except (TypeError, ValueError):  # versions that are no numbers
        encoder, kind = choose_encoder("")
    return encoder(registry), kind
