"""Write a trained policy as an ONNX file, and check it: onnxruntime must act as torch does.

    python examples/export_policy.py runs/apples/policy.pt -o policy.onnx
    python examples/export_policy.py weights.pt --model nets:Actor --spec spec.json -o policy.onnx

Unreal's plugin runs the file (docs/howto/deploy_policy.md); `uerl-shm serve` answers with it. The
observations to check it on are played by the policy, or were recorded.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from policy import load_checkpoint, load_policy, load_weights, make_policy
from torch import nn

import uerl_shm
from uerl_shm import EnvSpec, SpecError
from uerl_shm.onnx_policy import OnnxPolicy
from uerl_shm.torch import export_onnx

NUM_ENVS = 8
SEED = 4_000_000  # of the observations that are played
Rows = dict[str, np.ndarray]  # observations by name, [rows, ...]
TOLERANCE = 1e-4  # of what the network gives, relative where it is large


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("checkpoint", type=Path, help="policy.pt or checkpoint.pt, or a state_dict")
    parser.add_argument("-o", "--output", type=Path, default=Path("policy.onnx"))
    parser.add_argument("--model", help="of a state_dict: module:Class, or module:Class(depth=3)")
    parser.add_argument("--spec", type=Path, help="of a state_dict: what it was trained for (JSON)")
    parser.add_argument("--simulator", help="plays the observations (default: the checkpoint's)")
    parser.add_argument("--recorded", type=Path, help="data set of `uerl-shm record`, played by it")
    parser.add_argument("--rows", type=int, default=256, help="observations to check it on")
    args = parser.parse_args(argv)
    if args.rows < 1:
        parser.error(f"--rows {args.rows}, expected at least 1")
    return args


def load(args: argparse.Namespace) -> tuple[Any, EnvSpec, str]:
    """Return the policy, the spec that it is for, and a simulator's command line or nothing."""
    if (args.model is None) != (args.spec is None):
        raise SpecError("--model without --spec, expected both, for a state_dict, or none")
    if args.model is None:
        return load_policy(args.checkpoint)
    spec = EnvSpec.load(args.spec)
    policy = make_policy(spec.group, None, args.model)
    load_weights(args.checkpoint, policy, load_checkpoint(args.checkpoint))
    return policy, spec, ""


def as_played(arrays: Any) -> Any:
    """Return what `VecEnv` gives: an array where there is one, else a dict."""
    many = not isinstance(arrays, dict) or len(arrays) > 1
    return arrays if many else next(iter(arrays.values()))


class AsPlayed(nn.Module):
    """A policy as an exporter wants it: dicts in, one tensor out."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observation: Any) -> Any:
        numbers = self.policy(as_played(observation))
        return numbers[0] if isinstance(numbers, tuple) else numbers


def write(policy: Any, spec: EnvSpec, path: Path) -> None:
    """Write the file, with the whole spec beside what an engine needs."""
    try:
        export_onnx(AsPlayed(policy), spec.group, path)
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise SpecError(
            f"network {type(policy).__name__} has no ONNX form ({reason}), expected operations "
            "that torch.onnx.export knows"
        ) from error
    model = onnx.load(path)
    model.metadata_props.add(key="uerl_shm_spec", value=spec.to_json())
    path.write_bytes(model.SerializeToString())


def played(simulator: str, num_rows: int, model: OnnxPolicy, spec: EnvSpec) -> Iterator[Rows]:
    """Let the file play, on seeds that nobody was trained on."""
    with closing(uerl_shm.VecEnv(simulator, NUM_ENVS)) as env:
        check_arrays(env.spec, spec, f"simulator {simulator!r}")
        seen, _ = env.reset(seed=SEED)
        for _ in range(-(-num_rows // NUM_ENVS)):
            arrays = seen if isinstance(seen, dict) else {next(iter(model.observation)): seen}
            yield {name: array.copy() for name, array in arrays.items()}
            actions = model.act(arrays)
            seen, *_ = env.step(actions if len(actions) > 1 else next(iter(actions.values())))


def recorded(path: Path, num_rows: int, spec: EnvSpec) -> Iterator[Rows]:
    """Read episodes until there are enough."""
    from uerl_shm.minari_data import DataSet  # needs h5py

    with closing(DataSet(path)) as data:
        check_arrays(data.spec, spec, f"data set {path}")
        for episode in data.episodes:
            if num_rows <= 0:
                break
            yield dict(data.read(episode).observation)
            num_rows -= episode.num_steps + 1


def check_arrays(found: EnvSpec, expected: EnvSpec, where: str) -> None:
    if found.groups != expected.groups:
        raise SpecError(f"{where} has other arrays, expected those that the policy was trained for")


def compare(policy: Any, model: OnnxPolicy, rows: Rows) -> dict[str, Any]:
    """Return how far the file is from torch: what the network gives, and actions."""
    tensors = {name: torch.from_numpy(array) for name, array in rows.items()}
    with torch.no_grad():
        wanted = AsPlayed(policy)(tensors).float().numpy()
        given = model.numbers(rows)
        actions = policy.act(as_played(tensors)) if hasattr(policy, "act") else None
    expected = model.actions(wanted)
    if actions is not None:
        one = not isinstance(actions, dict)
        actions = {next(iter(expected)): actions} if one else actions
        expected = {name: np.asarray(array) for name, array in actions.items()}
    off, different = 0.0, 0
    for name, array in model.actions(given).items():
        if array.dtype.kind == "f":
            off = max(off, float(np.abs(array - expected[name]).max()))
        else:
            different += int((array != expected[name]).reshape(len(array), -1).any(1).sum())
    distance = np.abs(given - wanted)
    return {
        "rows": len(given),
        "max_difference": float(distance.max()),
        "max_action_difference": off,
        "different_choices": different,
        "equal": bool((distance <= TOLERANCE * np.maximum(1.0, np.abs(wanted))).all()),
    }


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    torch.set_num_threads(1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # no word of torchvision
    policy, spec, trained_with = load(args)
    policy.eval()
    simulator = args.simulator or trained_with
    if not simulator and args.recorded is None:
        raise SpecError("nothing to check the file on, expected --simulator or --recorded")
    fresh = args.output.with_name(f"{args.output.name}.new")
    try:
        write(policy, spec, fresh)
        model = OnnxPolicy(fresh)
        found = (
            played(simulator, args.rows, model, spec)
            if args.recorded is None
            else recorded(args.recorded, args.rows, spec)
        )
        parts = list(found)
        if not parts:
            raise SpecError(f"data set {args.recorded} has no episode, expected observations")
        rows = {
            name: np.concatenate([part[name] for part in parts])[: args.rows]
            for name in model.observation
        }
        result = compare(policy, model, rows)
        good = result.pop("equal") and result["different_choices"] == 0
        if good:
            os.replace(fresh, args.output)
            print(f"wrote {args.output}")
        else:
            print(f"{args.output} was not written: it acts otherwise than torch", file=sys.stderr)
    finally:
        fresh.unlink(missing_ok=True)
    numbers = [f"{n}={v:.2g}" if isinstance(v, float) else f"{n}={v}" for n, v in result.items()]
    print("RESULT", *numbers, flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (uerl_shm.UerlError, OSError) as error:
        print(f"export_policy.py: {error}", file=sys.stderr)
        sys.exit(2)  # 1 says that the file acts otherwise
