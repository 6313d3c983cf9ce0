"""Trains against the mock of Learning Agents' engine, and compares every byte both ways.

    python tests/unreal/learning_agents_campaign.py [--iterations 1000] [--poll-us 1000]

An iteration is one experience and four networks. In a second run the engine is killed. The last
line is the verdict; the exit status is 1 if anything falls short.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

import learning_agents_support as support

from uerl_shm.errors import SimulatorLost
from uerl_shm.learning_agents import Trainer

DEATH_NOTICED_S = 2.0


def train(program: Path, task_dir: Path, iterations: int, poll_us: int) -> dict[str, float]:
    """Run so many iterations; return what was counted."""
    wrong = done = 0
    with Trainer(task_dir) as trainer:
        options = f"--iterations={iterations}", f"--poll-us={poll_us}"
        engine = support.start(program, trainer, *options)
        initial = trainer.wait_for_engine(engine, timeout_s=30)
        for network_id, snapshot in initial.items():
            wrong += snapshot != support.snapshot(snapshot, network_id, 0)
        began = time.perf_counter()
        while (experience := trainer.experience(timeout_s=30)) is not None:
            done += 1
            with experience:
                wrong += support.wrong_bytes(experience, done)
            for network_id, snapshot in initial.items():
                trainer.push_network(network_id, support.snapshot(snapshot, network_id, done))
        seconds = time.perf_counter() - began
        words = support.last_words(engine)
        guids = support.regions_of(trainer, task_dir)
    return {
        "iterations": done,
        "networks": int(words["networks"]),
        "wrong_bytes": wrong + int(words["wrong_bytes"]),
        "ensures": int(words["ensures"]),
        "left_behind": len(support.left_behind(guids)),
        "iteration_ms": round(1e3 * seconds / max(done, 1), 2),
    }


def kill(program: Path, task_dir: Path) -> dict[str, float]:
    """Kill the engine while it gathers; return how long until that was noticed."""
    with Trainer(task_dir) as trainer:
        engine = support.start(program, trainer, "--gather-us=600000000")
        trainer.wait_for_engine(timeout_s=30)  # the engine is found by what it maps
        guids = support.regions_of(trainer, task_dir)
        there = len(support.left_behind(guids))
        engine.send_signal(signal.SIGKILL)
        killed = time.perf_counter()
        try:
            trainer.experience(timeout_s=30)
            noticed = float("inf")
        except SimulatorLost:
            noticed = time.perf_counter() - killed
        engine.communicate()
    left = len(support.left_behind(guids))
    return {"regions": there, "left_behind": left, "death_noticed_s": round(noticed, 3)}


def main() -> int:
    """Run both; print the verdict; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--poll-us", type=int, default=1000, help="what the engine sleeps")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = support.build(Path(folder))
        found = train(program, Path(folder, "long"), wanted.iterations, wanted.poll_us)
        killed = kill(program, Path(folder, "killed"))
    left_behind = found.pop("left_behind") + killed.pop("left_behind")
    result = found | killed | {"left_behind": left_behind}
    print("RESULT", *(f"{name}={value}" for name, value in result.items()))
    good = (
        result["iterations"] == wanted.iterations
        and result["networks"] == wanted.iterations * support.NUM_NETWORKS
        and result["wrong_bytes"] == result["ensures"] == result["left_behind"] == 0
        and result["regions"] > support.NUM_NETWORKS
        and result["death_noticed_s"] <= DEATH_NOTICED_S
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
