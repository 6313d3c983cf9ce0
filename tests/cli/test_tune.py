"""`uerl-shm tune`: settings are tried one by one, and the best of them is proposed."""

from __future__ import annotations

import json

import pytest

from uerl_shm.cli import tune
from uerl_shm.errors import SegmentFull

FAST = ("--seconds", "0.1", "--policy-us", "100")


def test_every_setting_that_was_tried_is_told_and_one_is_proposed(run):
    done = run("tune", "--simulator", "uerl-sim basic", "--max-envs", "4", *FAST, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    tried = [(t["worlds"], t["per_simulator"], t["waiting"]) for t in found["tried"]]
    assert tried[:2] == [(1, 1, "adaptive"), (2, 1, "adaptive")]
    assert tried[-1][2] == "sleep"
    best = (found["num_envs"], found["envs_per_simulator"], found["waiting"])
    assert best in tried
    assert found["slots"] == 2 * 128 + 2
    assert all(t["env_steps_per_s"] > 0 for t in found["tried"])


def test_the_proposal_is_printed_as_a_call(run):
    done = run("tune", "--simulator", "uerl-sim gather", "--max-envs", "1", *FAST)
    assert "env steps/s" in done.stdout
    assert "uerl_shm.VecEnv('uerl-sim gather', num_envs=" in done.stdout.splitlines()[-1]


def test_a_simulator_that_does_not_exist_is_named(run):
    done = run("tune", "--simulator", "no-such-game", *FAST)
    assert done.exit_code == 2
    assert "no-such-game" in done.stderr


@pytest.fixture
def tuner(monkeypatch):
    """A tuner whose measurements are made up: `rates` by (worlds, per_simulator, waiting)."""
    made = tune.Tuner("game", None, 0.1, talks=False)

    def tried_with(worlds, per_simulator, waiting="adaptive"):
        rate = made.rates.get((worlds, per_simulator, waiting))
        found = {"worlds": worlds, "per_simulator": per_simulator, "waiting": waiting}
        found |= {"error": str(SegmentFull("full"))} if rate is None else {}
        made.tried.append(found)
        facts = {"num_envs": worlds, "env_steps_per_s": rate, "slot_bytes": 1}
        return None if rate is None else found | facts

    monkeypatch.setattr(made, "tried_with", tried_with)
    monkeypatch.setattr(made, "groups_for", lambda best, policy_s: (1, {}))
    return made


def test_worlds_are_doubled_for_as_long_as_it_helps(tuner):
    rates = {1: 100, 2: 190, 4: 192, 8: 300, 16: 301, 32: 302}
    tuner.rates = {(n, 1, "adaptive"): rate for n, rate in rates.items()}
    assert tuner.propose(64, 0.0, 8)["num_envs"] == 8
    tried = [t["worlds"] for t in tuner.tried if t["per_simulator"] == 1]
    assert tried[:6] == [1, 2, 4, 8, 16, 32]


def test_no_memory_for_more_worlds_ends_the_search(tuner):
    tuner.rates = {(1, 1, "adaptive"): 100, (2, 1, "adaptive"): 200}
    assert tuner.propose(64, 0.0, 8)["num_envs"] == 2


def test_several_worlds_in_a_simulator_and_sleeping_are_proposed_where_they_are_better(tuner):
    tuner.rates = {(n, 1, "adaptive"): 100.0 * n for n in (1, 2, 4)}
    tuner.rates |= {(4, 2, "adaptive"): 900.0, (4, 2, "sleep"): 1000.0}
    found = tuner.propose(4, 0.0, 8)
    assert (found["envs_per_simulator"], found["waiting"]) == (2, "sleep")
