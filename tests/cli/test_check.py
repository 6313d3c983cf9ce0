"""`uerl-shm check`: every rule is found broken where it is, and nowhere else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from command_line import call_program

# The rule that a bug breaks, and others that it cannot but break or leave unjudged.
BUGS = {
    "ignores-seed": ("same seed", {"reset", "partial reset"}),
    "same-episode": ("seeds differ", {"resets differ", "every array"}),
    "keeps-state": (
        "same seed",
        {"reset", "new process", "NEXT_STEP", "SAME_STEP", "DISABLED", "partial reset"},
    ),
    "seeds-by-process": (
        "new process",
        {"NEXT_STEP", "SAME_STEP", "DISABLED", "partial reset"},
    ),
    "ignores-reset": ("reset", {"same seed", "partial reset"}),
    "rewards-resets": ("reset", set()),
    "skips-rows": (
        "new process",
        {"same seed", "reset", "NEXT_STEP", "SAME_STEP", "DISABLED", "partial reset"},
    ),
    "leaves-bounds": ("bounds", set()),
    "writes-nan": ("finite", set()),
    "ignores-actions": ("actions", set()),
    "no-final-rows": ("SAME_STEP", set()),
    "never-resets": ("SAME_STEP", {"bounds"}),
    "resets-itself": ("NEXT_STEP", {"SAME_STEP"}),
    "odd-flags": ("flags", set()),
    "ignores-skip": ("partial reset", {"DISABLED", "bounds"}),
    "sends-early": (
        "rows at rest",
        {
            *("same seed", "reset", "new process"),
            *("NEXT_STEP", "SAME_STEP", "DISABLED", "partial reset"),
        },
    ),
    "leaves-badly": ("end", set()),
}


def check(run, simulator: str, *options: str) -> tuple[int, dict]:
    result = run("check", "--simulator", simulator, "--steps", 80, "--json", *options)
    return result.exit_code, json.loads(result.stdout)


def by_name(report: dict) -> dict[str, dict]:
    return {fact["name"]: fact for fact in report["checks"]}


def test_good_simulator_keeps_every_rule(run, bad_simulator):
    code, report = check(run, f"{bad_simulator} none")
    assert (code, report["good"]) == (0, True)
    assert [fact["name"] for fact in report["checks"] if fact["good"] is not True] == []
    assert report["speed"]["env_steps_per_s"] > 0


def test_docs_explain_every_rule(run, bad_simulator):
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    table = page[page.index("| rule | kept when |") :]
    explained = {
        name.strip()
        for line in re.findall(r"^\| ([^|]+) \|", table, re.M)
        for name in line.split(",")
    }
    _, report = check(run, f"{bad_simulator} none")
    assert by_name(report).keys() - explained == {"speed"}  # no rule, a figure


@pytest.mark.parametrize("scene", ["apples", "tennis", "gather --actions discrete"])
def test_bundled_worlds_keep_every_rule(run, scene):
    code, report = check(run, f"uerl-sim {scene} --episode-steps 30")
    assert code == 0
    assert {fact["good"] for fact in report["checks"]} == {True}


@pytest.mark.parametrize("bug", BUGS)
def test_broken_rule_is_named_and_remedied(run, bad_simulator, bug):
    rule, others = BUGS[bug]
    code, report = check(run, f"{bad_simulator} {bug}", "--num-simulators", "1")
    facts = by_name(report)
    assert (code, report["good"]) == (1, False)
    assert facts[rule]["good"] is False
    assert facts[rule]["remedy"]
    assert {name for name, fact in facts.items() if fact["good"] is not True} <= {rule, *others}


@pytest.mark.slow
def test_simulator_that_must_be_told_to_leave_breaks_end(run, bad_simulator):
    _, report = check(run, f"{bad_simulator} never-leaves", "--num-simulators", "1")
    assert "SIGTERM" in by_name(report)["end"]["value"]


def test_array_that_nobody_writes_deserves_a_look(run, bad_simulator):
    _, report = check(run, f"{bad_simulator} black-picture")
    fact = by_name(report)["every array"]
    assert fact["good"] is None
    assert "observation/picture never changed: zeros" in fact["value"]


def test_simulator_of_one_env_is_judged_with_one(run, bad_simulator):
    code, report = check(run, f"{bad_simulator} one-env")
    facts = by_name(report)
    assert code == 0
    assert facts["start"]["good"] is None
    assert facts["partial reset"]["good"] is True


@pytest.mark.parametrize(
    ("bug", "stage", "said"),
    [
        ("no-json", "spec", "wrong spec"),
        ("wrong-arrays", "start", "too many"),
        ("crashes", "play", "is gone"),
    ],
)
def test_check_ends_with_what_made_it_impossible(run, bad_simulator, bug, stage, said):
    code, report = check(run, f"{bad_simulator} {bug}")
    last = report["checks"][-1]
    assert (code, last["name"], last["good"]) == (1, stage, False)
    assert said in last["value"]


def test_world_without_randomness_is_good_only_if_it_is_said(run):
    code, report = check(run, "uerl-sim basic")
    assert code == 1
    facts = by_name(report)
    assert [facts[rule]["good"] for rule in ("seeds differ", "resets differ")] == [False, False]
    code, report = check(run, "uerl-sim basic", "--no-randomness")
    assert code == 0
    assert by_name(report)["randomness"]["good"] is True


def test_randomness_is_found_where_there_should_be_none(run):
    code, report = check(run, "uerl-sim apples", "--no-randomness")
    assert code == 1
    assert by_name(report)["randomness"]["good"] is False


def test_modes_are_not_judged_without_the_end_of_an_episode(run):
    code, report = check(run, "uerl-sim apples")
    facts = by_name(report)
    assert code == 0
    assert facts["SAME_STEP"]["good"] is None
    assert facts["SAME_STEP"]["remedy"] == "raise --steps"


def test_bugs_of_probe_are_found(run):
    _, report = check(run, "uerl-sim probe")
    assert by_name(report)["rows at rest"]["good"] is True
    assert by_name(report)["new process"]["good"] is True
    _, report = check(run, "uerl-sim probe --bug early")
    assert by_name(report)["rows at rest"]["good"] is False
    _, report = check(run, "uerl-sim probe --bug stale")
    assert by_name(report)["new process"]["good"] is False


def test_each_rule_has_a_line_with_its_mark_and_the_remedy_below(bad_simulator):
    bad = f"{bad_simulator} odd-flags"
    result = call_program("check", "--simulator", bad, "--steps", "60")
    lines = result.stdout.splitlines()
    assert result.returncode == 1
    assert result.stderr == ""
    assert any(line.startswith("✓ same seed") for line in lines)
    broken = next(i for i, line in enumerate(lines) if line.startswith("✗ flags"))
    assert lines[broken + 1].strip().startswith("-> write 0 or 1")
    assert lines[-1] == "1 rule of 19 broken"
