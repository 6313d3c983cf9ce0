"""`uerl-shm serve`: it answers as the policy acts, and survives whatever it is asked."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from command_line import ENVIRONMENT, PROGRAM, call_program
from uerl_shm import ArraySpec, GroupSpec

for needed in ("torch", "onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(needed, reason=f"making a policy to serve needs {needed}")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))  # where the policy is

import torch
from policy import Policy

from uerl_shm.cli import serve as serving_command
from uerl_shm.cli.http_server import MAX_CLIENTS
from uerl_shm.cli.serve_http import Server
from uerl_shm.onnx_policy import OnnxPolicy
from uerl_shm.torch import export_onnx

GROUP = GroupSpec(
    "agent",
    {
        "camera": ArraySpec.image(4, 5, 3),
        "flags": ArraySpec((2,), "bool"),
        "place": ArraySpec.multi_discrete([3, 2]),
        "speed": ArraySpec((2,), "float32"),
    },
    {
        "force": ArraySpec((2,), "float32"),
        "gear": ArraySpec.discrete(4),
        "keys": ArraySpec.multi_discrete([[2, 3], [4, 2]]),
        "level": ArraySpec.box(10, 20, (2,), "uint8"),
        "turn": ArraySpec.box(-3, 5, (2,)),
    },
)
NUM_ROWS = 12


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A file, and the policy that it was made of."""
    torch.manual_seed(1)
    policy = Policy(GROUP, 16)
    torch.nn.init.normal_(policy.head.weight)
    path = tmp_path_factory.mktemp("served") / "policy.onnx"
    export_onnx(policy, GROUP, path)
    return path, policy


@pytest.fixture(scope="module")
def port(served):
    with serving(OnnxPolicy(served[0])) as server:
        yield server.server_address[1]


@contextmanager
def serving(policy):
    server = Server(policy, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(port: int, path: str = "/predict", body=None, method: str | None = None, headers=None):
    """Return status and what the JSON says; every answer is one line of it."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
        connection.request(method or ("GET" if body is None else "POST"), path, sent, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.getheader("Content-Type") == "application/json"
        assert text.count("\n") == (method != "HEAD") and "Traceback" not in text
        return answer.status, json.loads(text or "null")


def raw(port: int, sent: bytes) -> bytes:
    """Send bytes, and nothing more; return all that comes back."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def rows(count: int = NUM_ROWS) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "camera": rng.integers(0, 256, (count, 4, 5, 3), np.uint8),
        "flags": rng.random((count, 2)) < 0.5,
        "place": rng.integers(0, [3, 2], (count, 2)),
        "speed": rng.normal(0, 3, (count, 2)).astype(np.float32),
    }


def asked(arrays) -> dict:
    return {"observation": {name: array.tolist() for name, array in arrays.items()}}


# What it answers --------------------------------------------------------------------------------


def test_actions_are_those_of_the_policy_that_plays_without_drawing(served, port):
    given = rows()
    wanted = served[1].act({name: torch.from_numpy(array) for name, array in given.items()})
    status, answer = ask(port, body=asked(given))
    assert status == 200 and list(answer) == ["action"]
    assert list(answer["action"]) == list(GROUP.action)
    for name, spec in GROUP.action.items():
        found, expected = np.array(answer["action"][name]), wanted[name].numpy()
        assert found.shape == (NUM_ROWS, *spec.shape)
        if spec.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, atol=1e-4)
        else:
            assert found.dtype.kind == "i" and np.array_equal(found, expected)
        assert len(np.unique(expected, axis=0)) > 1  # it looks


def test_one_observation_gives_one_action(port):
    given = rows()
    _, many = ask(port, body=asked(given))
    for row in (0, 5):
        _, one = ask(port, body=asked({name: array[row] for name, array in given.items()}))
        assert one["action"] == {name: part[row] for name, part in many["action"].items()}


def test_it_says_that_it_is_there_and_what_it_expects(port):
    assert ask(port, "/healthz") == (200, {"status": "ok"})
    status, told = ask(port, "/")
    assert status == 200
    for name, spec in GROUP.observation.items():
        assert ArraySpec.from_json(told["observation"][name]).shape == spec.shape
        assert ArraySpec.from_json(told["observation"][name]).dtype == spec.dtype
    assert {name: ArraySpec.from_json(each) for name, each in told["action"].items()} == dict(
        GROUP.action
    )
    assert told["max_body_bytes"] > 1_000_000


def test_many_clients_are_answered_at_once(port):
    given = rows(2)
    wanted = ask(port, body=asked(given))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(ask(port, body=asked(given))))
        for _ in range(MAX_CLIENTS // 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * len(threads)


# What it refuses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "method", "status", "said"),
    [
        ("/predictions", "POST", 404, "path '/predictions', expected one of / /healthz /predict"),
        ("/nowhere", "GET", 404, "path '/nowhere'"),
        ("/predict", "GET", 405, "method GET of /predict, expected POST"),
        ("/healthz", "POST", 405, "method POST of /healthz, expected GET"),
        ("/predict", "DELETE", 405, "method DELETE of /predict, expected POST"),
        ("/", "BREW", 405, "method BREW of /, expected GET"),
    ],
)
def test_wrong_address_is_named(port, path, method, status, said):
    found, answer = ask(port, path, body=b"{}" if method == "POST" else None, method=method)
    assert found == status and answer["error"].startswith(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda request: b"camera=1", "body is not JSON"),
        (lambda request: request["observation"].pop("speed"), "observation has no 'speed'"),
        (lambda request: request["observation"].update(smell=[1]), 'has "smell", expected camera'),
        (lambda request: request["observation"].update(speed=[1, 2, 3]), "shape (3,), expected"),
        (lambda request: request["observation"].update(speed=["a", 1]), 'has "a", expected num'),
        (lambda request: request["observation"].update(speed=[float("nan"), 1]), "body has NaN"),
        (lambda request: request["observation"].update(place=[0, 2]), "has 2, expected 0 to"),
        (lambda request: request["observation"].update(flags=[0, 1]), "expected true or false"),
    ],
)  # fmt: skip
def test_wrong_observation_is_named_and_the_next_is_answered(port, change, said):
    good = asked({name: array[0] for name, array in rows().items()})
    request = json.loads(json.dumps(good))
    changed = change(request)
    status, answer = ask(port, body=changed if isinstance(changed, bytes) else request)
    assert status == 400 and said in answer["error"]
    assert ask(port, body=good)[0] == 200


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Content-Length: 99999999999"], 413),
        (["Content-Length: " + "9" * 60], 413),
        (["Content-Length: 99999999999", "Expect: 100-continue"], 413),
        ([], 411),
        (["Content-Length: -1"], 411),
        (["Content-Length: 2", "Content-Length: 3"], 411),
        (["Transfer-Encoding: chunked", "Content-Length: 2"], 411),
        (["Content-Length: 50"], 400),
        (["X: " + "y" * 70_000], 431),
    ],
)
def test_body_without_a_good_length_is_refused(port, lines, status):
    sent = "\r\n".join(["POST /predict HTTP/1.1", "Host: x", *lines, "", "{}"]).encode()
    first, _, answer = raw(port, sent).partition(b"\r\n")
    assert first.split()[:2] == [b"HTTP/1.1", str(status).encode()]
    assert len(json.loads(answer.rpartition(b"\r\n\r\n")[2])["error"]) < 200
    assert ask(port, "/healthz")[0] == 200


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\xff\r\n\r\n", b"nonsense\r\n\r\n", b"\r\n"])
def test_what_is_no_http_gets_no_traceback(port, sent, capfd):
    assert b"Traceback" not in raw(port, sent)
    assert ask(port, "/healthz")[0] == 200
    assert capfd.readouterr().err == ""


def test_body_that_nobody_asked_for_is_no_request(port):
    hidden = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    lines = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    answer = raw(port, lines + hidden)
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.1") == 1


def test_too_many_connections_are_told_so_and_served_later(served):
    with serving(OnnxPolicy(served[0])) as server:
        port = server.server_address[1]
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(MAX_CLIENTS)]
        assert raw(port, b"").startswith(b"HTTP/1.1 503 ")
        for connection in idle:
            connection.close()
        while raw(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 503"):
            pass  # their threads end within a moment


def test_body_that_is_too_long_is_answered_although_it_is_being_sent(port):
    """Nobody gets a broken connection in place of the reason."""
    _, told = ask(port, "/")
    status, answer = ask(port, body=b"1" * (told["max_body_bytes"] + 1))
    assert status == 413 and answer["error"].endswith("send fewer rows")


def test_policy_that_fails_is_one_line_on_both_sides(served, capfd):
    policy = OnnxPolicy(served[0])
    given = asked(rows(1))
    with serving(policy) as server:
        port = server.server_address[1]
        real = policy.act
        for broken in (lambda arrays: 1 / 0, lambda arrays: {"turn": np.array([[np.nan, 0]])}):
            policy.act = broken
            assert ask(port, body=given) == (500, {"error": "the policy could not be run"})
        policy.act = real
        assert ask(port, body=given)[0] == 200
    complained = capfd.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in complained] == [
        "ZeroDivisionError",
        "FloatingPointError",
    ]


# The program ------------------------------------------------------------------------------------


def test_program_prints_where_it_is_and_ends_with_sigterm(served):
    server = subprocess.Popen(
        [*PROGRAM, "serve", str(served[0]), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True,
    )  # fmt: skip
    url = server.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:")
    port = int(url.rstrip("/").rpartition(":")[2])
    assert ask(port, "/healthz") == (200, {"status": "ok"})
    taken = call_program("serve", str(served[0]), "--port", str(port))
    server.send_signal(signal.SIGTERM)
    _, complained = server.communicate(timeout=60)
    assert (server.returncode, complained) == (128 + signal.SIGTERM, "")
    assert taken.returncode == 2 and len(taken.stderr.splitlines()) == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in taken.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "a.onnx: no such file or directory"),
        (b"", "expected an ONNX file that `uerl-shm export`"),
        (b"garbage" * 99, "expected an ONNX file that `uerl-shm export`"),
        ("without", "metadata uerl_shm of version None), expected an ONNX file"),
        ("later", "metadata uerl_shm of version 2), expected an ONNX file"),
        ("other", "observation/nose"),
    ],
)
def test_file_that_cannot_be_served_is_one_clear_line(run, served, tmp_path, content, said):
    path = tmp_path / "a.onnx"
    if isinstance(content, str):
        content = changed(served[0], content)
    if content is not None:
        path.write_bytes(content)
    result = run("serve", path, "--port", "0")
    assert result.exit_code == 2 and said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def changed(path: Path, how: str) -> bytes:
    """Return the file without its metadata, or with others."""
    import onnx

    model = onnx.load(path)
    (entry,) = model.metadata_props
    if how == "without":
        model.ClearField("metadata_props")
    elif how == "later":
        entry.value = entry.value.replace('"version": 1', '"version": 2')
    else:
        entry.value = entry.value.replace('"camera"', '"nose"')
    return model.SerializeToString()


def test_address_that_is_not_of_this_machine_is_refused(run, served):
    result = run("serve", served[0], "--host", "192.0.2.1", "--port", "0")
    assert result.exit_code == 2 and "port 0 of 192.0.2.1 cannot be used" in result.stderr


def test_missing_onnxruntime_is_named_with_the_extra(run, monkeypatch):
    monkeypatch.setattr(serving_command, "find_spec", lambda name: None)
    result = run("serve", "a.onnx")
    assert result.exit_code == 2 and "pip install 'uerl_shm[serve]'" in result.stderr


def test_serving_needs_no_torch(served):
    code = (
        "import sys, uerl_shm.onnx_policy as made\n"
        f"made.OnnxPolicy({os.fspath(served[0])!r})\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    assert done.stdout == "False\n"
