"""A bridge over loopback: what its two ends promise each other, and what strangers get."""

from __future__ import annotations

import os
import socket
import subprocess
import threading

import numpy as np
import pytest

from support.bridged import TOKEN, Bridge, serve, serve_until_closed
from support.learners import SPEC, STATE, Learner
from uerl_shm import ArraySpec, EnvSpec, LearnerClosed, Simulator, SpecError
from uerl_shm import bridge_frames as frames
from uerl_shm._simulator import lib
from uerl_shm.errors import LayoutMismatch, SegmentExists, SegmentNotFound
from uerl_shm.host import RESET


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


def test_an_engine_that_is_fenced_loses_its_connection_and_the_bridge_lives(bridge, learn):
    def script(env):
        env.reset()
        while env.step([0])[4]["valid"].all():
            pass
        while not env.step([0])[4]["valid"].all():
            pass

    learner = learn(script, on_death="mask", min_valid=0, step_deadline_s=0.2, kill_after_s=0.3)
    with bridge.simulator(spec=SPEC) as first:
        next(first)
        next(first)  # and no answer to this one
        assert bridge.said("was fenced by its learner")
        with pytest.raises(LearnerClosed, match="fenced"):
            first._command.send()
            first.receive(10)
    with bridge.simulator(spec=SPEC) as second:
        serve(second)
    learner.join()
    assert learner.result is None


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
