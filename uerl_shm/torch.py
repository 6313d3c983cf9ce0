"""Batches as torch tensors over the same memory; policies as ONNX files.

The only module that imports torch.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import SpecError
from uerl_shm.spec import GroupSpec

__all__ = ["converters", "export_onnx"]


def converters(device: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return what turns one NumPy array, and one batch of them, into tensors.

    The tensors share the arrays' memory, and so keep their slots held. On another device than the
    CPU they are copies made at once.

    Args:
        device: As of ``torch.device``; None: the CPU.
    """
    from_numpy = torch.from_numpy
    target = torch.device("cpu" if device is None else device)

    def tensor(array: Any) -> Any:
        return from_numpy(array)

    def moved(array: Any) -> Any:
        return from_numpy(array).to(target)

    convert = tensor if target.type == "cpu" else moved

    def tree(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return convert(value)
        return {key: item if _stays(key) else tree(item) for key, item in value.items()}

    def batch(parts: Any) -> tuple[Any, ...]:
        return tuple(tree(part) for part in parts)

    return convert, batch


def _stays(key: str) -> bool:
    """Whether an info stays a NumPy array: Gymnasium's wrappers and people index with masks."""
    return key.startswith("_") or key in ("valid", "lost")


def export_onnx(
    policy: Any,
    group: GroupSpec,
    path: str | os.PathLike[str],
    *,
    scale: Mapping[str, float] = MappingProxyType({}),
    unit_actions: bool = True,
    engine: Mapping[str, Any] | None = None,
) -> None:
    """Write a policy as an ONNX file that Unreal's plugin runs without a learner.

    The network has an input ``observation/NAME`` of float32, shape ``(1, *spec.shape)``, for each
    observation, and one output ``action`` of float32, shape ``(1, n)``: for each action in turn
    what the policy gives for it. What is done before and after stands in the file's metadata, as
    JSON under ``uerl_shm``; docs/howto/deploy_policy.md has its keys.

    Args:
        policy: A ``torch.nn.Module``, such as `Policy` of examples/policy.py. Called with a batch
            of one row as `VecEnv` gives it, but of float32 (a tensor, or a dict of them), it
            returns ``(1, n)`` numbers, or a tuple that begins with them: for each action in the
            order of ``group.action`` its values for a box, else a logit for each choice.
        group: The arrays that the policy was trained for.
        path: Of the file.
        scale: Numbers by which observations are multiplied first, by name: those by which the
            training loop did it, such as ``{"camera": 1 / 255}``. Leave out what the policy does.
        unit_actions: Whether -1 and 1 stand for the bounds of a box that has some, as in
            examples/policy.py. Otherwise its values are the array's, and clipped to the bounds.
        engine: What `VecEnv` was given as ``engine``; its ``"inference"`` set is written, and
            applied where the file is run.

    Raises:
        ImportError: onnx or onnxscript is not installed.
        SpecError: An array has another dtype, or a policy another number of outputs.
    """
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise ImportError(
                f"package {package} is not installed, expected by torch.onnx: "
                'pip install "uerl_shm[onnx]"'
            )
    names = list(group.observation)
    metadata: dict[str, Any] = {
        "version": 1,
        "observation": [_observed(name, group.observation[name], scale) for name in names],
        "action": [_acted(name, spec, unit_actions) for name, spec in group.action.items()],
    }
    if engine is not None and "inference" in engine:
        metadata["engine"] = {"inference": engine["inference"]}

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.policy = policy

        def forward(self, *arrays: Any) -> Any:
            many = len(arrays) > 1 or names != ["observation"]
            numbers = self.policy(dict(zip(names, arrays, strict=True)) if many else arrays[0])
            return numbers[0] if isinstance(numbers, tuple) else numbers

    rows = tuple(torch.zeros((1, *group.observation[name].shape)) for name in names)
    was_training = policy.training
    network = Network().eval()
    try:
        _check_outputs(network(*rows), metadata["action"])
        model = _exported(network, rows, names)
    finally:
        policy.train(was_training)
    model.metadata_props.add(key="uerl_shm", value=json.dumps(metadata))
    Path(path).write_bytes(model.SerializeToString())


def _exported(network: Any, rows: tuple[Any, ...], names: list[str]) -> Any:
    """Return an onnx.ModelProto that engines since 5.3 can read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch tells of its own deprecations
        program = torch.onnx.export(
            network,
            rows,
            input_names=[f"observation/{name}" for name in names],
            output_names=["action"],
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    model.ir_version = 8  # the runtime of engine 5.3 knows no later one
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, model.graph):
        part.ClearField("metadata_props")  # of a later version, and paths of this machine
    model.graph.ClearField("value_info")
    model.ClearField("metadata_props")
    return model


def _described(name: str, spec: ArraySpec) -> dict[str, Any]:
    if spec.dtype.name not in ("float32", "uint8", "int64", "bool") or np.any(spec.start):
        raise SpecError(
            f"array {name!r} is {spec.dtype} starting at {spec.start}, expected float32, uint8, "
            "int64 or bool, and choices that start at 0, as Unreal's plugin has them"
        )
    return {"name": name, "dtype": spec.dtype.name, "shape": list(spec.shape)}


def _observed(name: str, spec: ArraySpec, scale: Mapping[str, float]) -> dict[str, Any]:
    described = _described(name, spec)
    if spec.nvec is not None:
        described["nvec"] = np.ravel(spec.nvec).tolist()
    return {**described, "scale": float(scale.get(name, 1.0))}


def _acted(name: str, spec: ArraySpec, unit_actions: bool) -> dict[str, Any]:
    described = _described(name, spec)
    if spec.nvec is not None:
        return {**described, "transform": "argmax", "nvec": np.ravel(spec.nvec).tolist()}
    low, high = (np.unique(bound) for bound in spec.bounds())
    if len(low) != 1 or len(high) != 1:
        raise SpecError(
            f"action {name!r} has other bounds for each entry, expected one low and one high, as "
            "Unreal's plugin has them"
        )
    if not np.isfinite([*low, *high]).all():
        return {**described, "transform": "clip"}
    transform = "unit" if unit_actions else "clip"
    return {**described, "transform": transform, "low": float(low[0]), "high": float(high[0])}


def _check_outputs(numbers: Any, actions: list[dict[str, Any]]) -> None:
    """Raise SpecError if a policy has another number of outputs than its actions need."""
    counts = [sum(action.get("nvec", ())) or math.prod(action["shape"]) for action in actions]
    if tuple(numbers.shape) != (1, sum(counts)):
        raise SpecError(
            f"policy gives {tuple(numbers.shape)} for one row, expected {(1, sum(counts))}: a "
            "value for each entry of a box, a logit for each choice"
        )
