"""Policies of agents: who decides, exported models, play without a learner, demonstrations."""

from __future__ import annotations

import json
import re
from contextlib import closing
from itertools import pairwise

import numpy as np
import pytest
from policy_support import (
    make_policy,
    missing_packages,
    play,
    policy_actions,
    read_demonstrations,
)

import uerl_shm
from uerl_shm import ArraySpec, GroupSpec

GROUP = GroupSpec(
    "agent",
    {"location": ArraySpec((3,), "float32"), "velocity": ArraySpec((3,), "float32")},
    {
        "movement_input": ArraySpec((2,), "float32", -1.0, 1.0),
        "side": ArraySpec.discrete(3),
    },
)
needs_onnx = pytest.mark.skipif(
    bool(missing_packages()), reason=f"not installed: {', '.join(missing_packages())}"
)


def export(path, group=GROUP, **options):
    """Write a policy for a group; return it."""
    from uerl_shm.torch import export_onnx

    rng = np.random.default_rng(0)
    rows = {
        name: (rng.normal(0.0, 500.0, (64, *spec.shape)) * (spec.dtype.kind == "f")).astype(
            spec.dtype
        )
        for name, spec in group.observation.items()
    }
    policy = make_policy(group, rows)
    export_onnx(policy, group, path, **options)
    return policy


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "policy.onnx"
    return path, export(path, engine={"inference": {"fixed_fps": 10}, "training": {}})


def steps(engine, words, count, action=(1.0, 0.0), side=0):
    """Step one env with the same action; return the last rows of every step."""
    with closing(uerl_shm.VecEnv(f"{engine} Policy {words}", 1)) as env:
        sent = {"movement_input": np.float32([action]), "side": np.array([side])}
        observation, _ = env.reset(seed=0)
        rows = [(observation["location"][0].copy(), None, None)]
        for _ in range(count):
            observation, *_, info = env.step(sent)
            taken = info["movement_input_taken"][0].copy(), int(info["side_taken"][0])
            rows.append((observation["location"][0].copy(), *taken))
    return rows


# With a learner -----------------------------------------------------------------------------------


def test_an_external_agent_does_what_the_learner_says(engine):
    (before, *_), (after, moved, side) = steps(engine, "", 1, (1.0, 0.0), 2)
    assert moved.tolist() == [1.0, 0.0] and side == 2
    assert after[0] - before[0] == pytest.approx(20.0, abs=1e-3)  # 600 cm/s for 1/30 s
    assert after[1] - before[1] == pytest.approx(10.0, abs=1e-3)


def test_a_heuristic_overrides_the_learner_and_is_reported(engine):
    rows = steps(engine, "-ShimMode=Heuristic", 10)
    for (before, *_), (after, moved, side) in pairwise(rows):
        assert moved.tolist() == [-np.sign(before[0]), 0.0]
        assert side == (1 if before[1] > 0 else 2)
        assert after[0] - before[0] == pytest.approx(moved[0] * 20.0, abs=1e-3)


def test_a_person_overrides_the_learner_and_choices_are_kept_in_range(engine):
    *_, (_, moved, side) = steps(engine, "-ShimMode=Player", 3)
    assert moved.tolist() == [0.5, -0.25] and side == 2


def test_the_mode_changes_while_the_world_runs(engine):
    rows = steps(engine, "-ShimSwitchAt=5 -ShimSwitchTo=Player", 8, (1.0, 0.0))
    moved = [row[1].tolist() for row in rows[1:]]
    assert moved == [[1.0, 0.0]] * 5 + [[0.5, -0.25]] * 3


@needs_onnx
def test_an_internal_agent_decides_as_the_policy_does(engine, model):
    path, policy = model
    rows = []
    with closing(
        uerl_shm.VecEnv(f"{engine} Policy -ShimMode=Internal -ShimModel={path}", 1)
    ) as env:
        seen, _ = env.reset(seed=0)
        for _ in range(20):
            wanted = policy_actions(policy, seen)
            sent = {"movement_input": np.zeros((1, 2), "f4"), "side": np.array([0])}
            seen, *_, info = env.step(sent)
            rows.append(int(info["side_taken"][0]))
            assert rows[-1] == wanted["side"][0]
            taken = info["movement_input_taken"]
            np.testing.assert_allclose(taken, wanted["movement_input"], atol=1e-5)
    assert np.abs(wanted["movement_input"]).max() > 0.01


def test_a_missing_model_refuses_the_learner_and_is_named(engine):
    with pytest.raises(uerl_shm.UerlError, match=r"model file '.*nowhere.onnx' cannot be read"):
        steps(engine, "-ShimMode=Internal -ShimModel=nowhere.onnx", 1)


def rewrite(model, change, path):
    """Write a model with other metadata."""
    import onnx

    proto = onnx.load(model)
    said = json.loads(proto.metadata_props[0].value)
    change(said)
    proto.metadata_props[0].value = json.dumps(said)
    path.write_bytes(proto.SerializeToString())


@needs_onnx
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda said: said["observation"][0].update(shape=[4]),
            r"observation 'location' float32 \[4\], expected this agent's float32 \[3\]",
        ),
        (
            lambda said: said["observation"][0].update(dtype="uint8"),
            r"'location' uint8 \[3\], expected this agent's float32 \[3\]",
        ),
        (
            lambda said: said["observation"][0].update(name="smell"),
            r"observation 'smell', expected one of this agent's: location velocity",
        ),
        (
            lambda said: said["action"][1].update(nvec=[5]),
            r"'side' int64 \[\], choices: 5, expected this agent's int64 \[\], choices: 3",
        ),
        (lambda said: said["action"].pop(), r"has 1 actions, expected this agent's 2"),
        (lambda said: said["observation"].pop(), "a network of another form, expected 1 inputs"),
        (lambda said: said.update(version=9), "metadata of version 9, expected 1"),
        (lambda said: said["action"][0].pop("transform"), "an array that cannot be read"),
    ],
)
def test_a_model_for_other_arrays_is_refused_with_both(engine, model, tmp_path, change, said):
    rewrite(model[0], change, tmp_path / "other.onnx")
    log = play(engine, "-ShimMode=Internal", f"-ShimModel={tmp_path / 'other.onnx'}")
    assert len(re.findall(said, log)) == 1, log


@needs_onnx
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: b"", "has no metadata 'uerl_shm'"),
        (lambda data: data[: len(data) // 2], "has no metadata 'uerl_shm'"),
        (lambda data: b"\xff" * 4096, "has no metadata 'uerl_shm'"),
        (lambda data: data.replace(b"\x04Tanh", b"\x04Tanx"), "cannot be run by NNERuntimeORTCpu"),
    ],
)
def test_a_damaged_model_is_refused(engine, model, tmp_path, spoil, said):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(spoil(model[0].read_bytes()))
    assert path.read_bytes() != model[0].read_bytes()
    log = play(engine, "-ShimMode=Internal", f"-ShimModel={path}")
    assert log.count(said) == 1, log


@needs_onnx
def test_an_engine_without_the_runtime_says_which_plugin_to_enable(engine, model):
    log = play(engine, "-ShimMode=Internal", f"-ShimModel={model[0]}", "-ShimNoNne")
    assert log.count("enable the plugin NNERuntimeORT") == 1, log


# Without a learner --------------------------------------------------------------------------------


def test_a_world_of_external_agents_is_left_alone(engine, tmp_path):
    record = tmp_path / "none"
    assert "plays by itself" not in play(engine, f"-ShimRecord={record}")
    assert not record.exists()


def test_what_a_heuristic_plays_is_written_as_demonstrations(engine, tmp_path):
    path = tmp_path / "heuristic.uerldemo"
    play(engine, "-ShimMode=Heuristic", f"-ShimRecord={path}", ticks=50)
    header, records = read_demonstrations(path)
    assert header["agent"] == "Walker" and header["group"] == "agent"
    assert header["arrays"]["action/side"] == {"dtype": "int64", "kind": "discrete", "nvec": [3]}
    assert ArraySpec.from_json(header["arrays"]["observation/location"]).shape == (3,)
    # 20 steps and a last observation, twice; then the ten that were left.
    assert records["episode"].tolist() == [0] * 21 + [1] * 21 + [2] * 10
    assert records["step"].tolist() == [*range(21), *range(21), *range(10)]
    assert np.flatnonzero(records["last"]).tolist() == [20, 41]
    assert np.flatnonzero(records["truncated"]).tolist() == [19, 40]
    assert not records["terminated"].any()
    stepped, following = records[:-1], records[1:]
    keep = ~stepped["last"]
    moved = (following["observation/location"] - stepped["observation/location"])[keep]
    np.testing.assert_allclose(
        moved[:, 0], 20.0 * stepped["action/movement_input"][keep, 0], atol=2e-3
    )
    wanted = -np.sign(stepped["observation/location"][keep, 0])
    assert np.array_equal(stepped["action/movement_input"][keep, 0], wanted)
    assert not records["action/movement_input"][records["last"]].any()
    starts = records["observation/location"][records["step"] == 0]
    assert len(np.unique(starts, axis=0)) == 3  # each episode was reset


def test_what_a_person_plays_is_written_too(engine, tmp_path):
    path = tmp_path / "player.uerldemo"
    play(engine, "-ShimMode=Player", f"-ShimRecord={path}", ticks=5)
    _, records = read_demonstrations(path)
    # The person's first wish comes within the first tick, after the first decision.
    assert records["action/movement_input"].tolist() == [[0.0, 0.0]] + [[0.5, -0.25]] * 4


def test_an_agent_that_leaves_external_begins_to_play(engine, tmp_path):
    path = tmp_path / "switched.uerldemo"
    play(engine, "-ShimSwitchAt=5", "-ShimSwitchTo=Heuristic", f"-ShimRecord={path}", ticks=12)
    assert len(read_demonstrations(path)[1]) == 7


def test_a_file_of_demonstrations_that_exists_is_not_overwritten(engine, tmp_path):
    path = tmp_path / "kept"
    path.write_bytes(b"precious")
    said = play(engine, "-ShimMode=Heuristic", f"-ShimRecord={path}")
    assert path.read_bytes() == b"precious"
    assert said.count(f"demonstrations file '{path}' exists, expected a new name") == 1


def test_a_file_of_demonstrations_without_its_folder_is_one_error(engine, tmp_path):
    said = play(engine, "-ShimMode=Heuristic", f"-ShimRecord={tmp_path}/none/file")
    assert said.count("cannot be written, expected a writable folder") == 1


@needs_onnx
def test_an_exported_policy_plays_alone_at_its_own_frame_rate(engine, model, tmp_path):
    path, policy = model
    record = tmp_path / "internal.uerldemo"
    play(engine, "-ShimMode=Internal", f"-ShimModel={path}", f"-ShimRecord={record}", ticks=42)
    _, records = read_demonstrations(record)
    records = records[~records["last"]]
    wanted = policy_actions(policy, {n: records[f"observation/{n}"] for n in GROUP.observation})
    assert np.array_equal(records["action/side"], wanted["side"])
    np.testing.assert_allclose(
        records["action/movement_input"], wanted["movement_input"], atol=1e-5
    )
    moved = np.diff(records["observation/location"][2:20], axis=0)[:, 0]
    sent = records["action/movement_input"][2:19, 0]
    np.testing.assert_allclose(moved, 600.0 * 0.1 * sent, atol=1e-2)  # fixed_fps 10


def test_a_model_that_is_missing_leaves_the_world_running(engine):
    said = play(engine, "-ShimMode=Internal", "-ShimModel=nowhere.onnx")
    assert said.count("cannot be read, expected an ONNX file") == 1
    assert "ticks=90" in said


# The export ---------------------------------------------------------------------------------------


@needs_onnx
def test_the_file_says_what_is_done_before_and_after_the_network(tmp_path):
    import onnx

    group = GroupSpec(
        "agent",
        {"camera": ArraySpec.image(20, 20, 3), "place": ArraySpec.discrete(4)},
        {"turn": ArraySpec((2,), "float32", -3.0, 3.0), "keys": ArraySpec.multi_discrete([2, 3])},
    )
    export(tmp_path / "a.onnx", group, scale={"camera": 1 / 255}, unit_actions=False)
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model)
    (entry,) = model.metadata_props
    said = json.loads(entry.value)
    assert said["observation"][0]["scale"] == 1 / 255 and said["observation"][1]["nvec"] == [4]
    keys, turn = said["action"]
    assert keys["transform"] == "argmax" and keys["nvec"] == [2, 3]
    assert (turn["transform"], turn["low"], turn["high"]) == ("clip", -3.0, 3.0)
    assert model.ir_version == 8 and "engine" not in said


@needs_onnx
@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ArraySpec((2,), "float64"), "float64 starting at 0, expected float32"),
        (ArraySpec((2,), "float32", [0.0, 1.0], 2.0), "other bounds for each entry"),
        (ArraySpec.discrete(3, start=1), "starting at 1"),
    ],
)
def test_what_the_plugin_cannot_have_is_not_exported(tmp_path, spec, said):
    group = GroupSpec("agent", {"a": ArraySpec((1,), "float32")}, {"b": spec})
    with pytest.raises(uerl_shm.SpecError, match=said):
        export(tmp_path / "a.onnx", group)
    assert not (tmp_path / "a.onnx").exists()


@needs_onnx
def test_a_policy_with_other_outputs_is_not_exported(tmp_path):
    import torch

    from uerl_shm.torch import export_onnx

    group = GroupSpec("agent", ArraySpec((3,), "float32"), ArraySpec.discrete(4))
    with pytest.raises(uerl_shm.SpecError, match=r"gives \(1, 2\) for one row, expected \(1, 4\)"):
        export_onnx(torch.nn.Linear(3, 2), group, tmp_path / "a.onnx")


def test_an_export_without_its_packages_names_the_extra(monkeypatch, tmp_path):
    pytest.importorskip("torch", reason="not installed: torch")
    import importlib.util

    from uerl_shm.torch import export_onnx

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "uerl_shm\[onnx\]"'):
        export_onnx(None, GROUP, tmp_path / "a.onnx")
