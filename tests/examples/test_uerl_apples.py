"""uerl_apples.py as people run it, in small: UERL's configuration trains the bundled scene."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import train_ppo
import uerl_apples
from policy import load_policy

from uerl_shm.launcher import describe

SMALL = ["--num-steps", "16", "--num-envs", "4", "--total-steps", "128", "--hidden", "16"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_run_under_uerls_configuration_leaves_what_train_ppo_leaves(capsys):
    assert uerl_apples.main([*SMALL, "--eval-episodes", "0"]) == 0
    output = capsys.readouterr().out
    assert output.strip().splitlines()[-1].startswith("RESULT env_steps=128 seconds=")
    out = Path(uerl_apples.OUT)
    kinds = {path.name.split(".tfevents")[0] for path in out.iterdir()}
    assert kinds == {"checkpoint.pt", "policy.pt", "learning_curve.png", "events.out"}
    assert torch.load(out / "checkpoint.pt", weights_only=True)["env_steps"] == 128
    _, spec, simulator = load_policy(out / "policy.pt")
    assert simulator == "uerl-sim apples"  # what make train trains on
    assert spec.groups == describe(simulator).groups
    command = next(line for line in output.splitlines() if "ML.HumanStart" in line)
    config = json.loads(command.partition("ML.HumanStart ")[2])
    assert config == json.loads(json.dumps(uerl_apples.ue_conf.get_ue_config()))


def test_a_policy_that_falls_short_fails(capsys, monkeypatch):
    result = {"mean_return": 1.0, "random_return": 1.0, "env_steps": 128}
    monkeypatch.setattr(train_ppo, "evaluate", lambda run: result)
    assert uerl_apples.main(SMALL) == 1
    captured = capsys.readouterr()
    assert "mean_return 1.00, expected at least 3.00" in captured.err
    assert captured.out.strip().endswith("RESULT mean_return=1.00 random_return=1.00 env_steps=128")
