"""Hurts simulators and learners for as long as it is told, and lets check.py judge what arrived.

    make soak DURATION_S=300

The last line is ``RESULT faults=... learner_kills=... lost=0 ...``; the exit code is 0 only if
nothing was lost, repeated or torn, nothing hung or was left behind, and throughput stayed above
half.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil
from check import check
from learner import BATCHES
from rich.progress import Progress

import uerl_shm

FOLDER = Path(__file__).parent
HANG_S = 30.0  # without a batch
LEAST_RATIO = 0.5  # of the throughput without faults
NAME = f"uerl-soak-{os.getpid()}"
MORE_RSS = 64 * 2**20  # of a learner, from its first seconds to its end


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration-s", type=float, default=300.0, help="with faults")
    parser.add_argument("--num-envs", type=int, default=32)
    parser.add_argument("--step-us", type=int, default=500)
    parser.add_argument("--slow-ms", type=int, default=250, help="a step that is slow on purpose")
    parser.add_argument("--deadline-s", type=float, default=0.1)
    parser.add_argument("--faults-per-s", type=float, default=5.0)
    parser.add_argument("--learner-kill-s", type=float, help="default: 60, or a seventh of it all")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--bug", choices=["lost"], help="must be found")
    return parser.parse_args()


class Soak:
    """Simulators, one learner after the other, and what is done to them."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.random = random.Random(args.seed)
        self.program = folder / "simulator"
        self.simulators: dict[int, subprocess.Popen[bytes]] = {}
        self.learner: subprocess.Popen[bytes] | None = None
        self.run = 0
        self.counts: Counter[str] = Counter()
        self.stopped: list[tuple[float, subprocess.Popen[bytes]]] = []
        self.starts = 0

    def build(self) -> None:
        """Compile simulator.c with the package's library."""
        include = Path(uerl_shm.get_include())
        library = include.parent / "lib" / "libuerl_shm.a"
        words = ["-O2", "-o", self.program, f"-I{include}", library, "-pthread"]
        subprocess.run(["cc", FOLDER / "simulator.c", *words], check=True)

    def start_simulator(self, lane: int) -> None:
        """Start the simulator of a lane, with a journal of its own."""
        self.starts += 1
        journal = self.folder / f"{lane}-{self.starts}.journal"
        command = [self.program, NAME, lane, journal, self.args.step_us, self.args.slow_ms]
        self.simulators[lane] = subprocess.Popen(list(map(str, command)))

    def start_learner(self) -> None:
        """Start the next learner."""
        self.run += 1
        log = self.folder / f"{self.run}.log"
        command = [sys.executable, FOLDER / "learner.py", NAME, self.args.num_envs, self.run, log]
        bug = [self.args.bug] if self.args.bug else []
        command = [str(word) for word in (*command, self.args.deadline_s, *bug)]
        with (self.folder / "learner.txt").open("ab") as said:
            self.learner = subprocess.Popen(command, stderr=said)

    def batches(self) -> np.ndarray:
        """What the present learner has received so far."""
        path = self.folder / f"{self.run}.log.batches"
        data = path.read_bytes() if path.exists() else b""
        return np.frombuffer(data[: len(data) // BATCHES.itemsize * BATCHES.itemsize], BATCHES)

    def kill_learner(self) -> None:
        """Kill it, wherever it is."""
        assert self.learner is not None
        self.learner.kill()
        self.learner.wait()

    def hurt_one(self) -> None:
        """Do one of three things to a simulator."""
        lane = self.random.randrange(self.args.num_envs)
        process = self.simulators[lane]
        kind = ("kill", "stop", "slow")[self.counts["faults"] % 3]
        self.counts["faults"] += 1
        self.counts[kind] += 1
        if kind == "kill":
            process.send_signal(signal.SIGKILL)
        elif kind == "slow":
            process.send_signal(signal.SIGUSR1)
        else:
            process.send_signal(signal.SIGSTOP)
            self.stopped.append((time.monotonic() + self.random.uniform(0.05, 1.0), process))

    def attend(self) -> None:
        """Let stopped simulators go on when it is time, and start dead ones again."""
        now = time.monotonic()
        for due, process in self.stopped:
            if due <= now:
                process.send_signal(signal.SIGCONT)
        self.stopped = [(due, process) for due, process in self.stopped if due > now]
        for lane, process in list(self.simulators.items()):
            if process.poll() is not None:
                self.counts["bad_exits"] += process.returncode not in (-signal.SIGKILL, 70)
                self.start_simulator(lane)
        assert self.learner is not None
        if self.learner.poll() is not None:
            self.counts["learner_ends"] += 1
            self.start_learner()

    def go_on(self, duration_s: float, faults_per_s: float, advance: Callable[[], None]) -> None:
        """Run the present learner for so long."""
        end, next_fault = time.monotonic() + duration_s, time.monotonic()
        grew, size = time.monotonic(), -1
        while (now := time.monotonic()) < end:
            self.attend()
            if faults_per_s and now >= next_fault:
                self.hurt_one()
                next_fault += self.random.expovariate(faults_per_s)
            if len(self.batches()) != size:
                grew, size = now, len(self.batches())
            elif now - grew > HANG_S:
                self.counts["hangs"] += 1
                grew = now
            advance()
            time.sleep(0.01)

    def end(self) -> None:
        """End everybody."""
        for process in [*self.simulators.values(), self.learner]:
            if process is not None:
                process.kill()
                process.wait()


def rate_of(batches: np.ndarray) -> tuple[int, float]:
    """Valid env steps and the seconds that they took, without the start."""
    if len(batches) < 2:
        return 0, 0.0
    return int(batches["valid"][1:].sum()), float(batches["time"][-1] - batches["time"][0])


def campaign(soak: Soak, progress: Progress) -> dict[str, float]:
    """A learner without faults, then faults and learners that are killed."""
    args = soak.args
    each_s = args.learner_kill_s or min(60.0, args.duration_s / 6)
    base_s = min(60.0, args.duration_s / 5)
    bar = progress.add_task("soak", total=args.duration_s + base_s)
    start = time.monotonic()

    def advance() -> None:
        progress.update(bar, completed=time.monotonic() - start)

    for lane in range(args.num_envs):
        soak.start_simulator(lane)
    soak.start_learner()
    soak.go_on(base_s, 0.0, advance)
    base = rate_of(soak.batches())
    soak.kill_learner()
    steps = seconds = 0.0
    ends = time.monotonic() + args.duration_s
    growth = 0
    while (left := ends - time.monotonic()) > 0:
        soak.start_learner()
        soak.go_on(min(5.0, left), args.faults_per_s, advance)
        before = psutil.Process(soak.learner.pid).memory_info().rss
        soak.go_on(min(each_s - 5.0, ends - time.monotonic()), args.faults_per_s, advance)
        growth = max(growth, psutil.Process(soak.learner.pid).memory_info().rss - before)
        found = rate_of(soak.batches())
        steps, seconds = steps + found[0], seconds + found[1]
        soak.kill_learner()
        soak.counts["learner_kills"] += 1
    return {
        "steps_per_s": steps / max(seconds, 1e-9),
        "base_steps_per_s": base[0] / max(base[1], 1e-9),
        "growth": growth,
    }


def leftovers() -> int:
    """Segments of ours, and processes."""
    if Path("/dev/shm", NAME).exists():
        uerl_shm._core.clean(NAME)  # of the learner that was killed last
    return len(list(Path("/dev/shm").glob(f"*{NAME}*"))) + len(psutil.Process().children())


def main() -> int:
    """Return the exit code."""
    args = arguments()
    print(f"seed {args.seed}")
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        soak = Soak(args, Path(folder))
        soak.build()
        try:
            figures = campaign(soak, progress)
        finally:
            soak.end()
        verdict = check(Path(folder))
    ratio = figures["steps_per_s"] / max(figures["base_steps_per_s"], 1e-9)
    counts = {
        key: soak.counts[key]
        for key in ("faults", "kill", "stop", "slow", "learner_kills", "learner_ends", "bad_exits",
                    "hangs")
    }  # fmt: skip
    left = leftovers()
    words = {**counts, **asdict(verdict), "left_behind": left, "seed": args.seed}
    print(
        "RESULT", *(f"{key}={value}" for key, value in words.items()),
        f"growth_bytes={figures['growth']:.0f} steps_per_s={figures['steps_per_s']:.0f}",
        f"base_steps_per_s={figures['base_steps_per_s']:.0f} throughput_ratio={ratio:.2f}",
    )  # fmt: skip
    good = verdict.is_good() and left == counts["hangs"] == counts["bad_exits"] == 0
    good = good and counts["learner_ends"] == 0 and figures["growth"] < MORE_RSS
    return 0 if good and ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
