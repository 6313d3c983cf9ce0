"""Whoever has not proved the token: it holds nothing for long, and keeps nobody from ending."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from command_line import call_program
from processes import eventually
from support.bridged import TOKEN, Bridge, a_hello, known_engine, serve
from support.learners import SPEC
from uerl_shm import LearnerClosed, Simulator, SpecError, UerlError
from uerl_shm import bridge_frames as frames
from uerl_shm._simulator import lib
from uerl_shm.bridge_lane import BridgeLane
from uerl_shm.bridge_wire import read_token

HANG_S = 10.0  # far more than any of this takes


def is_cut(stranger: socket.socket, send: Callable[[], object]) -> bool:
    """Whether sending again and again fails, in time."""
    deadline = time.monotonic() + HANG_S
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < deadline:
            send()
        return False
    return True


def test_a_stranger_who_goes_on_sending_after_garbage_is_cut_all_the_same(bridge):
    def send() -> None:
        time.sleep(0.05)
        stranger.sendall(b"x")

    with bridge.connect() as stranger:
        stranger.sendall(b"garbage!" * 10)
        assert is_cut(stranger, send)
    bridge.server.close()


@pytest.mark.parametrize("begun", [False, True], ids=["at once", "instead of a proof"])
def test_signs_of_life_before_a_proof_are_refused(bridge, begun):
    with bridge.connect() as stranger:
        stranger.settimeout(HANG_S)
        if begun:
            stranger.sendall(frames.frame(lib.UERL_BRIDGE_HELLO, 0, a_hello()))
        assert is_cut(stranger, lambda: stranger.sendall(frames.ALIVE * 1000))
    assert bridge.said("a frame of kind 9")


def test_an_engine_that_floods_the_bridge_still_hears_that_it_lives(bridge, learn):
    learner = learn(lambda env: env.reset()[0].tolist())
    assert eventually(lambda: os.path.exists(f"/dev/shm/{bridge.name}"))
    with known_engine(bridge) as engine:
        heard = bytearray()
        flooding = threading.Thread(
            target=is_cut, args=(engine, lambda: engine.sendall(frames.ALIVE * 10000))
        )
        flooding.start()
        with contextlib.suppress(ConnectionError, TimeoutError):
            while flooding.is_alive() and not heard.endswith(frames.ALIVE * 3):
                heard += engine.recv(4096)
        is_alive = flooding.is_alive()
        engine.shutdown(socket.SHUT_RDWR)
        flooding.join()
    assert is_alive and heard.endswith(frames.ALIVE * 3)
    with bridge.simulator(spec=SPEC) as simulator:
        serve(simulator)
    learner.join()


def test_whatever_goes_wrong_in_a_connection_its_lanes_are_left(bridge, learn, monkeypatch):
    learner = learn(lambda env: env.reset()[0].tolist())
    with monkeypatch.context() as patched, bridge.simulator(spec=SPEC) as simulator:
        patched.setattr(BridgeLane, "read", lambda *_: 1 // 0)
        with pytest.raises(UerlError):
            simulator.receive(HANG_S)
    assert bridge.said("modulo by zero")
    with bridge.simulator(spec=SPEC) as simulator:
        serve(simulator)
    learner.join()
    assert learner.result == [[1.0] * 3]


@pytest.mark.parametrize(
    ("place", "name", "error"),
    [
        (socket.socket, "accept", OSError(24, "Too many open files")),
        (threading.Thread, "start", RuntimeError("can't start new thread")),
    ],
    ids=["descriptors", "threads"],
)
def test_what_the_system_refuses_for_a_moment_does_not_end_the_bridge(
    bridge, learn, monkeypatch, place, name, error
):
    def refuse(*_: object) -> None:
        monkeypatch.undo()
        raise error

    monkeypatch.setattr(place, name, refuse)
    with bridge.connect():
        assert bridge.said(f"no engine can be let in ({error})")
    learner = learn(lambda env: env.reset()[0].tolist())
    with bridge.simulator(spec=SPEC) as simulator:
        serve(simulator)
    learner.join()
    assert learner.result == [[1.0] * 3]


def test_a_bridge_that_ends_during_a_handshake_ends_that_connection_too(certificate):
    bridge = Bridge(f"bridge-ends-{os.getpid()}", certificate)
    with bridge.connect() as plain:
        assert eventually(lambda: bridge.server._threads)
        closing = threading.Thread(target=bridge.server.close)
        closing.start()
        assert eventually(lambda: bridge.server._stops)
        context = ssl.create_default_context(cafile=certificate[0])
        said = b""
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as engine:
            while piece := engine.recv(4096):
                said += piece
        closing.join()
    assert b"was stopped" in said


def test_a_handshake_that_breaks_is_no_wrong_certificate(certificate, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        hanging_up = threading.Thread(target=lambda: listening.accept()[0].close())
        hanging_up.start()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(LearnerClosed, match="TLS with"):
            Simulator(bridge=address, token=TOKEN, certificate=certificate[0], timeout_s=0)
        hanging_up.join()
    none = tmp_path / "none.pem"
    none.write_text("of no kind")
    with pytest.raises(SpecError, match="expected a PEM file"):
        Simulator(bridge=address, token=TOKEN, certificate=str(none), timeout_s=0)


def test_secrets_that_others_can_read_are_refused(certificate, tmp_path):
    token, key = tmp_path / "token", tmp_path / "key.pem"
    token.write_bytes(TOKEN)
    token.chmod(0o600)
    assert read_token(token) == TOKEN
    token.chmod(0o640)
    with pytest.raises(SpecError, match=f"chmod 600 {token}"):
        read_token(token)
    shutil.copyfile(certificate[1], key)
    key.chmod(0o604)
    with pytest.raises(SpecError, match=f"chmod 600 {key}"):
        Bridge("nobody", (certificate[0], str(key)))


def test_a_key_without_a_certificate_does_not_listen_in_the_clear(certificate, tmp_path):
    token = tmp_path / "token"
    token.write_bytes(TOKEN)
    token.chmod(0o600)
    words = ["--listen", "127.0.0.1:0", "--token-file", str(token), "--key", certificate[1]]
    ran = call_program("bridge", "nobody", *words, timeout=60)
    assert ran.returncode != 0
    assert "without --certificate, expected both" in ran.stderr
