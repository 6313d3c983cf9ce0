"""How training scales over Pods: the arithmetic of docs/scaling.md, from measured figures.

Nothing here measures. What is assumed, and not measured, stands in `Network` and `ASSUMED`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

PODS = (1, 10, 100, 1000)
GRADIENT_BYTES = 4  # of one parameter: float32


@dataclass(frozen=True)
class Network:
    """A network between Pods; assumed.

    Attributes:
        name: As people call it.
        bytes_per_s: Of each Pod's link, in each direction at once.
        latency_s: From one process to another, one message, software included.
    """

    name: str
    bytes_per_s: float
    latency_s: float


ETHERNET = Network("10 Gbit/s, 50 us", 1.25e9, 50e-6)
FAST = Network("100 Gbit/s, 10 us", 12.5e9, 10e-6)
ASSUMED = {"image_bytes": 1.3e9, "registry_bytes_per_s": 1.25e9, "containers": 8 + 3}


@dataclass(frozen=True)
class Training:
    """One Pod's training, without any other; measured.

    Attributes:
        num_parameters: Of the policy.
        num_reductions: Gradient steps of an iteration: all-reduces, where there are several Pods.
        steps: Env steps of an iteration.
        seconds: Of an iteration.
        observation_bytes: Of one step of one env.
        spread: Seconds of single iterations over their mean.
        sampling_s: Seconds of an iteration's policy and steps, without learning.
        learning_s: Seconds of its learning.
    """

    num_parameters: int
    num_reductions: int
    steps: int
    seconds: float
    observation_bytes: int
    spread: Sequence[float]
    sampling_s: float
    learning_s: float

    @property
    def gradient_bytes(self) -> int:
        return GRADIENT_BYTES * self.num_parameters


def sent_bytes(num_pods: int, num_bytes: float) -> float:
    """Return what each Pod sends in one all-reduce: the least there is, of ring and of tree."""
    return 2 * (num_pods - 1) / num_pods * num_bytes


def ring_s(num_pods: int, num_bytes: float, network: Network) -> float:
    """Return the time of an all-reduce around a ring, as gloo does it.

    Twice ``num_pods - 1`` rounds, in each of which everybody sends its neighbour one part.
    """
    part = num_bytes / num_pods
    return 2 * (num_pods - 1) * (network.latency_s + part / network.bytes_per_s)


def halving_s(num_pods: int, num_bytes: float, network: Network) -> float:
    """Return the time by recursive halving and doubling: as many bytes, fewer messages."""
    rounds = 2 * math.ceil(math.log2(num_pods)) if num_pods > 1 else 0
    return rounds * network.latency_s + sent_bytes(num_pods, num_bytes) / network.bytes_per_s


def slowest(training: Training, num_pods: int) -> float:
    """Return by how much the slowest of so many Pods is slower than the mean, on average.

    Iterations of Pods are drawn from those that were measured; all wait for the slowest one. The
    n-th of them in order is the slowest of all draws with this chance: none is beyond it, and not
    all are before it.
    """
    seconds = np.sort(training.spread) / np.mean(training.spread)
    within = np.arange(len(seconds) + 1) / len(seconds)
    return float((seconds * np.diff(within**num_pods)).sum())


@dataclass(frozen=True)
class Scale:
    """A training over many Pods.

    Attributes:
        num_pods: Of them.
        steps_per_s: Env steps of all, by ring over `ETHERNET`.
        efficiency: Of that, the share of ``num_pods`` trainings by themselves.
        waiting: Share of an iteration that goes to the slowest Pod's delay.
        reducing: Share that goes to all-reduces.
        halving_efficiency: Efficiency by halving and doubling over `ETHERNET`.
        fast_efficiency: The same over `FAST`.
    """

    num_pods: int
    steps_per_s: float
    efficiency: float
    waiting: float
    reducing: float
    halving_efficiency: float
    fast_efficiency: float


def scale(training: Training, num_pods: int) -> Scale:
    """Compute one row; learning and reducing do not overlap here, which is the worse case."""
    alone = training.seconds
    delay = alone * (slowest(training, num_pods) - 1)

    def reduced_s(one_s: Callable[..., float], network: Network) -> float:
        return training.num_reductions * one_s(num_pods, training.gradient_bytes, network)

    ring = reduced_s(ring_s, ETHERNET)
    whole = alone + delay + ring
    return Scale(
        num_pods,
        num_pods * training.steps / whole,
        alone / whole,
        delay / whole,
        ring / whole,
        alone / (alone + delay + reduced_s(halving_s, ETHERNET)),
        alone / (alone + delay + reduced_s(halving_s, FAST)),
    )


def rollout_limits(training: Training, network: Network) -> tuple[float, float]:
    """Return how many Pods that only sample feed one learner: by its link, and by its learning."""
    rate = training.steps / training.sampling_s
    by_link = network.bytes_per_s / (rate * training.observation_bytes)
    return by_link, training.sampling_s / training.learning_s
