"""`uerl-shm serve-metrics`: what it serves is what happened, and it stays an observer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

import uerl_shm
from command_line import ENVIRONMENT, PROGRAM, kill, start_learner

pytest.importorskip("prometheus_client", reason="serving figures needs prometheus_client")

from support.metrics_service import ask, scrape, serving
from uerl_shm.cli import metrics_http, metrics_looks
from uerl_shm.cli.metrics_http import Server
from uerl_shm.cli.metrics_looks import Looks


def health(server: Server) -> tuple[int, dict]:
    time.sleep(0.11)
    status, kind, body = ask(server, "/healthz")
    assert kind == "application/json"
    return status, json.loads(body)


@contextmanager
def serve_program(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run it as a program; return it, and the three addresses that it prints."""
    process = subprocess.Popen(
        [*PROGRAM, "serve-metrics", *arguments, "--port", "0"],
        stdout=subprocess.PIPE, env=ENVIRONMENT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        addresses = [process.stdout.readline().strip() for _ in range(3)]
        port = urlsplit(addresses[0]).port
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30):
            pass  # it has looked
        yield process, addresses
    finally:
        process.kill()
        process.communicate()


#: Counters of `stats()` that a scrape has under another name; the others have theirs.
NAMES = {
    "wait_s": "learner_wait_seconds",
    "superseded": "superseded_results",
    "discarded": "discarded_results",
    "late": "lane_late",
    "lost": "lane_lost",
}


def assert_same(found: dict[tuple, float], stats: dict, name: str) -> None:
    """Every number of `stats()` is in the scrape; of lanes it is the sum.

    Which slots are held changes between batches, too: that is compared where it is at rest.
    """
    for key, value in stats.items():
        if key == "held_slots":
            continue
        metric = f"uerl_shm_{NAMES.get(key, key)}"
        shown = {which: v for which, v in found.items() if which[0] in (metric, f"{metric}_total")}
        assert {which[1] for which in shown} == {name}, key
        assert sum(shown.values()) == pytest.approx(value), key


def test_figures_are_those_of_the_env(name):
    with (
        closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=3, slots=4, name=name)) as env,
        serving(name) as server,
    ):
        held = [env.reset(seed=0)[0]]
        with pytest.warns(RuntimeWarning, match="no slot is free"):
            held += [env.step(env.action_space.sample())[0] for _ in range(20)]
        env.send(env.action_space.sample())
        found, stats = scrape(server), env.stats()
        env.recv()
    assert_same(found, stats, name)
    assert stats["copied_batches"] > 0
    num_held = len(held) - stats["copied_batches"]
    assert found["uerl_shm_held_slots", name] == stats["held_slots"] == num_held
    assert found["uerl_shm_steps_total", name] == found["uerl_shm_env_steps_total", name] == 60
    assert found["uerl_shm_batches_total", name] == 20
    assert found["uerl_shm_rows", name] == found["uerl_shm_simulators", name] == 3
    for lane in "012":
        assert found["uerl_shm_lane_up", name, lane] == 1


@pytest.mark.parametrize("on_death", ["mask", "restart"])
def test_lost_simulator_is_a_lane_that_is_down_until_another_one_takes_it(name, on_death):
    num_restarts = int(on_death == "restart")
    with (
        closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=2, name=name, on_death=on_death)) as env,
        serving(name) as server,
    ):
        env.reset(seed=0)
        os.kill(env._simulators.launcher.pid(1), signal.SIGKILL)
        deadline, found = time.monotonic() + 30, scrape(server)
        while env.stats()["lost"] == 0 or found["uerl_shm_lane_up", name, "1"] < num_restarts:
            env.step(env.action_space.sample())
            found = scrape(server)
            assert time.monotonic() < deadline
        assert_same(found, env.stats(), name)
    expected = {"up": num_restarts, "lost_total": 1, "restarts_total": num_restarts}
    for what, value in {**expected, "late_total": 0}.items():
        assert found[f"uerl_shm_lane_{what}", name, "1"] == value
    for what, value in {"up": 1, "lost_total": 0, "restarts_total": 0, "late_total": 0}.items():
        assert found[f"uerl_shm_lane_{what}", name, "0"] == value


def test_late_simulator_is_counted_where_it_is(name):
    with (
        closing(
            uerl_shm.VecEnv(
                "uerl-sim basic", num_envs=2, name=name, step_deadline_s=0.2, kill_after_s=60.0
            )
        ) as env,
        serving(name) as server,
    ):
        env.reset(seed=0)
        pid = env._simulators.launcher.pid(0)
        os.kill(pid, signal.SIGSTOP)
        env.step(env.action_space.sample())
        found = scrape(server)
        assert_same(found, env.stats(), name)
        os.kill(pid, signal.SIGCONT)
    assert found["uerl_shm_lane_late_total", name, "0"] == 1
    assert found["uerl_shm_lane_late_total", name, "1"] == 0
    assert found["uerl_shm_lane_is_late", name, "0"] == 1
    assert found["uerl_shm_lane_up", name, "0"] == 1


def test_times_add_up_to_the_time_that_was_watched(name, monkeypatch):
    monkeypatch.setattr(metrics_looks, "WINDOW_S", 0.2)
    learner = start_learner(
        "step", simulator="uerl-sim basic --wait-us 5000", num_envs=2, name=name
    )
    try:
        looks = Looks([name], 300.0)
        looks.look(0.0)
        begin = looks.followed[name].sample.at_s
        for _ in range(5):
            time.sleep(0.3)
            looks.look(0.0)
        one = looks.followed[name]
        assert sum(one.time_s.values()) == pytest.approx(one.sample.at_s - begin)
        assert one.time_s["simulators"] == max(one.time_s.values())  # each step waits for 5 ms
        for lane in (0, 1):
            assert sum(one.lane_time_s[lane].values()) == pytest.approx(one.sample.at_s - begin)
    finally:
        kill(learner)
        os.unlink(f"/dev/shm/{name}")


def test_service_only_reads_and_holds_no_lock(env, name):
    with serve_program(name) as (process, addresses):
        for address in (*addresses, addresses[2].replace("?", "overview.json?")):
            with urlopen(address.replace("0.0.0.0", "127.0.0.1"), timeout=30) as answer:
                assert answer.status == 200
        own = Path("/proc", str(process.pid))
        maps = [line.split() for line in (own / "maps").read_text().splitlines()]
        assert {line[1] for line in maps if line[-1].endswith(f"/{name}")} == {"r--s"}
        fds = [path.name for path in (own / "fd").iterdir() if path.readlink().name == name]
        assert fds
        for fd in fds:
            told = (own / "fdinfo" / fd).read_text()
            flags = int(told.partition("flags:")[2].split()[0], 8)
            assert flags & os.O_ACCMODE == os.O_RDONLY and "lock:" not in told


# Health -----------------------------------------------------------------------------------------


def test_learner_that_stands_still_is_not_well_until_it_goes_on(name):
    learner = start_learner("step", simulator="uerl-sim basic", num_envs=1, name=name)
    try:
        with serving(name, stall_after_s=1.0) as server:
            assert health(server)[0] == 200
            learner.send_signal(signal.SIGSTOP)
            time.sleep(2.5)
            status, found = health(server)
            assert (status, found["status"]) == (503, "stalled")
            assert found["reason"].startswith(f"progress of segment {name} has stood at ")
            assert found["segments"][name]["progress"] > 0
            learner.send_signal(signal.SIGCONT)
            deadline = time.monotonic() + 30
            while health(server)[0] != 200:
                assert time.monotonic() < deadline
    finally:
        kill(learner)
        os.unlink(f"/dev/shm/{name}")


def test_segment_that_is_not_there_yet_is_starting_and_then_missing(name):
    with serving(name, stall_after_s=1.0) as server:
        status, found = health(server)
        assert (status, found["status"], found["reason"]) == (200, "starting", "")
        assert scrape(server)["uerl_shm_up", name] == 0
        time.sleep(1.0)
        status, found = health(server)
        assert (status, found["status"]) == (503, "missing")
        assert found["reason"].startswith(f"segment {name} not found for 1 s, expected it within")


def test_learner_that_has_sent_nothing_yet_is_starting(name):
    with (
        closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=1, name=name)) as env,
        serving(name) as server,
    ):
        assert health(server)[1]["status"] == "starting"
        env.reset()
        assert health(server)[1]["status"] == "ok"


def test_learner_that_was_killed_is_dead_and_its_successor_is_followed(dead, run):
    with serving(dead) as server:
        status, found = health(server)
        assert (status, found["status"]) == (503, "dead")
        assert found["reason"].startswith(f"owner's lock of segment {dead} is free, expected its")
        with closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=3, name=dead)) as env:
            env.reset()
            env.step(env.action_space.sample())
            found = scrape(server)
            assert health(server)[1]["status"] == "ok"
    assert found["uerl_shm_learners_total", dead] == 2
    assert found["uerl_shm_steps_total", dead] == found["uerl_shm_rows", dead] == 3


def test_segment_that_ends_is_let_go_and_the_next_one_is_followed(name):
    with serving(name) as server:
        learner = start_learner(simulator="uerl-sim basic", num_envs=1, name=name)
        assert health(server)[1]["status"] == "ok"
        assert name in Path("/proc/self/maps").read_text()
        learner.communicate()  # it ends in order
        status, found = health(server)
        assert (status, found["status"]) == (503, "ended")
        assert found["reason"].startswith(f"segment {name} is gone, expected its learner at work")
        assert name not in Path("/proc/self/maps").read_text()  # and its memory is free
        with closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=2, name=name)) as env:
            env.reset()
            assert health(server)[1]["status"] == "ok"
            assert scrape(server)["uerl_shm_rows", name] == 2


def test_every_segment_is_followed_where_none_is_named(name, env):
    other = f"{name}-other"
    with serving() as server:
        with closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=1, name=other)):
            assert {name, other} <= set(health(server)[1]["segments"])
        found = scrape(server)
        assert found["uerl_shm_up", name] == 1
        assert ("uerl_shm_up", other) not in found  # labels do not pile up


def test_file_that_is_no_segment_of_ours_is_unreadable_and_says_so(name):
    path = Path("/dev/shm", name)
    path.write_bytes(b"UERLSHM1" + bytes(8192))
    try:
        with serving(name) as server:
            status, found = health(server)
    finally:
        path.unlink()
    assert (status, found["status"]) == (503, "unreadable")
    assert "layout version 0" in found["reason"]


# The server -------------------------------------------------------------------------------------


def test_live_page_needs_its_token_and_the_rest_does_not(env, name):
    with serving(name) as server:
        token = server.url.partition("?")[2]
        for path in ("/", "/overview.json", "/row.json", "/elsewhere"):
            assert ask(server, path)[0] == 403
        assert ask(server, f"/?{token}")[0] == 200
        assert ask(server, f"/?{token}", Host="evil.example")[0] == 403
        status, _, body = ask(server, f"/overview.json?{token}")
        assert (status, json.loads(body)["name"]) == (200, name)
        assert ask(server, "/metrics", Host="10.0.0.7:9464")[0] == 200
        assert ask(server, "/healthz", Host="10.0.0.7:9464")[0] == 200


def test_live_page_lets_go_of_memory_that_nobody_looks_at(env, name, monkeypatch):
    with serving(name) as server:
        assert ask(server, f"/overview.json?{server.url.partition('?')[2]}")[0] == 200
        assert server._state is not None
        monkeypatch.setattr(metrics_http, "STALE_S", 0.0)
        deadline = time.monotonic() + 30
        while server._state is not None:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_live_page_without_a_segment_says_so(name):
    with serving(name) as server:
        status, _, body = ask(server, f"/overview.json?{server.url.partition('?')[2]}")
    assert (status, body) == (400, b"no segment found, expected one to show: start a learner\n")


def test_open_metrics_are_served_to_who_asks_for_them(env, name):
    with serving(name) as server:
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        status, kind, body = ask(server, "/metrics", Accept=accept)
        assert status == 200 and kind.startswith("application/openmetrics-text")
        assert body.endswith(b"# EOF\n")
        assert ask(server, "/metrics", Accept="text/plain; version=x.y")[0] == 200
        assert ask(server, "/metrics")[0] == 200


def test_program_says_its_addresses_and_ends_with_a_signal(name):
    with serve_program(name, "--host", "0.0.0.0") as (process, addresses):
        assert addresses[0].startswith("http://0.0.0.0:") and addresses[0].endswith("/metrics")
        assert addresses[1].endswith("/healthz")
        assert addresses[2].startswith("http://127.0.0.1:") and "/?token=" in addresses[2]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM


def test_wrong_name_and_taken_port_are_refused(run, name):
    assert run("serve-metrics", "no/slashes").exit_code == 2
    with serving(name) as server:
        found = run("serve-metrics", name, "--port", server.server_address[1])
    assert found.exit_code == 2
    assert "cannot be used" in found.stderr and "--port 0 takes one that is free" in found.stderr
