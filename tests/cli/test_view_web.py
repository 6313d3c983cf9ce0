"""`uerl-shm view --web`: who may ask, and what is told."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

import uerl_shm
from command_line import ENVIRONMENT, PROGRAM, kill, start_learner
from support import marker_simulator
from support.marker_simulator import frame
from support.web_page import serving
from uerl_shm.cli import view_state
from uerl_shm.cli.http_server import MAX_CLIENTS
from uerl_shm.cli.view_rows import Reader
from uerl_shm.cli.view_state import State
from uerl_shm.cli.view_web import Server

NUM_ENVS = 4
COMMAND = [sys.executable, marker_simulator.__file__]


def ask(server: Server, path: str, host: str | None = None, method: str = "GET", **query):
    """Return status and body."""
    query.setdefault("token", server.token)
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    words = "&".join(f"{key}={value}" for key, value in query.items())
    connection.request(method, f"{path}?{words}", headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def told(server: Server, path: str = "/overview.json", **query) -> dict:
    status, body = ask(server, path, **query)
    assert status == 200, body
    return json.loads(body)


def pixels(address: str) -> np.ndarray:
    image = pytest.importorskip("PIL.Image", reason="reading PNGs needs pillow")
    return np.asarray(image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def tile(atlas: dict, index: int) -> np.ndarray:
    row, column = divmod(index, atlas["columns"])
    height, width = atlas["height"], atlas["width"]
    return pixels(atlas["png"])[row * height :, column * width :][:height, :width]


# Who may ask ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/overview.json", "/row.json", "/elsewhere"])
def test_nobody_is_answered_without_the_token(stepped, path):
    with serving(stepped.segment_name) as server:
        for token in ("", "x", server.token[:-1], server.token + "x"):
            status, body = ask(server, path, token=token)
            assert (status, body) == (403, b"wrong token: use the address as printed\n")
        assert ask(server, path)[0] == (404 if path == "/elsewhere" else 200)


def test_names_that_point_here_from_elsewhere_are_refused(stepped):
    with serving(stepped.segment_name) as server:
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "a@evil.example"):
            assert ask(server, "/", host=host)[0] == 403
        assert ask(server, "/", host="[::1")[0] == 400
        for host in ("localhost:5000", "127.0.0.1"):  # through a tunnel, say
            assert ask(server, "/", host=host)[0] == 200


def test_server_listens_on_this_machine_only_and_changes_nothing(stepped):
    with serving(stepped.segment_name) as server:
        assert server.server_address[0] == "127.0.0.1"
        for method in ("POST", "PUT", "DELETE"):
            assert ask(server, "/overview.json", method=method)[0] == 501


def test_tokens_are_new_each_time(stepped):
    with serving(stepped.segment_name) as one, serving(stepped.segment_name) as other:
        assert one.token != other.token and len(one.token) >= 20
        assert ask(other, "/", token=one.token)[0] == 403


def test_page_asks_nobody_else_and_runs_no_script_but_its_own(stepped):
    with serving(stepped.segment_name) as server:
        port = server.server_address[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", f"/?token={server.token}")
        answer = connection.getresponse()
        page, policy = answer.read().decode(), answer.getheader("Content-Security-Policy")
        connection.close()
    assert "default-src 'none'" in policy
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert len(nonce) >= 20 and f'<script nonce="{nonce}">' in page
    assert answer.getheader("Cache-Control") == "no-store"
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_too_many_clients_are_sent_away_and_others_are_served(stepped):
    with serving(stepped.segment_name) as server:
        address = server.server_address[:2]
        idle = [socket.create_connection(address, timeout=30) for _ in range(MAX_CLIENTS)]
        with socket.create_connection(address, timeout=30) as one_more:
            assert one_more.recv(100).startswith(b"HTTP/1.1 503 ")
        idle.pop().close()
        deadline = time.monotonic() + 30
        while True:
            try:
                if ask(server, "/")[0] == 200:
                    break
            except ConnectionError:
                pass
            assert time.monotonic() < deadline
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("/overview.json", {"group": "team"}, "group 'team' is not in segment"),
        ("/overview.json", {"array": "observation/place"}, "picture 'observation/place' is not"),
        ("/row.json", {"row": 4}, "row 4 of group agent, expected one from 0 to 3"),
        ("/row.json", {"row": -1}, "row -1 of group agent"),
        ("/row.json", {"row": "x"}, "invalid literal"),
    ],
)
def test_wrong_questions_are_answered_with_what_there_is(stepped, path, query, said):
    with serving(stepped.segment_name) as server:
        status, body = ask(server, path, **query)
    assert status == 400 and said in body.decode()


# What is told -----------------------------------------------------------------------------------


def test_overview_holds_the_pixels_that_simulators_wrote_and_the_numbers_of_that_step(stepped):
    with serving(stepped.segment_name) as server:
        found = told(server)
        above = told(server, array="info/spectator")
    assert (found["name"], found["state"], found["group"]) == (
        stepped.segment_name,
        "alive",
        "agent",
    )
    assert (found["array"], found["lanes"]) == ("observation/camera", ["ready"] * NUM_ENVS)
    assert found["groups"][0]["pictures"] == ["observation/camera", "info/spectator"]
    for env, row in enumerate(found["rows"]):
        assert (row["row"], row["env"], row["agent"], row["lane"]) == (env, env, 0, env)
        assert np.array_equal(tile(found["atlas"], env), frame(env, 3))
        assert np.array_equal(tile(above["atlas"], env), 255 - frame(env, 3))
        assert (row["reward"], row["terminated"], row["truncated"]) == (0.5, False, False)
        assert (row["seen"], row["present"]) == (True, True)
    values = [row["annotation"]["value"]["values"] for row in found["rows"]]
    assert values == [[0.5], [-1.5], [2.25], ["nan"]]


def test_actions_are_those_of_the_observation_once_they_are_sent(stepped):
    actions = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, -0.8]], np.float32)
    with serving(stepped.segment_name) as server:
        assert [row["acted"] for row in told(server)["rows"]] == [False] * NUM_ENVS
        with stopped(stepped):
            stepped.send(actions)
            time.sleep(view_state.MIN_INTERVAL_S)
            for row, sent in zip(told(server)["rows"], actions, strict=True):
                assert row["acted"] is True
                assert row["action"]["move"]["values"] == pytest.approx(sent, abs=1e-4)
        stepped.recv()


@contextmanager
def stopped(env):
    """Let no simulator answer meanwhile."""
    pids = [env._simulators.launcher.pid(lane) for lane in range(NUM_ENVS)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_row_holds_every_array_of_it(stepped):
    with serving(stepped.segment_name) as server:
        found = told(server, "/row.json", row=2)
    assert (found["row"], found["env"], found["agent"], found["reward"]) == (2, 2, 0, 0.5)
    assert found["observation"]["place"]["values"] == [2.0, 3.0]
    assert found["info"]["speed"] == {"values": [0.75], "shape": [], "dtype": "float32"}
    assert found["annotation"]["value"]["values"] == [2.25]
    assert np.array_equal(pixels(found["pictures"]["observation/camera"]["png"]), frame(2, 3))
    assert np.array_equal(pixels(found["pictures"]["info/spectator"]["png"]), 255 - frame(2, 3))


def test_agents_and_groups_have_rows_of_their_own(name):
    simulator = "uerl-sim probe --groups 2 --agents 2 --observation camera:uint8:8x8x3"
    with closing(uerl_shm.VecEnv(simulator, num_envs=2, name=name)) as env:
        env.reset(seed=0)
        groups = [group.name for group in env._spec.groups]
        with serving(name) as server:
            for group in groups:
                found = told(server, group=group)
                places = [(row["env"], row["agent"]) for row in found["rows"]]
                assert places == [(0, 0), (0, 1), (1, 0), (1, 1)]
            assert [entry["name"] for entry in found["groups"]] == groups
        with serving(name, max_envs=1) as server:
            assert len(told(server)["rows"]) == 2 and told(server)["num_rows"] == 4


def test_agents_that_are_away_are_told_so(name):
    with closing(uerl_shm.VecEnv("uerl-sim gather", num_envs=2, name=name)) as env:
        observation, info = env.reset(seed=0)
        for _ in range(2000):
            if not all(own["mask"].all() for own in info.values()):
                break
            observation, _, _, _, info = env.step(env.action_space.sample())
        assert not all(own["mask"].all() for own in info.values())
        with serving(name) as server:
            for group, own in info.items():
                present = [row["present"] for row in told(server, group=group)["rows"]]
                assert present == own["mask"].tolist()
            red = told(server, "/row.json", group="red", row=1)["observation"]
        rays = observation["red"]["rays"][1].ravel()  # few enough to be read, and a picture
        assert red["rays"]["values"] == pytest.approx(rays, rel=1e-4, abs=1e-6)


def test_options_of_the_file_are_refused_beside_a_page(run, name):
    result = run("view", name, "--web", "--array", "camera")
    assert result.exit_code == 2 and "choose on the page" in result.stderr.replace("\n", " ")


def test_figures_of_a_row_are_of_one_step_even_at_full_speed(name):
    learner = start_learner("step", simulator=COMMAND, num_envs=2, name=name)
    try:
        reader, steps = Reader(name), set()
        fields = {field.name: field for field in reader.fields}
        chosen = [fields[key] for key in ("observation/place", "info/speed", "reward")]
        deadline = time.monotonic() + 30
        while len(steps) < 8 and time.monotonic() < deadline:
            for lane, step in enumerate(reader.steps([0, 1], chosen)):
                if step is None:
                    continue
                place, speed, reward = (step.arrays[field.number][0] for field in chosen)
                assert (place[0], place[1] / 4) == (lane, speed)
                assert reward == (0.5 if place[1] else 0.0)
                steps.add(float(place[1]))
    finally:
        kill(learner)
        os.unlink(f"/dev/shm/{name}")
    assert len(steps) == 8


class Meddling:
    """An observer during whose first copy of rows something happens."""

    def __init__(self, observer, happens) -> None:
        self._observer, self._happens = observer, [happens]

    def __getattr__(self, name):
        return getattr(self._observer, name)

    def rows(self, *arguments):
        found = self._observer.rows(*arguments)
        while self._happens:
            self._happens.pop()()
        return found


@pytest.mark.parametrize(("num_steps", "seen"), [(0, 3), (1, 3), (2, 5), (3, 6)])
def test_fields_that_were_overwritten_between_two_copies_are_read_again(stepped, num_steps, seen):
    def steps() -> None:
        for _ in range(num_steps):
            stepped.step(np.zeros((NUM_ENVS, 2), np.float32))

    reader = Reader(stepped.segment_name)
    reader._observer = Meddling(reader._observer, steps)
    fields = {field.name: field for field in reader.fields}
    chosen = [fields[name] for name in ("observation/place", "info/speed")]
    (step,) = reader.steps([1], chosen)
    place, speed = (step.arrays[field.number][0] for field in chosen)
    assert (place.tolist(), speed) == ([1.0, seen], seen / 4)


def test_clients_share_answers_so_that_many_cost_no_more_than_one(stepped):
    state = State(stepped.segment_name, 64)
    answers = [state.overview(None, None) for _ in range(20)]
    assert len({id(answer) for answer in answers}) < 20  # the machine may be slow
    time.sleep(view_state.MIN_INTERVAL_S)
    assert state.overview(None, None) is not answers[-1]


def test_memory_of_a_learner_that_ended_is_let_go_and_the_next_one_is_followed(name):
    def mapped() -> bool:
        return name in Path("/proc/self/maps").read_text()

    with closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=1, name=name)) as env:
        env.reset()
        state = State(name, 64)
        assert json.loads(state.overview(None, None))["state"] == "alive"
    wait_for(lambda: json.loads(state.overview(None, None)) == {"name": name, "state": "ended"})
    assert not mapped()
    with closing(uerl_shm.VecEnv("uerl-sim apples", num_envs=3, name=name)) as env:
        env.reset()
        wait_for(lambda: len(json.loads(state.overview(None, None)).get("rows", ())) == 3)


def wait_for(true) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_command_prints_the_address_and_serves_until_it_is_interrupted(stepped):
    command = [*PROGRAM, "view", stepped.segment_name, "--web"]
    viewing = subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True)
    try:
        assert viewing.stdout is not None
        url = viewing.stdout.readline().strip()
        address, _, token = url.removeprefix("http://").partition("/?token=")
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("GET", f"/overview.json?token={token}")
        assert len(json.loads(connection.getresponse().read())["rows"]) == NUM_ENVS
        connection.close()
        taken = subprocess.run(
            [*command, "--port", address.partition(":")[2]],
            capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False,
        )  # fmt: skip
    finally:
        viewing.send_signal(signal.SIGINT)
        assert viewing.wait(timeout=30) == 130
        viewing.stdout.close()
    assert taken.returncode == 2 and "expected a free one: leave --port out" in taken.stderr
