"""The learner of the soak: steps, and writes down every row that it was given.

    learner.py NAME NUM_ENVS RUN LOG DEADLINE_S [lost]

``lost`` is a bug that must be found: the rows of some steps are dropped.

The log has records of `RECORD`, one for each row of each batch; the last word says what it is.
"""

from __future__ import annotations

import itertools
import os
import sys
import time

import numpy as np

import uerl_shm

DELIVERED, GIVEN_UP = 0, 1
RECORD = np.dtype(
    [(name, np.int64) for name in ("run", "lane", "generation", "sequence", "hash", "kind")]
)
SPEC = uerl_shm.EnvSpec.single(
    {"frame": uerl_shm.ArraySpec.image(48, 48, 3)},
    {"action": uerl_shm.ArraySpec.discrete(2)},
    info={
        "generation": uerl_shm.ArraySpec((), "int64"),
        "sequence": uerl_shm.ArraySpec((), "int64"),
    },
    parameters={"run": 0.0},
)
BATCHES = np.dtype([("time", np.float64), ("valid", np.int64), ("discarded", np.int64)])


def hashes(frames: np.ndarray) -> np.ndarray:
    """FNV-1a of each frame, by 8 bytes, as simulator.c has it."""
    words = np.ascontiguousarray(frames).reshape(len(frames), -1).view(np.uint64)
    result = np.full(len(frames), 0xCBF29CE484222325, np.uint64)
    with np.errstate(over="ignore"):
        for column in words.T:
            result = (result ^ column) * np.uint64(0x100000001B3)
    return result.view(np.int64)


def records(run: int, frames: np.ndarray, info: dict[str, np.ndarray]) -> np.ndarray:
    """What one batch brought: valid rows, and simulators that were given up."""
    rows = np.zeros(len(frames), RECORD)
    rows["run"], rows["lane"] = run, np.arange(len(frames))
    rows["generation"], rows["sequence"] = info["generation"], info["sequence"]
    rows["kind"] = DELIVERED
    valid = info["valid"]
    rows["hash"][valid] = hashes(frames[valid])
    lost = rows[info["_lost"]] if "_lost" in info else rows[:0]
    lost["kind"] = GIVEN_UP
    return np.concatenate([rows[valid], lost])


def main() -> None:
    """Step until killed."""
    name, num_envs, run, log, deadline_s, *bug = sys.argv[1:]
    env = uerl_shm.VecEnv(
        None, int(num_envs), spec=SPEC, name=name, step_deadline_s=float(deadline_s),
        parameters={"run": float(run)}, min_valid=0, kill_after_s=10.0, timeout_s=60.0,
    )  # fmt: skip
    rows_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    batches_fd = os.open(log + ".batches", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    actions = np.zeros(int(num_envs), np.int64)
    frames, info = env.reset(seed=int(run))
    for number in itertools.count():
        # One call a batch: a kill leaves whole records behind.
        if not bug or number % 50 != 49:
            os.write(rows_fd, records(int(run), frames, info).tobytes())
        counts = (time.monotonic(), info["valid"].sum(), env.stats()["discarded"])
        batch = np.array([counts], BATCHES)
        os.write(batches_fd, batch.tobytes())
        frames, _, _, _, info = env.step(actions)


if __name__ == "__main__":
    main()
