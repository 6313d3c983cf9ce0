"""What Learning Agents' trainer refuses, of its engine and of its caller."""

from __future__ import annotations

import os
import platform

import learning_agents_fixtures as fixtures
import learning_agents_support as support
import numpy as np
import pytest

from uerl_shm import errors
from uerl_shm.learning_agents import Trainer

learning_agents_program, stage = fixtures.learning_agents_program, fixtures.stage
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="Trainer is for x86-64")


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("truncated", errors.LayoutMismatch, r"has 4096 bytes, expected at least 37888"),
        ("generation-c", errors.LayoutMismatch, r"speaks generation C .* expected D"),
        ("no-json", errors.SegmentNotFound, r"data-config\.json not found"),
        ("network-id", errors.LayoutMismatch, r"sent network 3, expected 0"),
    ],
)
def test_engine_that_begins_wrongly_is_refused(stage, fault, error, said):
    engine = stage.start(f"--fault={fault}")
    with pytest.raises(error, match=said):
        stage.trainer.wait_for_engine(engine, timeout_s=20)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("episode", r"episode 1 has steps \d+ to \d+, expected them within"),
        ("episode-num", r"has 0 episodes, expected 1 to 16"),
        ("buffer-id", r"replay buffer 7 has experience, expected one of \[0\]"),
    ],
)
def test_impossible_experience_is_refused(stage, fault, said):
    trainer, _, _ = stage.begin(f"--fault={fault}")
    for _ in range(2):
        with pytest.raises(errors.SegmentCorrupt, match=said):
            trainer.experience(timeout_s=20)


def test_region_that_shrinks_later_is_no_bus_error(stage):
    trainer, initial, _ = stage.begin("--gather-us=300000")
    os.truncate(support.SHM / trainer.config.networks[0].guid, 4096)
    with (
        trainer.experience(timeout_s=20),
        pytest.raises(errors.SegmentCorrupt, match=r"was truncated .* 4096 bytes now"),
    ):
        trainer.push_network(0, initial[0])


def test_experience_in_a_region_that_shrank_is_refused(stage):
    trainer, _, _ = stage.begin("--gather-us=600000000")
    rewards = trainer.config.replay_buffers[0].rows["rewards"]["Default"]
    os.truncate(support.SHM / rewards.guid, 0)
    words = np.memmap(support.SHM / trainer.guid, "<i4", "r+", shape=(10,))
    words[[0, 1, 9, 2]] = 1, 1, 0, 1
    with pytest.raises(errors.SegmentCorrupt, match=r"was truncated .* 0 bytes now"):
        trainer.experience(timeout_s=0)


def test_networks_are_taken_in_order_and_after_an_experience_only(stage):
    trainer, initial, engine = stage.begin("--iterations=1")
    with pytest.raises(errors.SpecError, match="push_network 0, expected an experience before"):
        trainer.push_network(0, initial[0])
    with trainer.experience(timeout_s=20):
        for wrong in (1, -1, 4, "0", None):
            with pytest.raises(errors.SpecError, match=r"expected 0: .* \[0, 1, 2, 3\]"):
                trainer.push_network(wrong, initial[0])
        assert trainer.push_network(0, initial[0])
        with pytest.raises(errors.SpecError, match="push_network 0, expected 1"):
            trainer.push_network(0, initial[0])
        for network_id in (1, 2, 3):
            assert trainer.push_network(network_id, initial[network_id])
    assert support.last_words(engine)["networks"] == "4"


def changed(snapshot: bytes, word: int) -> bytes:
    words = np.frombuffer(snapshot[:24], "<u4").copy()
    words[word] += 1
    return words.tobytes() + snapshot[24:]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda own: own[:-1], r"has 40984 bytes, expected exactly 40985"),
        (lambda own: own + b"x", r"has 40986 bytes, expected exactly 40985"),
        (lambda own: b"", r"has 0 bytes, expected exactly 40985"),
        (lambda own: changed(own, 0), r"magic 0x1e9b0c81, expected 0x1e9b0c80"),
        (lambda own: changed(own, 1), r"version 0x2, expected 0x1"),
        (lambda own: changed(own, 2), r"input_num 0xb, expected 0xa"),
        (lambda own: changed(own, 3), r"output_num 0x15, expected 0x14"),
        (lambda own: changed(own, 4), r"compatibility_hash 0xabcd0001, expected 0xabcd0000"),
        (lambda own: changed(own, 5), r"filedata_size 0xa002, expected 0xa001"),
        (lambda own: "text", r"is str, expected contiguous bytes"),
        (lambda own: np.zeros((4, 4))[:, ::2], r"is ndarray, expected contiguous bytes"),
    ],
)
def test_snapshot_of_another_kind_is_refused(stage, spoil, said):
    trainer, initial, _ = stage.begin()
    with trainer.experience(timeout_s=20):
        with pytest.raises(errors.SpecError, match=said):
            trainer.push_network(0, spoil(initial[0]))
        assert trainer.push_network(0, bytearray(initial[0]))


def test_calls_out_of_turn_are_refused(stage):
    trainer = stage.trainer
    for call in (
        lambda: trainer.experience(timeout_s=0),
        lambda: trainer.push_network(0, b""),
        trainer.complete,
    ):
        with pytest.raises(errors.UerlError, match=r"expected wait_for_engine\(\) before"):
            call()
    stage.begin()
    experience = trainer.experience(timeout_s=20)
    with pytest.raises(errors.UerlError, match=r"expected its release\(\) first"):
        trainer.experience(timeout_s=20)
    experience.release()
    with pytest.raises(errors.UerlError, match=r"waits for networks \[0, 1, 2, 3\]"):
        trainer.experience(timeout_s=20)


@pytest.mark.parametrize("engine", [0, -1, True, "123", 2**22 + 1])
def test_engine_that_is_no_process_is_refused(stage, engine):
    with pytest.raises(errors.SpecError, match="expected"):
        stage.trainer.wait_for_engine(engine, timeout_s=0)


@pytest.mark.parametrize("task_dir", ["with space", "with,comma", "with(bracket)"])
def test_folder_that_unreal_cannot_be_told_is_refused(tmp_path, task_dir):
    with pytest.raises(errors.SpecError, match=r"task_dir .* expected none"):
        Trainer(tmp_path / task_dir)


def test_closed_trainer_says_so(tmp_path):
    trainer = Trainer(tmp_path)
    trainer.close()
    trainer.close()
    with pytest.raises(errors.UerlError, match="the Trainer is closed"):
        trainer.ping()
    with pytest.raises(errors.UerlError, match="the Trainer is closed"):
        trainer.wait_for_engine(timeout_s=0)


def test_machine_without_ordered_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(errors.SpecError, match="machine aarch64, expected x86_64"):
        Trainer(tmp_path)
