"""parallel_engines.py, without the waiting: what is measured, and when it falls short."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import parallel_engines
from parallel_engines import Learned

MEMORY = {"engine_kib": 100.0, "engines_mib": 2.0}


def verdict(monkeypatch, capsys, one, many):
    """Exit code, numbers and complaints of a run with these results: seconds, steps, return."""
    learned = {1: iter(one), parallel_engines.MANY: iter(many)}
    monkeypatch.setattr(parallel_engines, "learn", lambda num, seed: Learned(*next(learned[num])))
    monkeypatch.setattr(parallel_engines, "print_memory", lambda: MEMORY)
    code = parallel_engines.main()
    captured = capsys.readouterr()
    line = captured.out.strip().splitlines()[-1]
    assert line.startswith("RESULT ")
    return code, {k: float(v) for k, v in re.findall(r"(\w+)=(\S+)", line)}, captured.err


def test_ratios_are_of_all_steps_and_of_the_median_time(monkeypatch, capsys):
    one = [(100.0, 5000, 0.9), (80.0, 4000, 0.9), (120.0, 6000, 0.9)]
    many = [(6.0, 4500, 0.9), (7.0, 5500, 0.9), (90.0, 67250, 0.9)]
    code, result, complaints = verdict(monkeypatch, capsys, one, many)
    assert result["steps_ratio"] == pytest.approx(750 / 50, abs=0.01)
    assert result["time_ratio"] == pytest.approx(100 / 7, abs=0.01)
    assert (code, complaints) == (0, "")


@pytest.mark.parametrize(
    ("many", "complaint"),
    [
        ([(8.0, 5000, 0.9)] * 3, "steps_ratio 12.50, expected at least 14.0"),
        ([(9.0, 8000, 0.9)] * 3, "time_ratio 11.11, expected at least 12.0"),
        ([(6.0, 5000, 0.7)] * 3, "16 engines, seed 1: return 0.70, expected at least 0.8"),
    ],
)
def test_what_falls_short_is_said_and_fails(monkeypatch, capsys, many, complaint):
    code, _, complaints = verdict(monkeypatch, capsys, [(100.0, 5000, 0.9)] * 3, many)
    assert code == 1 and complaint in complaints


def test_memory_is_shared_out_in_parts():
    sizes = parallel_engines.memory_of(psutil.Process(os.getpid()))
    parts = sizes["Pss_Anon"] + sizes["Pss_File"] + sizes["Pss_Shmem"]
    assert sizes["Pss"] == pytest.approx(parts, rel=0.01)
    assert 2**20 < sizes["Pss"] <= psutil.Process().memory_info().rss


def test_all_engines_and_their_launchers_are_counted(monkeypatch, capsys):
    monkeypatch.setattr(parallel_engines, "MANY", 3)
    memory = parallel_engines.print_memory()
    output = capsys.readouterr().out
    assert re.search(r"^3 x uerl-sim *: PSS \d+ KiB", output, re.M)
    assert re.search(r"^3 x uerl-launch *: PSS \d+ KiB", output, re.M)
    assert 3 * memory["engine_kib"] / 1024 == pytest.approx(memory["engines_mib"])


def test_learning_ends_when_the_goal_is_reached_or_the_steps_are_over(monkeypatch):
    monkeypatch.setattr(parallel_engines, "COMMAND", parallel_engines.SCENE)
    monkeypatch.setattr(parallel_engines, "NUM_EPISODES", 8)
    monkeypatch.setattr(parallel_engines, "BATCH", 64)
    monkeypatch.setattr(parallel_engines, "GOAL", -0.9)
    assert parallel_engines.learn(4, 1).env_steps == 64
    monkeypatch.setattr(parallel_engines, "GOAL", 2.0)
    short = [*parallel_engines.SETTINGS[:-1], "192"]
    monkeypatch.setattr(parallel_engines, "SETTINGS", short)
    learned = parallel_engines.learn(4, 1)
    assert learned.env_steps == 192 and learned.last_return < 1.0
