"""The plugin over a bridge: the same world, without a segment at its side."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import PictureChecker

import uerl_shm
from support.bridged import TOKEN, welcome_engine
from uerl_shm.bridge_frames import ALIVE
from uerl_shm.bridge_server import BridgeServer
from unreal.engine_process import engine_process, learner, mappings, spec_of, until

SYN_SENT = "02"  # of /proc/net/tcp


class Server:
    """A learner's end of a bridge, and what an engine is told of it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.lines = name, []
        self.token = folder / "token"
        self.token.write_bytes(TOKEN + b"\n")
        self.server = BridgeServer(name, TOKEN, ("127.0.0.1", 0), None, self.lines.append)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def words(self) -> list[str]:
        """Of an engine's command line."""
        address = f"127.0.0.1:{self.server.address[1]}"
        return [f"-UerlBridge={address}", f"-UerlBridgeTokenFile={self.token}"]


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    """A learner's end, whose learner a test starts."""
    made = Server(f"plugin-bridge-{os.getpid()}", tmp_path)
    yield made
    made.server.close()


def steps_of(env: uerl_shm.VecEnv) -> list[object]:
    """A walk with an end and a reset in it: everything that was delivered, copied."""
    rng = np.random.default_rng(5)
    delivered = [flat(env.reset(seed=3, options={"why": "test"}))]
    for _ in range(70):
        delivered.append(flat(env.step(rng.uniform(-1, 1, (1, 2)).astype(np.float32))))
    return delivered


def flat(tree: object) -> object:
    """Nested tuples and dicts of arrays as nested lists of numbers."""
    if isinstance(tree, dict):
        return {key: flat(value) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return [flat(value) for value in tree]
    return np.asarray(tree).tolist()


def test_every_byte_is_that_of_shared_memory_and_none_is_mapped(engine, tmp_path, server):
    spec, delivered = spec_of(engine), []
    for words in ([f"-UerlShm={server.name}"], server.words):
        with engine_process(tmp_path / words[0][:9], [engine, "Walk", *words]) as process:
            with learner(server.name, spec) as env:
                delivered.append(steps_of(env))
            assert process.wait() == 0, process.output
            maps = mappings(process.output)
        assert bool(maps) == (words != server.words)
    assert delivered[0] == delivered[1]


def test_pictures_that_come_late_from_another_thread_come_whole(engine, tmp_path, server):
    words = ["Cameras", "-ShimReadbackUs=300", *server.words]
    with engine_process(tmp_path / "log", [engine, *words]) as process:
        with learner(server.name, spec_of(engine, "Cameras")) as env:
            checker = PictureChecker(env, 0)
            observation, info = env.reset(seed=0)
            ended = np.zeros(1, bool)
            for _ in range(200):
                checker.check(observation, info, ended)
                action = np.zeros((1, 2), np.float32)
                observation, _, terminated, truncated, info = env.step(action)
                ended = terminated | truncated
            assert checker.num_pictures > 300
            assert (checker.num_wrong, checker.num_wrong_steps) == (0, 0)
        assert process.wait() == 0, process.output


def test_a_wrong_token_is_an_error_and_the_world_plays_as_usual(engine, tmp_path, server):
    server.token.write_text("another token of more than sixteen bytes")
    argv = [engine, "Walk", *server.words]
    with engine_process(tmp_path / "log", argv) as process:
        process.wait_for("token is not that of this bridge")
        assert process.stop() == 143
    assert not any("are served" in line for line in server.lines)


def test_an_engine_without_a_token_says_which_word_it_lacks(engine, tmp_path, server):
    argv = [engine, "Walk", server.words[0], "-UerlBridgeTokenFile=/nowhere", "-ShimTicks=3"]
    with engine_process(tmp_path / "log", argv) as process:
        assert process.wait() == 0
    assert "token file '/nowhere' cannot be read" in process.output
    assert "token has 0 bytes, expected 16 to 1024" in process.output


def test_an_engine_that_was_asked_to_waits_for_the_next_learner(engine, tmp_path, server):
    argv = [engine, "Walk", "-UerlNextLearnerS=30", *server.words]
    with engine_process(tmp_path / "log", argv) as process:
        for _ in range(2):
            with learner(server.name, spec_of(engine)) as env:
                assert len(steps_of(env)) == 71
        assert process.process.poll() is None
        assert process.stop() == 143


def test_an_engine_whose_arrays_are_not_the_learners_is_refused_with_their_names(
    engine, tmp_path, server
):
    spec = spec_of(engine, "Cameras")
    argv = [engine, "Walk", "-ShimTicks=200", *server.words]
    with engine_process(tmp_path / "log", argv) as process:
        with pytest.raises(uerl_shm.UerlError, match="not in"), learner(server.name, spec):
            pass
        assert process.wait_for("is not in the learner's spec")


def test_a_refusal_arrives_while_signs_of_life_are_unread(engine, tmp_path):
    words = ["-ShimTicks=200", f"-UerlBridgeTokenFile={tmp_path / 'token'}"]
    (tmp_path / "token").write_bytes(TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        argv = [engine, "Walk", f"-UerlBridge={address}", *words]
        with engine_process(tmp_path / "log", argv) as process:
            with listening.accept()[0] as peer:
                welcome_engine(peer)
                sending = threading.Thread(target=flood, args=(peer,))
                sending.start()
                said = b""
                while piece := peer.recv(4096):  # a reset would be an error
                    said += piece
                peer.shutdown(socket.SHUT_WR)
                sending.join()
            assert b"expected 1, because an engine has one world" in said
            assert process.wait() == 0


def flood(peer: socket.socket) -> None:
    """Say that this end lives, without end."""
    with contextlib.suppress(OSError):
        while True:
            peer.sendall(ALIVE * 100)


def connections_begun(port: int) -> set[str]:
    """The local ports of connections that wait for this port of this machine to answer."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    asked = f"0100007F:{port:04X}"
    return {row[1] for row in rows if row[2] == asked and row[3] == SYN_SENT}


def test_a_connection_that_is_slow_to_come_is_not_taken_for_a_silent_one(engine, tmp_path):
    (tmp_path / "token").write_bytes(TOKEN)
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            other = stack.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        others, begun = connections_begun(port), set()
        words = [f"-UerlBridge=127.0.0.1:{port}", f"-UerlBridgeTokenFile={tmp_path / 'token'}"]
        with engine_process(tmp_path / "log", [engine, "Walk", *words]) as process:
            until(lambda: connections_begun(port) - others)
            deadline = time.monotonic() + 3.0  # less than the 5 s that it has
            while time.monotonic() < deadline:
                begun |= connections_begun(port) - others
                time.sleep(0.05)
            assert process.stop() == 143
    assert len(begun) == 1


def test_the_port_of_an_address_stands_after_its_last_colon(engine, tmp_path, server):
    address = f"[::ffff:127.0.0.1]:{server.server.address[1]}"
    words = [f"-UerlBridge={address}", server.words[1]]
    with engine_process(tmp_path / "log", [engine, "Walk", *words]) as process:
        with learner(server.name, spec_of(engine)) as env:
            assert len(steps_of(env)) == 71
        assert process.wait() == 0, process.output
