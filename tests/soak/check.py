"""Compares what simulators committed with what learners were given.

    check.py FOLDER

FOLDER has journals (``*.journal``, see simulator.c) and logs (``*.log``, see learner.py). Every
step that was committed must have been delivered once, or its simulator was given up at that very
step, or its learner was killed before it could be delivered.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

JOURNAL = np.dtype([(name, np.int64) for name in ("run", "generation", "sequence", "hash")])
LOG = np.dtype(
    [(name, np.int64) for name in ("run", "lane", "generation", "sequence", "hash", "kind")]
)
DELIVERED = 0


@dataclass
class Verdict:
    """What was found; steps are env steps."""

    committed: int = 0
    delivered: int = 0
    discarded: int = 0  # committed by a simulator that was given up at this step
    outstanding: int = 0  # committed, and the learner was killed before it could deliver them
    lost: int = 0
    repeated: int = 0
    torn: int = 0  # another hash, or a step that nobody committed

    def is_good(self) -> bool:
        """Whether nothing was lost, repeated or torn."""
        return self.lost == self.repeated == self.torn == 0 < self.delivered


def read(path: Path, dtype: np.dtype) -> np.ndarray:
    """The whole records of a file; a kill may have left a part of one at its end."""
    data = path.read_bytes()
    return np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)


def committed_steps(folder: Path) -> dict[tuple[int, int], dict[int, tuple[int, int]]]:
    """(run, lane) to sequence to (generation, hash)."""
    steps: dict[tuple[int, int], dict[int, tuple[int, int]]] = defaultdict(dict)
    for path in folder.glob("*.journal"):
        lane = int(path.name.split("-")[0])
        for run, generation, sequence, hash_ in read(path, JOURNAL).tolist():
            steps[run, lane][sequence] = (generation, hash_)
    return steps


def compare(committed: dict[int, tuple[int, int]], log: list[tuple], verdict: Verdict) -> None:
    """One lane of one learner: `log` in the order in which it was written."""
    seen: set[int] = set()
    last, excuses = 0, 0  # last delivered sequence; times it was given up since
    for _, _, generation, sequence, hash_, kind in log:
        if kind != DELIVERED:
            excuses += 1
            continue
        if sequence in seen:
            verdict.repeated += 1
            continue
        verdict.torn += committed.get(sequence) != (generation, hash_)
        count_gap(committed, range(last + 1, sequence), excuses, verdict)
        seen.add(sequence)
        last, excuses = sequence, 0
    rest = [sequence for sequence in committed if sequence > last]
    verdict.delivered += len(seen)
    excused = min(len(rest), excuses)
    verdict.discarded += excused
    verdict.outstanding += min(len(rest) - excused, 1)  # one command is under way at a time
    verdict.lost += max(len(rest) - excused - 1, 0)


def count_gap(
    committed: dict[int, tuple[int, int]], missing: range, excuses: int, verdict: Verdict
) -> None:
    """Committed steps between two that were delivered."""
    found = sum(sequence in committed for sequence in missing)
    verdict.discarded += min(found, excuses)
    verdict.lost += max(found - excuses, 0)


def check(folder: Path) -> Verdict:
    """Read everything; judge."""
    committed = committed_steps(folder)
    logs: dict[tuple[int, int], list[tuple]] = defaultdict(list)
    for path in sorted(folder.glob("*.log")):
        for record in read(path, LOG).tolist():
            logs[record[0], record[1]].append(record)
    verdict = Verdict(committed=sum(map(len, committed.values())))
    for key in committed.keys() | logs.keys():
        compare(committed.get(key, {}), logs.get(key, []), verdict)
    return verdict


def main() -> int:
    """Print the verdict; return the exit code."""
    verdict = check(Path(sys.argv[1]))
    print(*(f"{field.name}={getattr(verdict, field.name)}" for field in fields(verdict)))
    return 0 if verdict.is_good() else 1


if __name__ == "__main__":
    sys.exit(main())
