"""`uerl-shm export`: what it writes acts as torch does, and what does not is not written."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import uerl_shm
from uerl_shm import ArraySpec, EnvSpec

EXAMPLES = Path(__file__).parents[2] / "examples"
for needed in ("torch", "onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(needed, reason=f"exporting needs {needed}")
sys.path.insert(0, str(EXAMPLES))  # examples are scripts: they find each other there

import export_policy
import torch
from policy import MODEL, Policy, save_policy

COMMAND = "uerl-sim basic --episode-steps 10"
SPEC = EnvSpec.single(
    {"position": ArraySpec.box(0, 1, (20,))}, {"move": ArraySpec.discrete(3)}, name="basic"
)
NETS = """
from torch import nn
from policy import Policy

class Deep(Policy):
    def __init__(self, group, hidden, depth):
        super().__init__(group, hidden)
        self.body.extend(nn.Linear(hidden, hidden) for _ in range(depth))

class Plain(nn.Sequential):
    def __init__(self, group, width=4):
        super().__init__(nn.Linear(20, width), nn.Tanh(), nn.Linear(width, 3))
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "nets.py").write_text(NETS)
    yield
    sys.modules.pop("nets", None)


def made_policy(model=MODEL, spec=SPEC, hidden=8, simulator=COMMAND) -> Path:
    """Save a policy whose choices depend on what it sees."""
    from policy import make_policy

    torch.manual_seed(0)
    policy = make_policy(spec.group, hidden, model)
    torch.nn.init.normal_(policy.head.weight)
    save_policy(Path("policy.pt"), policy, hidden, spec, simulator, model)
    return Path("policy.pt")


def result_of(capsys) -> dict[str, str]:
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("RESULT ")
    return dict(re.findall(r"(\w+)=(\S+)", line))


def test_exported_policy_acts_as_torch_does(capsys):
    made_policy(hidden=64)
    assert export_policy.main(["policy.pt", "-o", "a.onnx", "--rows", "60"]) == 0
    result = result_of(capsys)
    assert result["rows"] == "60" and result["different_choices"] == "0"
    assert 0.0 <= float(result["max_difference"]) < 1e-5
    from uerl_shm.onnx_policy import OnnxPolicy

    model = OnnxPolicy("a.onnx")
    assert model.spec == json.loads(SPEC.to_json())
    assert list(model.observation) == ["position"] and model.action["move"].nvec == (3,)
    position = np.eye(20, dtype=np.float32)
    policy = Policy(SPEC.group, 64)
    policy.load_state_dict(torch.load("policy.pt", weights_only=True)["policy"])
    wanted = policy.act(torch.from_numpy(position)).numpy()
    assert np.array_equal(model.act({"position": position})["move"], wanted)
    assert len(set(wanted.tolist())) > 1
    assert not Path("a.onnx.new").exists()


def test_file_that_acts_otherwise_is_not_written(monkeypatch, capsys):
    made_policy()

    def export_another(network, group, path):
        network.policy.head.bias.data += torch.tensor([0.0, 1e-2, 0.0])
        real(network, group, path)
        network.policy.head.bias.data -= torch.tensor([0.0, 1e-2, 0.0])

    real = export_policy.export_onnx
    monkeypatch.setattr(export_policy, "export_onnx", export_another)
    Path("a.onnx").write_bytes(b"as before")
    assert export_policy.main(["policy.pt", "-o", "a.onnx", "--rows", "16"]) == 1
    assert float(result_of(capsys)["max_difference"]) == pytest.approx(1e-2, rel=1e-2)
    assert Path("a.onnx").read_bytes() == b"as before"
    assert not Path("a.onnx.new").exists()


def test_network_of_ones_own_is_found_by_its_name_in_the_checkpoint(capsys):
    made_policy("nets:Deep(depth=2)")
    assert export_policy.main(["policy.pt", "--rows", "16"]) == 0
    assert Path("policy.onnx").exists()
    assert result_of(capsys)["rows"] == "16"


def test_weights_alone_are_exported_with_a_class_and_a_spec(capsys):
    """A plain module gets what VecEnv gives: the array, for there is only one."""
    import nets

    torch.manual_seed(0)
    torch.save(nets.Plain(SPEC.group, 6).state_dict(), "weights.pt")
    SPEC.save("spec.json")
    about = ["weights.pt", "--model", "nets:Plain(width=6)", "--spec", "spec.json"]
    assert export_policy.main([*about, "--simulator", COMMAND, "--rows", "16"]) == 0
    assert result_of(capsys)["different_choices"] == "0"
    with pytest.raises(uerl_shm.SpecError, match="nothing to check the file on"):
        export_policy.main(about)
    with pytest.raises(uerl_shm.SpecError, match="--model without --spec, expected both"):
        export_policy.main(about[:3])


def test_recorded_observations_are_enough(capsys):
    pytest.importorskip("h5py", reason="recording needs h5py")
    with closing(uerl_shm.VecEnv(COMMAND, 2)) as env:
        with uerl_shm.record(env, "seen-v0") as recorder:
            recorder.reset(seed=0)
            for _ in range(25):
                recorder.step(np.array([0, 2]))
    made_policy(simulator="no-such-program")
    assert export_policy.main(["policy.pt", "--recorded", "seen-v0", "--rows", "30"]) == 0
    assert result_of(capsys)["rows"] == "30"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b"garbage"), "expected a file that save_policy wrote"),
        (lambda path: path.write_bytes(b""), "expected a file that save_policy wrote"),
        (lambda path: torch.save([1], path), "has a list, expected what save_policy wrote"),
        (lambda path: torch.save({"spec": ""}, path), "has no 'hidden', expected"),
        (lambda path: rewrite(path, policy={}), "Missing key.*expected those of this model"),
        (lambda path: rewrite(path, hidden=9), "size mismatch.*expected those of this model"),
        (lambda path: rewrite(path, model="nowhere:Net"), "No module named 'nowhere'"),
        (lambda path: rewrite(path, model="nets:Nothing"), "has no attribute 'Nothing'"),
        (lambda path: rewrite(path, model="nets.Deep"), "expected module:Class"),
        (lambda path: rewrite(path, model="nets:Deep"), "missing a required argument: 'depth'"),
        (lambda path: rewrite(path, model="nets:Deep(depth=x)"), "malformed"),
        (lambda path: rewrite(path, model="os:getcwd"), "derived from nn.Module"),
        (lambda path: rewrite(path, simulator="uerl-sim apples"), "has other arrays, expected"),
    ],
)
def test_what_cannot_be_exported_is_one_clear_error(monkeypatch, spoil, said):
    spoil(made_policy())
    monkeypatch.setattr(export_policy, "write", lambda policy, spec, path: None)
    monkeypatch.setattr(export_policy, "OnnxPolicy", lambda path: None)
    with pytest.raises(uerl_shm.UerlError, match=said) as caught:
        export_policy.main(["policy.pt"])
    assert "\n" not in str(caught.value)


def rewrite(path: Path, **changed) -> None:
    torch.save({**torch.load(path, weights_only=True), **changed}, path)


def test_network_that_has_no_onnx_form_is_named(monkeypatch):
    made_policy()

    def refuse(*arguments):
        raise torch.onnx.OnnxExporterError("no such operation\nand a long story")

    monkeypatch.setattr(export_policy, "export_onnx", refuse)
    with pytest.raises(uerl_shm.SpecError, match=r"Policy has no ONNX form \(no such operation\)"):
        export_policy.main(["policy.pt"])


def test_command_becomes_the_example(run, monkeypatch):
    executed = []
    monkeypatch.setattr(os, "execv", lambda path, argv: executed.append(argv))
    assert run("export", "a.pt", "-o", "b.onnx", "--model", "m:C", "--spec", "s").exit_code == 0
    (argv,) = executed
    assert Path(argv[1]) == EXAMPLES / "export_policy.py"
    assert argv[2:] == ["a.pt", "-o", "b.onnx", "--rows", "256", "--model", "m:C", "--spec", "s"]
