"""The arithmetic of docs/scaling.md: formulas against what they stand for, tables against files."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from scaling_model import (
    Network,
    Training,
    halving_s,
    ring_s,
    rollout_limits,
    scale,
    sent_bytes,
    slowest,
)

NETWORK = Network("of a test", 1e9, 1e-5)
TRAINING = Training(1000, 16, 1024, 1.0, 5292, [1.0, 1.0, 1.0, 1.6], 0.25, 0.75)


def simulated_ring_s(gradients: np.ndarray, network: Network) -> tuple[float, float, np.ndarray]:
    """Reduce around a ring, part by part; return time, bytes sent by each, and the sums."""
    ranks = len(gradients)
    parts = [list(np.array_split(gradient.copy(), ranks)) for gradient in gradients]
    seconds = sent = 0.0
    for number in range(2 * (ranks - 1)):
        adds = number < ranks - 1  # first sums are made, then they are handed round
        index = [(rank - number) % ranks for rank in range(ranks)]
        moved = [parts[rank][index[rank]].copy() for rank in range(ranks)]
        for rank, part in enumerate(moved):
            target = parts[(rank + 1) % ranks]
            place = index[rank]
            target[place] = target[place] + part if adds else part
        seconds += network.latency_s + max(part.nbytes for part in moved) / network.bytes_per_s
        sent += moved[0].nbytes
    return seconds, sent, np.stack([np.concatenate(each) for each in parts])


@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_the_rings_formula_is_what_a_ring_does(ranks):
    gradients = np.random.default_rng(0).normal(size=(ranks, 240)).astype(np.float32)
    seconds, sent, sums = simulated_ring_s(gradients, NETWORK)
    assert np.allclose(sums, gradients.sum(0), atol=1e-5)
    assert ring_s(ranks, 4 * 240, NETWORK) == pytest.approx(seconds)
    assert sent_bytes(ranks, 4 * 240) == pytest.approx(sent)


def test_halving_sends_as_many_bytes_in_fewer_messages():
    silent, endless = Network("no latency", 1e9, 0.0), Network("no bytes", 1e30, 1e-5)
    for pods in (2, 16, 1024):
        assert halving_s(pods, 1e6, silent) == pytest.approx(ring_s(pods, 1e6, silent))
        assert halving_s(pods, 1e6, endless) == pytest.approx(2 * math.log2(pods) * 1e-5)
        assert ring_s(pods, 1e6, endless) == pytest.approx(2 * (pods - 1) * 1e-5)
    assert halving_s(1, 1e6, NETWORK) == ring_s(1, 1e6, NETWORK) == 0


def test_one_pod_waits_for_nobody_and_many_for_the_slowest():
    assert slowest(TRAINING, 1) == pytest.approx(1.0)
    drawn = np.random.default_rng(0).choice(TRAINING.spread, (100_000, 3)).max(1).mean()
    assert slowest(TRAINING, 3) == pytest.approx(drawn / 1.15, rel=0.01)
    assert slowest(TRAINING, 1000) == pytest.approx(1.6 / 1.15)
    alone = scale(TRAINING, 1)
    assert (alone.efficiency, alone.waiting, alone.reducing) == (1, 0, 0)
    many = scale(TRAINING, 1000)
    assert many.efficiency + many.waiting + many.reducing == pytest.approx(1.0)
    assert many.steps_per_s == pytest.approx(1000 * 1024 * many.efficiency)


def test_limits_of_one_learner_are_its_link_and_its_learning():
    by_link, by_learning = rollout_limits(TRAINING, NETWORK)
    assert by_link == pytest.approx(1e9 / (4096 * 5292))
    assert by_learning == pytest.approx(1 / 3)


def test_the_pages_tables_are_those_of_the_kept_figures():
    pytest.importorskip("torch", reason="the policies whose gradients travel need torch")
    pytest.importorskip("matplotlib", reason="the page's picture needs matplotlib")
    pytest.importorskip("prometheus_client", reason="series are counted by prometheus_client")
    import scaling_report

    page = scaling_report.PAGE.read_text()
    assert scaling_report.filled(page, scaling_report.tables()) == page
