"""A Prometheus that scrapes a training: every panel has something to show, no alert fires."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from command_line import kill, start_learner
from monitoring.conftest import program, yaml
from support.metrics_service import serving

SECONDS = 15  # of scrapes, before anything is asked: longer than the range of a rate

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def ask(url: str, path: str, **query: str) -> dict:
    with urlopen(f"{url}{path}?{urlencode(query)}", timeout=30) as answer:
        return json.load(answer)["data"]


@pytest.fixture
def training() -> Iterator[str]:
    """Address of the service that watches a training."""
    simulator = "uerl-sim basic --wait-us 2000"
    name = f"uerl-test-{free_port()}"
    learner = start_learner("step", simulator=simulator, num_envs=2, name=name)
    try:
        with serving(name) as server:
            yield server.address.removeprefix("http://").rstrip("/")
    finally:
        kill(learner)
        Path("/dev/shm", name).unlink()


@pytest.fixture
def prometheus(training, rules, tmp_path) -> Iterator[str]:
    """Address of a Prometheus that has scraped it for a while."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "uerl-shm", "static_configs": [{"targets": [training]}]}],
    }
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [program("prometheus"), "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
             f"--web.listen-address=127.0.0.1:{port}"],
            cwd=tmp_path, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while not is_ready(url):
            assert process.poll() is None and time.monotonic() < deadline, log.name
            time.sleep(0.2)
        time.sleep(SECONDS)
        yield url
    finally:
        process.terminate()
        process.wait()


def is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/-/ready", timeout=5):
            return True
    except URLError:
        return False


def test_every_panel_has_something_to_show_and_no_alert_fires(prometheus, expressions, rules):
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    empty = {
        place
        for place, expression in expressions.items()
        if not ask(prometheus, "/api/v1/query", query=expression)["result"]
    }
    assert empty - alerts == set()
    groups = ask(prometheus, "/api/v1/rules")["groups"]
    states = {rule["name"]: (rule["health"], rule["state"]) for rule in groups[0]["rules"]}
    assert set(states) == alerts
    assert {health for health, _ in states.values()} == {"ok"}
    assert {state for _, state in states.values()} <= {"inactive", "pending"}
