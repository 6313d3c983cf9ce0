"""A bridge over loopback: what its two ends promise each other, and what strangers get."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from processes import eventually
from support.bridged import TOKEN
from support.learners import SPEC, STATE, Learner
from uerl_shm import ArraySpec, EnvSpec, LearnerClosed, Simulator, SpecError, VecEnv
from uerl_shm import bridge_frames as frames
from uerl_shm._simulator import ffi, lib
from uerl_shm.bridge_server import BridgeServer
from uerl_shm.errors import LayoutMismatch, SegmentExists, SegmentNotFound, UerlError
from uerl_shm.host import RESET
from uerl_shm.host_arrays import Field

HELLO = struct.Struct("<QIIiI32s")


class Bridge:
    """A learner's end in a thread, and what it has said."""

    def __init__(self, name: str, certificate: tuple[str, str] | None = None) -> None:
        self.name, self.lines = name, []
        self.server = BridgeServer(name, TOKEN, ("127.0.0.1", 0), certificate, self.lines.append)
        self.address = f"127.0.0.1:{self.server.address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def simulator(self, token: bytes = TOKEN, timeout_s: float = 30, **options) -> Simulator:
        """A simulator at its other end."""
        return Simulator(bridge=self.address, token=token, timeout_s=timeout_s, **options)

    def connect(self) -> socket.socket:
        """A connection of somebody else."""
        return socket.create_connection(self.server.address, 10)

    def said(self, text: str) -> bool:
        """Whether a line with this text comes."""
        return eventually(lambda: any(text in line for line in self.lines), 30)


@pytest.fixture
def bridge(request) -> Iterator[Bridge]:
    """A bridge to a learner that a test may start."""
    made = Bridge(f"bridge-{os.getpid()}-{abs(hash(request.node.name)) % 10**8}")
    yield made
    made.server.close()


@pytest.fixture
def learn(bridge) -> Iterator[Callable[..., Learner]]:
    """A function that starts the learner of that bridge."""
    started: list[Learner] = []

    def learn(script: Callable[[VecEnv], object], **options: object) -> Learner:
        started.append(Learner(script, bridge.name, **options))
        started[-1].start()
        return started[-1]

    yield learn
    for learner in started:
        learner.join(60)
        assert not learner.is_alive()
        learner.result = None


def serve(simulator: Simulator) -> None:
    """Answer every command with its number."""
    for command in simulator:
        command.observation["state"][:] = command.sequence
        for row in range(simulator.num_envs):
            command.outcome(row, 0.5, False, False)


def serve_until_closed(simulator: Simulator) -> None:
    """Answer commands until another thread closes the simulator."""
    with contextlib.suppress(UerlError, TypeError):
        serve(simulator)


def test_messages_parameters_seeds_and_actions_come_over_it_and_rows_go_back(bridge, learn):
    def script(env):
        observation = env.reset(seed=7, options={"map": "cave"})[0].copy()
        env.post(b"hello", 0)
        return observation, env.step([2]), env.messages()

    learner = learn(script, parameters={"wind": 4.0})
    seen = []
    with bridge.simulator(spec=SPEC) as simulator:
        for command in simulator:
            seen.append((command.seed(0), command.parameter["wind"].tolist(), command.message))
            if command.control(0) != RESET:
                seen.append(command.action["move"].tolist())
                simulator.write_message(b"and back")
            command.observation["state"][0] = command.sequence
            command.outcome(0, 0.5, False, command.control(0) != RESET)
    learner.join()
    first, (second, reward, _, truncated, _), messages = learner.result
    assert (first.tolist(), second.tolist()) == ([[1] * 3], [[2] * 3])
    assert (reward.tolist(), truncated.tolist()) == ([0.5], [True])
    assert seen[0] == (7, [4.0], {"map": "cave"})
    assert seen[1][2] == b"hello" and seen[2] == [2]
    assert [message for _, message in messages] == [b"and back"]


@pytest.mark.parametrize("asked", ["fails", "refuses"])
def test_an_engine_that_cannot_go_on_is_reported_with_its_own_words(bridge, learn, asked):
    learner = learn(lambda env: env.reset())
    if asked == "fails":
        with pytest.raises(RuntimeError), bridge.simulator(spec=SPEC) as simulator:
            next(simulator)
            raise RuntimeError("the map has no exit")
    else:
        other = EnvSpec.single({"state": STATE, "eye": STATE}, {"move": ArraySpec.discrete(3)})
        with pytest.raises(LayoutMismatch, match="eye"):
            bridge.simulator(spec=other)
    learner.join()
    assert ("the map has no exit" if asked == "fails" else "eye") in str(learner.result)


def test_a_learner_that_ends_ends_the_far_simulator_and_the_next_learner_gets_it_again(
    bridge, learn
):
    for _ in range(2):
        learner = learn(lambda env: env.reset()[0].tolist())
        with bridge.simulator(spec=SPEC) as simulator:
            serve(simulator)
        learner.join()
        assert learner.result == [[1.0] * 3]
    assert bridge.said("is finished")


def test_a_lane_without_its_engine_is_masked_and_served_again_by_the_next(bridge, learn):
    def script(env):
        env.reset()
        valid = [env.step([0])[4]["valid"].item()]
        first.close()
        while valid[-1]:
            valid.append(env.step([0])[4]["valid"].item())
        came.set()
        while not valid[-1]:
            valid.append(env.step([0])[4]["valid"].item())
        return valid

    came = threading.Event()
    learner = learn(script, on_death="mask")
    first = bridge.simulator(spec=SPEC)
    answering = threading.Thread(target=serve_until_closed, args=(first,))
    answering.start()
    assert came.wait(30)
    with bridge.simulator(spec=SPEC) as second:
        serve(second)
    learner.join()
    answering.join()
    assert learner.result[0] and learner.result[-1] and not all(learner.result)


def test_arrays_of_a_closed_simulator_can_still_be_read(bridge, learn):
    learner = learn(lambda env: env.reset())
    simulator = bridge.simulator(spec=SPEC)
    command = next(simulator)
    state = command.observation["state"]
    state[:] = 5
    simulator.close()
    assert state.tolist() == [[5.0] * 3]
    assert learner.is_alive() or learner.result is not None


def test_a_wrong_token_gets_nothing_and_is_told_why(bridge, learn):
    learner = learn(lambda env: env.reset()[0].tolist())
    with pytest.raises(SpecError, match="token is not that of this bridge"):
        bridge.simulator(token=b"another of sixteen bytes", spec=SPEC)
    assert bridge.said("token is not that of this bridge")
    assert not any("are served" in line for line in bridge.lines)
    with bridge.simulator(spec=SPEC) as simulator:
        serve(simulator)
    learner.join()
    assert learner.result == [[1.0] * 3]


def test_a_token_that_is_too_short_is_refused_before_it_is_used(bridge):
    with pytest.raises(SpecError, match="has 5 bytes, expected 16 to 1024"):
        bridge.simulator(token=b"short")


def test_whoever_only_plays_the_learners_end_without_the_token_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def play() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(64, socket.MSG_WAITALL)
                nonce = frames.challenge(b"n" * 32)
                peer.sendall(frames.frame(lib.UERL_BRIDGE_CHALLENGE, 0, nonce))
                peer.recv(40, socket.MSG_WAITALL)
                head = frames.WELCOME.pack(b"p" * 32, *[1] * 8, b"name")
                peer.sendall(frames.frame(lib.UERL_BRIDGE_WELCOME, 0, head))
                peer.recv(1)

        threading.Thread(target=play, daemon=True).start()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(SpecError, match="proved no token"):
            Simulator(bridge=address, token=TOKEN, timeout_s=0)


def test_without_a_learner_the_engine_waits_and_says_what_for(bridge):
    with pytest.raises(SegmentNotFound, match="start the learner"):
        bridge.simulator(timeout_s=0.5)
    with pytest.raises(LearnerClosed, match=r"nobody answers at 127\.0\.0\.1:1"):
        Simulator(bridge="127.0.0.1:1", token=TOKEN, timeout_s=0)


def test_a_lane_that_is_taken_is_not_taken_twice_over_a_bridge(bridge, learn):
    done = threading.Event()
    learn(lambda env: (env.reset(), done.wait(30)))
    with bridge.simulator(lane=0, spec=SPEC) as simulator:
        answering = threading.Thread(target=serve, args=(simulator,))
        answering.start()
        with pytest.raises(SegmentExists, match="lane 0"):
            bridge.simulator(timeout_s=0, lane=0)
        done.set()
        answering.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = [str(folder / name) for name in ("certificate.pem", "key.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", "/CN=uerl", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", made[0], "-keyout", made[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return made[0], made[1]


def test_tls_carries_large_rows_and_refuses_who_speaks_plainly_or_is_another(certificate, tmp_path):
    name = f"bridge-tls-{os.getpid()}"
    spec = EnvSpec.single({"camera": ArraySpec.image(300, 500, 3)}, {"move": ArraySpec.discrete(3)})
    bridge = Bridge(name, certificate)
    learner = Learner(lambda env: [env.reset()[0].copy(), env.step([1])[0].copy()], name, spec=spec)
    learner.start()
    with pytest.raises(LearnerClosed, match="both use TLS, or neither"):
        bridge.simulator(timeout_s=0)
    assert bridge.said("TLS failed")
    others = tmp_path / "others.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=other", "-out", str(others), "-keyout", str(tmp_path / "key")],
        check=True, capture_output=True,
    )  # fmt: skip
    with pytest.raises(SpecError, match=r"TLS with 127\.0\.0\.1"):
        bridge.simulator(timeout_s=0, certificate=str(others))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 300, 500, 3), np.uint8)
    with bridge.simulator(spec=spec, certificate=certificate[0]) as simulator:
        for command in simulator:
            command.observation["camera"][0] = pictures[command.sequence - 1]
            command.outcome(0, 0.0, False, False)
    learner.join()
    bridge.server.close()
    assert np.array_equal(np.concatenate(learner.result), pictures)


# Whoever sends garbage ----------------------------------------------------------------------------


def answer_to(bridge: Bridge, sent: bytes) -> bytes:
    """What a stranger gets for these bytes, until the bridge hangs up."""
    with bridge.connect() as stranger:
        stranger.settimeout(20)
        got = b""
        try:
            stranger.sendall(sent)
            while piece := stranger.recv(4096):
                got += piece
        except ConnectionError:
            pass
        return got


def test_garbage_closes_the_connection_with_a_reason_and_nothing_else(bridge):
    rng = random.Random(1)
    for size in (8, 9, 64, 200, 5000):
        answer_to(bridge, rng.randbytes(size))
    assert bridge.said("only simulators of uerl_shm")
    huge = frames.FRAME.pack(0xFFFFFFFF, lib.UERL_BRIDGE_HELLO, 0, 0)
    assert b"expected another in this place" in answer_to(bridge, huge + b"x" * 100)
    hello = HELLO.pack(lib.UERL_BRIDGE_MAGIC, 99, 1, -1, 1, b"n" * 32)
    said = answer_to(bridge, frames.frame(lib.UERL_BRIDGE_HELLO, 0, hello))
    assert b"speaks bridge version 99 over layout 1" in said


def test_a_silent_stranger_is_cut_and_strangers_are_few(bridge):
    begin = time.monotonic()
    assert b"silent" in answer_to(bridge, b"")
    assert time.monotonic() - begin >= 1.4
    crowd = [bridge.connect() for _ in range(40)]
    assert bridge.said("refused, 16 others")
    for stranger in crowd:
        stranger.close()


def known_engine(bridge: Bridge) -> socket.socket:
    """A connection that has proved the token, and goes on by hand."""
    engine = bridge.connect()
    engine.settimeout(20)
    hello = HELLO.pack(
        lib.UERL_BRIDGE_MAGIC, lib.UERL_BRIDGE_VERSION, lib.UERL_LAYOUT_VERSION, -1, 1, b"n" * 32
    )
    engine.sendall(frames.frame(lib.UERL_BRIDGE_HELLO, 0, hello))
    challenged = engine.recv(8 + frames.CHALLENGE.size, socket.MSG_WAITALL)[8:]
    proved = frames.proof(TOKEN, "engine", hello, challenged)
    engine.sendall(frames.frame(lib.UERL_BRIDGE_PROOF, 0, proved))
    assert engine.recv(8, socket.MSG_WAITALL)[4] == lib.UERL_BRIDGE_WELCOME
    return engine


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (frames.frame(lib.UERL_BRIDGE_RESULT, 0, b"x" * 24), "a result for each command"),
        (frames.frame(lib.UERL_BRIDGE_READY, 0, struct.pack("<II", 2, 9)), "expected 17 bytes"),
        (frames.frame(lib.UERL_BRIDGE_READY, 0, b""), "at least 8 bytes"),
        (frames.frame(lib.UERL_BRIDGE_READY, 7, struct.pack("<II", 0, 0)), "another in this place"),
        (frames.FRAME.pack(8 + 2**20, lib.UERL_BRIDGE_READY, 0, 0) + struct.pack("<II", 2, 2**20),
         "message has 1048576 bytes, expected at most 4096"),
        (frames.frame(77, 0, b"?"), "expected READY, REFUSE or RESULT"),
    ],
    ids=["result", "short note", "no note", "channel", "long message", "kind"],
)  # fmt: skip
def test_an_engine_that_knows_the_token_may_still_send_nothing_but_the_protocol(
    bridge, learn, sent, text
):
    learner = learn(lambda env: env.reset()[0].tolist())
    assert eventually(lambda: os.path.exists(f"/dev/shm/{bridge.name}"))
    with known_engine(bridge) as engine:
        engine.sendall(sent)
        assert bridge.said(text)
    with bridge.simulator(spec=SPEC) as simulator:
        serve(simulator)
    learner.join()
    assert learner.result == [[1.0] * 3]


# The engine's end --------------------------------------------------------------------------------


def opened() -> ffi.CData:
    """The engine's end, as C has it."""
    made = ffi.new("uerl_bridge **")
    assert lib.uerl_bridge_open(made, TOKEN, len(TOKEN), b"n" * 32, -1) == 0
    return ffi.gc(made[0], close_engine)


def close_engine(engine: ffi.CData) -> None:
    """Free it and its simulator, in their order."""
    simulator = lib.uerl_bridge_simulator(engine)
    if simulator != ffi.NULL:
        lib.uerl_simulator_detach(simulator)
    lib.uerl_bridge_close(engine)


def feed(engine: ffi.CData, sent: bytes) -> int:
    """Give bytes to the engine's end; its code."""
    return lib.uerl_bridge_feed(engine, sent, len(sent), 1)


def drained(engine: ffi.CData) -> bytes:
    """What the engine's end says."""
    said = ffi.new("uint8_t[]", 4096)
    return bytes(ffi.buffer(said, lib.uerl_bridge_drain(engine, said, 4096)))


def changed(rng: random.Random, sent: bytes) -> bytes:
    """The bytes with none to three of them changed."""
    made = bytearray(sent)
    for _ in range(rng.randrange(4)):
        made[rng.randrange(len(made))] = rng.choice([0, 1, 7, 16, 128, 255, rng.randrange(256)])
    return bytes(made)


def test_the_engines_end_takes_nothing_after_the_first_wrong_byte():
    rng = random.Random(2)
    refused = 0
    for _ in range(3000):
        engine = opened()
        size = rng.choice([0, 4, 48, 128, 2**32 - 1, rng.getrandbits(9)])
        kind = rng.randrange(12)
        sent = frames.FRAME.pack(size, kind, 0, 0) + rng.randbytes(rng.choice([0, 48, 200]))
        code = feed(engine, sent)
        if code < 0:
            refused += 1
            assert feed(engine, sent) == code and ffi.string(lib.uerl_last_error())
        else:
            known = (lib.UERL_BRIDGE_CHALLENGE, lib.UERL_BRIDGE_CLOSE, lib.UERL_BRIDGE_ALIVE)
            assert kind in known
    assert refused > 2000


FIELDS = [
    Field(number, "agent", name, role, np.dtype(dtype), shape, 2)
    for number, (name, role, dtype, shape) in enumerate(
        [
            ("observation/state", lib.UERL_ROLE_OBSERVATION, "float32", (3,)),
            ("reward", lib.UERL_ROLE_REWARD, "float32", ()),
            ("terminated", lib.UERL_ROLE_TERMINATED, "bool", ()),
            ("truncated", lib.UERL_ROLE_TRUNCATED, "bool", ()),
            ("action/move", lib.UERL_ROLE_ACTION, "int64", ()),
            ("control", lib.UERL_ROLE_CONTROL, "uint8", ()),
            ("seed", lib.UERL_ROLE_SEED, "int64", ()),
        ]
    )
]


def welcomed(rng: random.Random) -> ffi.CData:
    """An engine's end that was told of arrays, of which some bytes may be wrong."""
    engine = opened()
    hello, challenged = drained(engine)[8:], frames.challenge(b"c" * 32)
    assert feed(engine, frames.frame(lib.UERL_BRIDGE_CHALLENGE, 0, challenged)) == 0
    assert drained(engine)[8:] == frames.proof(TOKEN, "engine", hello, challenged)
    num_groups, packed = frames.tables(FIELDS, 2)
    sizes = (0, 2, num_groups, len(FIELDS), 0, 64, 4, 0)
    proved = frames.proof(TOKEN, "learner", hello, challenged)
    head = frames.WELCOME.pack(proved, *sizes, b"train")
    told = proved + changed(rng, head[32:] + packed + b"{}  ")
    feed(engine, frames.frame(lib.UERL_BRIDGE_WELCOME, 0, told))
    return engine


def is_ready(simulator: ffi.CData) -> bool:
    """Whether the engine could bind what it was told of."""
    array = ffi.new("struct uerl_array *")
    for index in range(lib.uerl_simulator_num_arrays(simulator)):
        assert lib.uerl_simulator_array(simulator, index, array) == 0
        names = (array.group, array.name)
        kind = (array.role, array.dtype, array.num_dims, array.shape)
        lib.uerl_simulator_bind(simulator, *names, *kind)
    return lib.uerl_simulator_ready(simulator) == 0


def test_no_table_and_no_command_that_a_learner_could_send_harms_an_engine():
    rng = random.Random(3)
    served = refused = 0
    received = ffi.new("struct uerl_received *")
    for _ in range(2000):
        engine = welcomed(rng)
        simulator = lib.uerl_bridge_simulator(engine)
        if simulator == ffi.NULL or not is_ready(simulator):
            refused += 1
            continue
        drained(engine)
        command = frames.COMMAND.pack(1, 2, 5) + bytes(16) + b"\1\0" + bytes(16) + b"hello"
        feed(engine, frames.frame(lib.UERL_BRIDGE_COMMAND, 0, changed(rng, command)))
        if lib.uerl_simulator_receive(simulator, received, 0) == 0:
            for row in range(-1, 3):
                lib.uerl_simulator_outcome(simulator, 0, row & 0xFFFFFFFF, 1.0, 1, 0)
                lib.uerl_simulator_control(simulator, row & 0xFFFFFFFF)
            assert lib.uerl_simulator_send(simulator) == 0
            served += 1
            while drained(engine):
                pass
    assert served > 1000 and refused > 100
