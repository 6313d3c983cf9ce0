"""What tests of policies share: a policy of examples/policy.py, its file, demonstrations."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))


def missing_packages() -> list[str]:
    """Packages that an export needs and that are not installed."""
    needed = ("torch", "onnx", "onnxscript")
    return [name for name in needed if importlib.util.find_spec(name) is None]


def make_policy(group: Any, observation: dict[str, np.ndarray]) -> Any:
    """A policy that has not learnt, but decides differently on different rows of these."""
    import torch
    from policy import Policy

    torch.manual_seed(0)
    rows = {name: torch.from_numpy(np.array(array)) for name, array in observation.items()}
    policy = Policy(group, hidden=32)
    policy.see(rows)
    with torch.no_grad():
        numbers, _ = policy(rows)
        policy.head.weight.div_(numbers.std(0).unsqueeze(1) + 1e-6)
        policy.head.bias.copy_(-numbers.mean(0) / (numbers.std(0) + 1e-6))
    return policy.eval()


def policy_actions(policy: Any, observation: dict[str, Any]) -> dict[str, np.ndarray]:
    """The deterministic actions for rows of observations."""
    import torch

    rows = {name: torch.from_numpy(np.array(array)) for name, array in observation.items()}
    return {name: action.numpy() for name, action in policy.act(rows, greedy=True).items()}


def read_demonstrations(path: Path) -> tuple[dict[str, Any], np.ndarray]:
    """The header and the records of a file, as docs/howto/deploy_policy.md reads them."""
    with open(path, "rb") as file:
        assert file.read(8) == b"UERLDEMO"
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    fields = dict(header["dtype"])
    fields["formats"] = [(kind, tuple(shape)) for kind, shape in fields["formats"]]
    return header, np.fromfile(path, np.dtype(fields), offset=16 + length)


def play(engine: Path, *words: str, ticks: int = 90) -> str:
    """Run the level without a learner; return its log. Fails if the engine does."""
    command = [str(engine), "Policy", f"-ShimTicks={ticks}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
