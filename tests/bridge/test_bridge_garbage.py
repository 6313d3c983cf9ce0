"""Whatever comes over a bridge: nothing but the protocol has an effect, at either end."""

from __future__ import annotations

import os
import random
import socket
import struct
import time

import numpy as np
import pytest

from processes import eventually
from support.bridged import FIELDS, TOKEN, Bridge, known_engine, serve
from support.learners import SPEC
from uerl_shm import bridge_frames as frames
from uerl_shm._simulator import ffi, lib
from uerl_shm.host_arrays import DTYPES

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
    hello = frames.HELLO.pack(lib.UERL_BRIDGE_MAGIC, 99, 1, -1, 1, b"n" * 32)
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


def next_frame(engine: socket.socket) -> tuple[frames.Head, bytes]:
    """The next frame that says more than ALIVE, and its content; CLOSE at the end."""
    while True:
        packed = engine.recv(frames.FRAME.size, socket.MSG_WAITALL)
        head = frames.Head._make(frames.FRAME.unpack(packed))
        content = engine.recv(head.num_bytes, socket.MSG_WAITALL)
        if head.kind != lib.UERL_BRIDGE_ALIVE:
            return head, content


def written_bytes(welcome: bytes) -> int:
    """How many bytes a simulator writes for a command to one env."""
    num_groups, num_fields = frames.WELCOME.unpack_from(welcome)[3:5]
    at, total = frames.WELCOME.size + num_groups * frames.GROUP.size, 0
    for number in range(num_fields):
        _, _, role, dtype, dims, *shape = frames.FIELD.unpack_from(
            welcome, at + number * frames.FIELD.size
        )
        if role < lib.UERL_ROLE_ACTION:
            total += DTYPES[dtype - 1].itemsize * int(np.prod(shape[:dims]))
    return total


def test_one_connection_carries_several_lanes(bridge, learn):
    learner = learn(lambda env: [env.reset()[0].copy(), env.step([1, 2])[0].copy()], num_envs=2)
    assert eventually(lambda: os.path.exists(f"/dev/shm/{bridge.name}"))
    with known_engine(bridge, 2) as engine:
        welcomes = [next_frame(engine) for _ in range(2)]
        assert [frames.WELCOME.unpack_from(content)[1] for _, content in welcomes] == [0, 1]
        for channel in range(2):
            note = frames.NOTE.pack(0, 0)
            engine.sendall(frames.frame(lib.UERL_BRIDGE_READY, channel, note))
        answered = []
        while (told := next_frame(engine))[0].kind == lib.UERL_BRIDGE_COMMAND:
            head, content = told
            result = frames.RESULT.pack(frames.COMMAND.unpack_from(content)[0], 0, 0, 0, 0)
            rows = bytes(written_bytes(welcomes[0][1]))
            engine.sendall(frames.frame(lib.UERL_BRIDGE_RESULT, head.channel, result, rows))
            answered.append(head.channel)
    learner.join()
    assert sorted(answered) == [0, 0, 1, 1]
    assert not np.any(learner.result)


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
        assert next_frame(engine)[0].kind == lib.UERL_BRIDGE_WELCOME
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
