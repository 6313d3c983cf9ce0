"""What Prometheus and Grafana are told, as data; a training to look at; Prometheus's programs."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import uerl_shm

pytest.importorskip("prometheus_client", reason="serving figures needs prometheus_client")
yaml = pytest.importorskip("yaml", reason="reading alert rules needs PyYAML")

from support.metrics_service import ask, scrape, serving
from uerl_shm.cli.metrics_http import Server

FOLDER = Path(__file__).parents[2] / "k8s/monitoring"


def program(name: str) -> str:
    """Return the path of a program of Prometheus's package; skip where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: prometheus)")
    return found


@pytest.fixture(scope="session")
def rules() -> dict:
    """The groups of alert rules, as Prometheus reads them."""
    return yaml.safe_load((FOLDER / "alerts.yaml").read_text())["spec"]


@pytest.fixture(scope="session")
def dashboard() -> dict:
    return json.loads((FOLDER / "grafana-dashboard.json").read_text())


@pytest.fixture(scope="session")
def expressions(rules, dashboard) -> dict[str, str]:
    """Every expression by where it stands, with the dashboard's variables filled in."""
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found[f"{panel['title']} {target['refId']}"] = filled(target["expr"])
    return found


def filled(expression: str) -> str:
    """Return a dashboard's expression as Grafana asks it of a Prometheus that scrapes a lot."""
    for name in ("namespace", "pod", "segment"):
        expression = expression.replace(f"${name}", ".*")
    return expression.replace("$__rate_interval", "10s")


@pytest.fixture(scope="session")
def training() -> Iterator[Server]:
    """What serves the figures of a training that runs, with sums of its times already."""
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=2)) as env,
        serving(env.segment_name) as server,
    ):
        patch.setattr("uerl_shm.cli.metrics_looks.WINDOW_S", 0.1)
        env.reset(seed=0)
        deadline = time.monotonic() + 30
        while "uerl_shm_lane_time_seconds_total" not in {name for name, *_ in scrape(server)}:
            env.step(env.action_space.sample())
            assert time.monotonic() < deadline
        yield server


@pytest.fixture(scope="session")
def scraped(training) -> set[str]:
    """Names of the figures of a training that runs."""
    return {name for name, *_ in scrape(training)}


@pytest.fixture(scope="session")
def body(training) -> str:
    """A scrape as it travels."""
    return ask(training, "/metrics")[2].decode()
