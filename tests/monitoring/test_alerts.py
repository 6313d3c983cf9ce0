"""Alerts and dashboard: they name figures that there are, and fire when they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from monitoring.conftest import program, yaml

TESTS = Path(__file__).with_name("alerts_fire.yaml")


def unknown(expression: str, scraped: set[str]) -> list[str]:
    """Return the figures that an expression names and a scrape does not have."""
    return sorted(set(re.findall(r"uerl_shm_\w+", expression)) - scraped)


def promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def write_rules(folder: Path, rules: dict) -> None:
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    shutil.copy(TESTS, folder)


def test_every_figure_that_is_asked_for_is_there_in_a_running_training(expressions, scraped):
    assert len(expressions) > 30
    missing = {place: unknown(expr, scraped) for place, expr in expressions.items()}
    assert {place: names for place, names in missing.items() if names} == {}


def test_a_figure_that_is_not_there_is_found(scraped):
    assert unknown("rate(uerl_shm_steps[5m]) > uerl_shm_up", scraped) == ["uerl_shm_steps"]


def test_every_figure_that_is_served_is_shown_or_documented(scraped):
    page = Path(__file__).parents[2].joinpath("docs/howto/monitoring.md").read_text()
    assert sorted(name for name in scraped if f"`{name}`" not in page) == []


def test_rules_are_rules(rules, tmp_path):
    write_rules(tmp_path, rules)
    done = promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_expressions_of_the_dashboard_are_promql(expressions, tmp_path):
    records = [{"record": f"panel:{i}", "expr": e} for i, e in enumerate(expressions.values())]
    write_rules(tmp_path, {"groups": [{"name": "dashboard", "rules": records}]})
    done = promtool(tmp_path, "check", "rules", "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_when_they_should_and_leave_a_healthy_run_alone(rules, tmp_path):
    write_rules(tmp_path, rules)
    done = promtool(tmp_path, "test", "rules", TESTS.name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_both_ways(rules):
    tests = yaml.safe_load(TESTS.read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    fired = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert fired == names and silent == names


@pytest.mark.parametrize("number", range(12))
def test_an_alert_that_never_fires_is_noticed(rules, tmp_path, number):
    (group,) = rules["groups"]
    assert len(group["rules"]) == 12
    changed = [dict(rule) for rule in group["rules"]]
    changed[number]["expr"] = "vector(0) > 1"
    write_rules(tmp_path, {"groups": [{**group, "rules": changed}]})
    assert promtool(tmp_path, "test", "rules", TESTS.name).returncode != 0


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("UerlShmNoProgress", "> 240", "> 600"),
        ("UerlShmThroughputHalved", "and uerl_shm_env_steps_total offset 70m", ""),
        ("UerlShmLearnerRestarts", "> 3", "> 1"),
    ],
)
def test_an_alert_with_another_threshold_is_noticed(rules, tmp_path, name, right, wrong):
    (group,) = rules["groups"]
    changed = [dict(rule) for rule in group["rules"]]
    (rule,) = [rule for rule in changed if rule["alert"] == name]
    assert right in rule["expr"]
    rule["expr"] = rule["expr"].replace(right, wrong)
    write_rules(tmp_path, {"groups": [{**group, "rules": changed}]})
    assert promtool(tmp_path, "test", "rules", TESTS.name).returncode != 0


def test_dashboard_asks_the_data_source_that_is_chosen(dashboard):
    variables = [each["name"] for each in dashboard["templating"]["list"]]
    assert variables == ["datasource", "namespace", "pod", "segment"]
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24 and panel["title"]


def test_scrapes_keep_the_manners_of_prometheus(body):
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=body, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
