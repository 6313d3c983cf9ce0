"""What is promised, and how it is computed from a run's figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peers.clients import PEERS
from transports import BEST_WEBSOCKETS, OURS, PYTHON_WEBSOCKETS, SLEEPS

WEBSOCKETS = (BEST_WEBSOCKETS, "websockets-served_by_c++-websocket_client")
GRPC = ("grpc-stream", "grpc-unary")
HOSTED = "HostedVectorEnv"


class Run:
    """The figures of one run.

    Args:
        rows: What each benchmark noted: its question, its facts, its figures.
    """

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def find(self, question: str, **facts: Any) -> dict[str, Any]:
        """Return the one row of a question that has these facts.

        Raises:
            LookupError: It was not measured.
        """
        for row in self.rows:
            if row.get("question") == question and facts.items() <= row.items():
                return row
        raise LookupError(f"{question} {facts} was not measured")

    def median(self, question: str, **facts: Any) -> float:
        """Seconds of one call."""
        return float(self.find(question, **facts)["p50_s"])

    def fastest(self, transports: tuple[str, ...], question: str, **facts: Any) -> float:
        """Seconds of the fastest of several peers."""
        found = []
        for transport in transports:
            try:
                found.append(self.median(question, transport=transport, **facts))
            except LookupError:
                continue
        if not found:
            raise LookupError(f"none of {', '.join(transports)} was measured for {question}")
        return min(found)


@dataclass(frozen=True)
class Promise:
    """One row of the table.

    Attributes:
        key: Its name in the RESULT line.
        workload: What is compared.
        against: With what.
        compute: The figure, from a run.
        least: What it must be; None: it is printed only.
        most: What it may be at most.
    """

    key: str
    workload: str
    against: str
    compute: Callable[[Run], float]
    least: float | None = None
    most: float | None = None

    def holds(self, figure: float) -> bool:
        """Whether a figure is good enough."""
        return (self.least is None or figure >= self.least) and (
            self.most is None or figure <= self.most
        )

    def bound(self) -> str:
        """What was promised, in words."""
        if self.least is not None:
            return f">= {self.least:g}"
        return "" if self.most is None else f"<= {self.most:g}"


def against(question: str, *peers: str, **facts: Any) -> Callable[[Run], float]:
    """How many times longer the fastest of these peers takes."""
    return lambda run: (
        run.fastest(peers, question, **facts) / run.median(question, transport=OURS, **facts)
    )


def hosted(peer: str) -> Callable[[Run], float]:
    """How many times longer another vectoriser takes for the same Python envs."""
    return lambda run: (
        run.median("python_envs", transport=peer, num_envs=16)
        / run.median("python_envs", transport=HOSTED, num_envs=16)
    )


def of_ideal(**facts: Any) -> Callable[[Run], float]:
    """The share of the ideal throughput."""

    def share(run: Run) -> float:
        row = run.find("engines", transport=OURS, **facts)
        return float(row["ideal_s"] / row["p50_s"])

    return share


BARE = (  # question, facts of a workload that processes without a protocol do, too
    ("16 simulators, 84x84x3", "throughput", {"num_envs": 16}),
    ("64 simulators, 84x84x3", "throughput", {"num_envs": 64}),
    ("16 simulators, 640x480x4", "frames", {"frame": [640, 480, 4]}),
    ("16 engines that compute 50 us", "engines", {"num_envs": 16, "step_us": 50}),
    ("64 engines that wait 10 ms", "engines", {"num_envs": 64, "wait_us": 10_000}),
)


def bare_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Everything that tells a bare workload from the others."""
    return {"frame": [84, 84, 3], "step_us": 0, "wait_us": 0, "num_envs": 16, **facts}


def of_bare(question: str, facts: dict[str, Any]) -> Callable[[Run], float]:
    """The share of the throughput of processes that exchange nothing but a counter."""
    return lambda run: (
        run.median("bare", **bare_facts(facts)) / run.median(question, transport=OURS, **facts)
    )


def ppo_gain(run: Run) -> float:
    """How many times more env steps a second PPO makes than over websockets."""
    peer = run.find("ppo", transport=BEST_WEBSOCKETS)["steps_per_s"]
    return float(run.find("ppo", transport=OURS)["steps_per_s"] / peer)


def ppo_share(run: Run) -> float:
    """The share of PPO's time that a step of as many simulators without work takes."""
    row = run.find("ppo", transport=OURS)
    step_s = row["num_envs"] / row["steps_per_s"]
    return run.median("throughput", transport=OURS, num_envs=row["num_envs"]) / step_s


def learner_cpu(run: Run) -> float:
    """Processor time of a step with large frames, as a multiple of that with small ones."""
    small = run.find("learner_cpu", frame=[84, 84, 3])["cpu_s"]
    return float(run.find("learner_cpu", frame=[1280, 720, 4])["cpu_s"] / small)


PIXELS = ((84, 84, 512), (84, 84, 336), (640, 480, 2560))  # width, height, pitch in bytes


def pixels(run: Run, numerator: str, denominator: str) -> list[float]:
    """What one way takes to make RGB, as a multiple of another, for each size of frame."""
    found = []
    for width, height, pitch_bytes in PIXELS:
        facts = {"frame": [width, height], "pitch_bytes": pitch_bytes, "pixels": "rgb"}
        times_s = run.find("pixels", **facts)["times_s"]
        found.append(float(times_s[numerator] / times_s[denominator]))
    return found


ONE, SIXTEEN = "1 simulator, 84x84x3, median step", "16 simulators, 84x84x3, env steps/s"
PYTHON = "16 trivial Python envs, 84x84x3"
C_PLUS_PLUS = "websockets, served by C++"
PROMISES = (
    Promise("latency_websockets", ONE, C_PLUS_PLUS, against("latency", *WEBSOCKETS), 25),
    Promise(
        "latency_websockets_python", ONE, "websockets, served by Python",
        against("latency", PYTHON_WEBSOCKETS), 40,
    ),
    Promise("latency_grpc", ONE, "gRPC, the better", against("latency", *GRPC), 60),
    Promise(
        "latency_holodeck", ONE, "semaphores, Holodeck's way",
        against("latency", "semaphores-holodeck"), 12,
    ),
    Promise(
        "latency_wakes", ONE, "two wakes of idle cores by futex",
        lambda run: run.median("idle_core_wakes") / run.median("latency", transport=OURS),
    ),
    Promise(
        "speedup_16", SIXTEEN, C_PLUS_PLUS, against("throughput", *WEBSOCKETS, num_envs=16), 15
    ),
    Promise(
        "speedup_16_python", SIXTEEN, "websockets, served by Python",
        against("throughput", PYTHON_WEBSOCKETS, num_envs=16), 24,
    ),
    Promise(
        "speedup_16_grpc", SIXTEEN, "gRPC, the better",
        against("throughput", *GRPC, num_envs=16), 50,
    ),
    Promise(
        "speedup_64", "64 simulators, 84x84x3, env steps/s", C_PLUS_PLUS,
        against("throughput", *WEBSOCKETS, num_envs=64), 25,
    ),
    Promise(
        "speedup_frames", "16 simulators, 640x480x4", C_PLUS_PLUS,
        against("frames", *WEBSOCKETS, frame=[640, 480, 4]), 20,
    ),
    Promise("gymnasium", PYTHON, "AsyncVectorEnv", hosted("gymnasium-AsyncVectorEnv"), 5),
    Promise("sb3", PYTHON, "SubprocVecEnv", hosted("stable_baselines3-SubprocVecEnv"), 6),
    Promise("torchrl", PYTHON, "ParallelEnv", hosted("torchrl-ParallelEnv"), 5),
    Promise(
        "ideal_work", "16 engines that compute 50 us", "the ideal",
        of_ideal(num_envs=16, step_us=50), 0.89,
    ),
    Promise(
        "ideal_wait", "64 engines that wait 10 ms", "the ideal",
        of_ideal(num_envs=64, wait_us=10_000), 0.95,
    ),
    Promise(
        "python_share", "16 simulators, env steps/s", "the same loop in C++",
        lambda run: float(run.find("c_loop")["share"]), 0.85,
    ),
    Promise(
        "rows", "64 envs in 2 processes", "64 processes",
        lambda run: run.median("rows", processes=64) / run.median("rows", processes=2), 4,
    ),
    Promise(
        "busy_websockets", "16 simulators beside 2 endless loops", C_PLUS_PLUS,
        against("busy", *WEBSOCKETS, loops=2), 10,
    ),
    Promise(
        "busy_sleeps", "16 simulators beside 2 endless loops", "futexes only",
        against("busy", SLEEPS, loops=2), 0.9,
    ),
    Promise(
        "cpu_frames", "learner CPU a step, 1280x720x4", "84x84x3, nothing written",
        learner_cpu, most=1.05,
    ),
    Promise("ppo_gain", "PPO on apples end to end, env steps/s", C_PLUS_PLUS, ppo_gain),
    Promise(
        "ppo_transport_share", "the transport's share of that PPO's step", "", ppo_share, most=0.01
    ),
    Promise(
        "system_calls", "system calls in 10,000 steps, 1 simulator", "",
        lambda run: float(run.find("system_calls", transport=OURS)["calls"]), most=10,
    ),
    Promise(
        "pixels_scalar", "BGRA to RGB, 84x84 and 640x480", "one pixel at a time, the slower ratio",
        lambda run: min(pixels(run, "loop", OURS)), 4,
    ),
    Promise(
        "pixels_memcpy", "BGRA to RGB, 84x84 and 640x480", "memcpy of the BGRA, as a multiple",
        lambda run: max(pixels(run, OURS, "memcpy")), most=2,
    ),
    *(
        Promise(f"bare_{key}", workload, "bare processes and a counter", of_bare(question, facts))
        for key, (workload, question, facts) in zip(
            ("16", "64", "frames", "work", "wait"), BARE, strict=True
        )
    ),
)  # fmt: skip
assert {*WEBSOCKETS, *GRPC, PYTHON_WEBSOCKETS} <= PEERS.keys()
