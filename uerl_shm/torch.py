"""Batches as torch tensors; pictures on their way into a network; policies as ONNX files.

The only module that imports torch.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import SpecError
from uerl_shm.output import Output
from uerl_shm.spec import GroupSpec
from uerl_shm.transfer import Backend, Fence, Pinned, Transfer, goes

__all__ = ["export_onnx", "grayscale", "normalize", "resize"]


class TorchOutput(Output):
    """Batches as tensors over the same memory, or as copies on a GPU."""

    def __init__(
        self, device: Any = None, pin_memory: bool | None = None, fixed_tensors: bool = False
    ) -> None:
        target = torch.device("cpu" if device is None else device)
        on_gpu = target.type == "cuda"
        if on_gpu and not torch.cuda.is_available():
            raise SpecError(f"device {device!r} without CUDA, expected 'cpu': see torch.cuda")
        if fixed_tensors and target.type == "cpu":
            raise SpecError("fixed_tensors on the CPU, expected a GPU: name a device")
        super().__init__()
        self._target = target
        self._pins = on_gpu if pin_memory is None else pin_memory
        self._backend: Backend | None = Cuda(target) if on_gpu or self._pins else None
        self._fence = None if self._backend is None else Fence(self._backend)
        self._transfer: Transfer | None = None
        self.batch = self._tensors
        if on_gpu and self._backend is not None:
            self._transfer = Transfer(self._backend, fixed_tensors)
            self.batch, self.to_host = self._transfer.batch, self._transfer.actions

    def attach(self, core: Any) -> None:
        """Page-lock the segment, where that was asked for and is possible."""
        if self._pins and self._backend is not None and self._fence is not None:
            self.memory = Pinned(core, self._backend, self._fence)
            if self.memory.refusal is not None:
                warnings.warn(
                    f"segment is not page-locked ({self.memory.refusal}), expected CUDA and "
                    f"{core.segment_bytes} bytes that may be locked (ulimit -l): copies to a GPU "
                    "are slower, and wait; pin_memory=False asks for that",
                    RuntimeWarning,
                    stacklevel=3,
                )

    def record_stream(self, stream: Any) -> None:
        """Let batches that are dropped from now on wait for this stream, too."""
        if self._fence is not None:
            self._fence.add(stream)

    def array(self, array: Any) -> Any:
        """Return a tensor over the same memory."""
        return torch.from_numpy(array)

    def moved(self, parts: Any) -> Any:
        """Return arrays of a rollout on the device."""
        return parts if self._transfer is None else self._transfer.all(parts)

    def _tensors(self, parts: Any) -> Any:
        return tuple(_tree(part, self._target) for part in parts)


def _tree(value: Any, target: Any) -> Any:
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(value)
        return tensor if target.type == "cpu" else tensor.to(target)
    return {key: _tree(item, target) if goes(key) else item for key, item in value.items()}


class Cuda:
    """CUDA as `uerl_shm.transfer` needs it."""

    def __init__(self, device: Any) -> None:
        self._device = device if device.type == "cuda" else torch.device("cuda")
        self._buffers: dict[Any, Any] = {}

    def pin(self, address: int, num_bytes: int) -> str | None:
        if not torch.cuda.is_available():
            return "CUDA is not available"
        torch.cuda.init()
        runtime = torch.cuda.cudart()
        error = runtime.cudaHostRegister(address, num_bytes, 0)
        if int(error) == 0:
            return None
        with contextlib.suppress(RuntimeError):  # takes the error from whoever launches next
            torch.zeros(1, device=self._device)
        return f"cudaHostRegister: {runtime.cudaGetErrorString(error)}"

    def unpin(self, address: int) -> None:
        torch.cuda.cudart().cudaHostUnregister(address)

    def new_stream(self) -> Any:
        return torch.cuda.Stream(self._device)

    def current_stream(self) -> Any:
        return torch.cuda.current_stream(self._device)

    def using(self, stream: Any) -> Any:
        return torch.cuda.stream(stream)

    def record(self, stream: Any) -> Any:
        return stream.record_event()

    def wait(self, stream: Any, event: Any) -> None:
        stream.wait_event(event)

    def is_capturing(self) -> bool:
        return bool(torch.cuda.is_current_stream_capturing())

    def to_device(self, array: Any) -> Any:
        return _tensor(array).to(self._device, non_blocking=True)

    def copy_into(self, tensor: Any, array: Any) -> None:
        tensor.copy_(_tensor(array), non_blocking=True)

    def used_by(self, tensor: Any, stream: Any) -> None:
        tensor.record_stream(stream)

    def to_host(self, tensor: Any) -> Any:
        tensor = tensor.detach()
        key = (tensor.shape, tensor.dtype)
        if key not in self._buffers:
            self._buffers[key] = torch.empty(key[0], dtype=key[1], pin_memory=True)
        buffer = self._buffers[key]
        buffer.copy_(tensor, non_blocking=True)
        self.record(self.current_stream()).synchronize()
        return buffer.numpy()

    def is_here(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor) and value.is_cuda


def _tensor(array: Any) -> Any:
    return torch.from_numpy(array) if isinstance(array, np.ndarray) else array


def normalize(frames: Any, mean: Any = 0.0, std: Any = 1.0) -> Any:
    """Return pictures as a convolution wants them, made where they are.

    Args:
        frames: uint8, shape ``(..., height, width, channels)``, on any device: uint8 crosses the
            bus in a quarter of the time of float32.
        mean: A number, or one for each channel, in units of 0 to 1.
        std: Likewise.

    Returns:
        float32, shape ``(..., channels, height, width)``: ``(frames / 255 - mean) / std``.
    """
    dims = (*range(frames.dim() - 3), -1, -3, -2)
    values = frames.permute(dims).to(torch.float32, copy=True)
    one = torch.as_tensor(std, dtype=torch.float32, device=frames.device)
    shift = torch.as_tensor(mean, dtype=torch.float32, device=frames.device)
    if one.dim() == 1:
        one = one[:, None, None]
    if shift.dim() == 1:
        shift = shift[:, None, None]
    return values.div_(255).sub_(shift).div_(one)


def grayscale(frames: Any) -> Any:
    """Return the luma of pictures, rounded down, as Gymnasium's GrayscaleObservation does.

    Args:
        frames: uint8, shape ``(..., height, width, 3)``.

    Returns:
        uint8, shape ``(..., height, width, 1)``.
    """
    weights = torch.tensor([0.2125, 0.7154, 0.0721], dtype=torch.float64, device=frames.device)
    return (frames.to(torch.float64) * weights).sum(-1, keepdim=True).to(torch.uint8)


def resize(frames: Any, height: int, width: int) -> Any:
    """Return pictures of another size; each pixel is the mean of those that it covers.

    Args:
        frames: uint8, shape ``(..., h, w, channels)``.
        height: In pixels.
        width: In pixels.

    Returns:
        uint8, shape ``(..., height, width, channels)``.
    """
    shape = frames.shape
    flat = frames.reshape(-1, *shape[-3:]).permute(0, 3, 1, 2).to(torch.float32)
    sized = torch.nn.functional.interpolate(flat, (height, width), mode="area")
    sized = sized.round_().to(torch.uint8).permute(0, 2, 3, 1)
    return sized.reshape(*shape[:-3], height, width, shape[-1]).contiguous()


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
            many = len(arrays) > 1
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
