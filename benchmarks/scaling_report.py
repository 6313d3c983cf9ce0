"""`make scaling-report`: the tables and the picture of docs/scaling.md, from kept figures only."""

from __future__ import annotations

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from scaling_model import (
    ASSUMED,
    ETHERNET,
    FAST,
    PODS,
    Scale,
    Training,
    halving_s,
    ring_s,
    rollout_limits,
    scale,
    sent_bytes,
)

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "scaling.md"
PICTURE = ROOT / "docs" / "images" / "scaling.png"
FRAMES = ((42, 42, 3), (84, 84, 3), (640, 480, 4))


def latest(folder: Path) -> dict[str, Any]:
    """Return what was kept last."""
    kept: dict[str, Any] = json.loads(max(folder.glob("*.json")).read_text())
    return kept


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A table; columns after the first are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def megabytes(num_bytes: float) -> str:
    return number(num_bytes / 1e6)


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def measured_table(kept: dict[str, Any], training: Training) -> str:
    return table(
        (f"PPO on `apples`, 8 simulators, {kept['cores']} cores", "measured"),
        [
            ("env steps/s of one Pod", number(training.steps / training.seconds)),
            ("an iteration: env steps", number(training.steps)),
            ("seconds", number(training.seconds)),
            ("of them sampling, seconds", number(training.sampling_s)),
            ("of them learning, seconds", number(training.learning_s)),
            ("gradient steps of an iteration", training.num_reductions),
            ("slowest of 40 iterations, over their mean", number(max(training.spread))),
            ("parameters of the policy", f"{training.num_parameters:,}"),
            ("bytes of a gradient", f"{training.gradient_bytes:,}"),
            ("bytes of an observation", f"{training.observation_bytes:,}"),
        ],
    )


def pod_table(rows: list[dict[str, Any]]) -> str:
    """What one machine gave, of `make bench-full`."""

    def steps_per_s(**wanted: Any) -> float:
        (row,) = (
            row
            for row in rows
            if row.get("transport") == "uerl_shm"
            and all(row.get(key) == value for key, value in wanted.items())
        )
        return float(row["num_envs"] / row["p50_s"])

    large = steps_per_s(question="frames", frame=[640, 480, 4], num_envs=16)
    small = steps_per_s(question="throughput", num_envs=16)
    engines = steps_per_s(question="engines", step_us=500, wait_us=0, num_envs=16)
    return table(
        ("16 simulators on 2 cores", "env steps/s", "what that is"),
        [
            ("84x84x3, no work of their own", number(small), "what the transport gives"),
            ("640x480x4", number(large), f"{large * 640 * 480 * 4 / 1e9:.1f} GB/s of frames"),
            ("84x84x3, 500 us of work", number(engines), percent(engines / (2 / 500e-6))),
        ],
    )


def travel_table(training: Training) -> str:
    """What leaves a Pod in an iteration, of pictures of several sizes."""
    from policy import make_policy

    from uerl_shm import ArraySpec, GroupSpec
    from uerl_shm.launcher import describe

    action = describe("uerl-sim apples").groups[0].action
    rows: list[tuple[Any, ...]] = []
    for height, width, channels in FRAMES:
        camera = ArraySpec.image(height, width, channels)
        group = GroupSpec("agent", {"camera": camera}, action)
        policy = make_policy(group, 128)
        num_parameters = sum(each.numel() for each in policy.parameters())
        gradients = training.num_reductions * sent_bytes(1000, 4 * num_parameters)
        frames = training.steps * camera.nbytes
        rows.append(
            (
                f"{height}x{width}x{channels}",
                f"{num_parameters:,}",
                megabytes(gradients),
                megabytes(frames),
                number(frames / gradients),
            )
        )
    head = ("frame", "parameters", "DDP: gradients, MB", "RLlib: frames, MB", "frames / gradients")
    return table(head, rows)


def scale_table(scales: list[Scale]) -> str:
    head = (
        *("Pods", "env steps/s", "efficiency", "wait for the slowest", "in all-reduces"),
        *("by halving", f"by halving, {FAST.name}"),
    )
    rows = [
        (
            *(f"{one.num_pods:,}", number(one.steps_per_s), percent(one.efficiency)),
            *(percent(one.waiting), percent(one.reducing)),
            *(percent(one.halving_efficiency), percent(one.fast_efficiency)),
        )
        for one in scales
    ]
    return table(head, rows)


def load_table(training: Training) -> str:
    """What else grows with the number of Pods."""
    rate = training.steps / training.sampling_s
    rows = [
        (
            f"{pods:,}",
            number(pods * rate * training.observation_bytes / 1e9),
            number(pods * ASSUMED["image_bytes"] / ASSUMED["registry_bytes_per_s"] / 60),
            number(pods * ASSUMED["containers"]),
            number(pods * num_series(8)),
        )
        for pods in PODS
    ]
    head = (
        *("Pods", "RLlib: into the learner, GB/s", "images from one registry, minutes"),
        *("containers", "series at Prometheus"),
    )
    return table(head, rows)


def num_series(num_lanes: int) -> int:
    """Return the series of one Pod, of `uerl-shm serve-metrics`."""
    from uerl_shm.cli.metrics import METRICS

    parts = {"time_seconds": 4, "lane_time_seconds": 4}
    return sum(
        parts.get(name, 1) * (num_lanes if "lane" in labels else 1)
        for name, (_, _, labels) in METRICS.items()
    )


def reductions_table(kept: dict[str, Any]) -> str:
    here = kept["here"]
    rows = [
        (
            each["ranks"],
            number(each["measured_s"] * 1e6),
            number(each["computed_s"] * 1e6),
            f"{each['measured_s'] / each['computed_s']:.2f}",
        )
        for each in kept["reductions"]
    ]
    way = f"{here['latency_s'] * 1e6:.0f} us a message, {here['bytes_per_s'] / 1e9:.2f} GB/s"
    return f"Between two processes here: {way}.\n\n" + table(
        ("processes", "measured, us", "by the formula, us", "ratio"), rows
    )


def limits_table(training: Training) -> str:
    """At how many Pods something is full."""
    by_link, by_learning = rollout_limits(training, ETHERNET)
    whole, sampling = (pods_of_ring(training, s) for s in (training.seconds, training.sampling_s))
    return table(
        ("what is full", "at so many Pods"),
        [
            ("RLlib: one learner, no GPU, that learns as fast as here", number(by_learning)),
            (f"RLlib: that learner's link, {ETHERNET.name}", number(by_link)),
            (f"DDP: the ring takes as long as the iteration, {ETHERNET.name}", number(whole)),
            ("DDP: the same, where a GPU learned in no time", number(sampling)),
        ],
    )


def pods_of_ring(training: Training, seconds: float) -> int:
    """Return the fewest Pods whose all-reduces of an iteration take longer than that."""
    num_bytes, most_s = training.gradient_bytes, seconds / training.num_reductions
    return next(pods for pods in itertools.count(2) if ring_s(pods, num_bytes, ETHERNET) > most_s)


def draw(scales: list[Scale], training: Training) -> None:
    """Write the picture: efficiency over Pods, and one all-reduce over Pods."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    pods = [one.num_pods for one in scales]
    for label, shares in (
        (f"ring, {ETHERNET.name}", [one.efficiency for one in scales]),
        (f"halving, {ETHERNET.name}", [one.halving_efficiency for one in scales]),
        (f"halving, {FAST.name}", [one.fast_efficiency for one in scales]),
    ):
        left.plot(pods, [100 * share for share in shares], marker="o", label=label)
    left.set(xscale="log", ylim=(0, 105), xlabel="Pods", ylabel="% of so many single Pods")
    left.set_title("efficiency of DDP, computed")
    left.legend(fontsize=8)
    many = np.unique(np.geomspace(2, max(PODS), 40).astype(int))
    for label, one_s in (("ring", ring_s), ("halving and doubling", halving_s)):
        times = [1e3 * one_s(int(n), training.gradient_bytes, ETHERNET) for n in many]
        right.plot(many, times, label=f"{label}, {ETHERNET.name}")
    share = 1e3 * training.seconds / training.num_reductions
    right.axhline(share, color="gray", linestyle=":", label="an iteration / its gradient steps")
    right.set(xscale="log", yscale="log", xlabel="Pods", ylabel="ms")
    right.set_title(f"one all-reduce of {training.gradient_bytes / 1e3:.0f} kB, computed")
    right.legend(fontsize=8)
    figure.savefig(PICTURE, dpi=100)
    plt.close(figure)


def tables() -> dict[str, str]:
    """Return the page's tables by name."""
    kept = latest(RESULTS / "scaling")
    training = Training(**kept["training"])
    return {
        "measured": measured_table(kept, training),
        "pod": pod_table(latest(RESULTS)["rows"]),
        "travel": travel_table(training),
        "scale": scale_table([scale(training, pods) for pods in PODS]),
        "load": load_table(training),
        "limits": limits_table(training),
        "reductions": reductions_table(kept),
    }


def filled(page: str, found: dict[str, str]) -> str:
    """Return the page with its tables replaced."""
    for name, text in found.items():
        begin = f"<!-- table: {name} -->\n"
        pattern = re.escape(begin) + r".*?<!-- end -->"
        page, count = re.subn(pattern, lambda _, b=begin, t=text: f"{b}{t}\n<!-- end -->", page,
                              flags=re.DOTALL)  # fmt: skip
        if count != 1:
            raise ValueError(f"table {name} stands {count} times in {PAGE}, expected once")
    return page


def main() -> int:
    """Return the exit code."""
    training = Training(**latest(RESULTS / "scaling")["training"])
    scales = [scale(training, pods) for pods in PODS]
    PAGE.write_text(filled(PAGE.read_text(), tables()))
    draw(scales, training)
    efficiencies = " ".join(f"efficiency_{one.num_pods}={one.efficiency:.2f}" for one in scales)
    print(f"RESULT {efficiencies} halving_1000={scales[-1].halving_efficiency:.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
