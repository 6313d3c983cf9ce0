"""Policies that `uerl_shm.torch.export_onnx` wrote, run without torch.

The only module that imports onnxruntime.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import SpecError

__all__ = ["OnnxPolicy"]

VERSION = 1  # of the metadata
_QUIET = 4  # of onnxruntime: only what is fatal goes to standard error; the rest is raised

#: Name to array ``[rows, *shape]``.
Arrays = Mapping[str, NDArray[Any]]


class OnnxPolicy:
    """A policy of an ONNX file, as Unreal's plugin runs it: deterministic, on the CPU.

    Any thread may call it, several at once. It takes one core for each call.

    Args:
        path: Of the file.

    Attributes:
        observation: Name to spec of the arrays that it wants, in the order of its inputs.
        action: Name to spec of the arrays that it gives.
        spec: What it was trained for, as `EnvSpec.to_json` has it, if the file says so.

    Raises:
        SpecError: The file is no ONNX file, or not one of `export_onnx`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        content = Path(path).read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # it is small; whoever has many rows has many calls
        options.log_severity_level = _QUIET
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            said = self._session.get_modelmeta().custom_metadata_map
            about = json.loads(said.get("uerl_shm", "{}"))
            if about.get("version") != VERSION:
                raise ValueError(f"metadata uerl_shm of version {about.get('version')}")
            self._actions: list[dict[str, Any]] = about["action"]
            self._scales = {each["name"]: each["scale"] for each in about["observation"]}
            self.observation = {each["name"]: _spec_of(each) for each in about["observation"]}
            self.action = {each["name"]: _spec_of(each) for each in self._actions}
            self.spec: dict[str, Any] | None = json.loads(said.get("uerl_shm_spec", "null"))
            self.act({name: _zeros(spec) for name, spec in self.observation.items()})
        # onnxruntime's errors have no other base; a file may lack anything.
        except Exception as error:
            text = " ".join(str(error).split())[:200]
            raise SpecError(
                f"{os.fspath(path)} ({type(error).__name__}: {text}), expected an ONNX file that "
                "`uerl-shm export` or uerl_shm.torch.export_onnx wrote"
            ) from None

    def numbers(self, observation: Arrays) -> NDArray[np.float32]:
        """Return what the network gives, before bounds and choices.

        Args:
            observation: Name to array, of dtype and rows times shape as `observation` has it.

        Returns:
            float32, shape ``(rows, n)``.
        """
        feeds = {
            f"observation/{name}": array.astype(np.float32) * np.float32(self._scales[name])
            for name, array in observation.items()
        }
        num_rows = len(next(iter(feeds.values())))
        # The file is for one row, as engines run it.
        given = [
            self._session.run(
                ["action"], {name: feed[row : row + 1] for name, feed in feeds.items()}
            )
            for row in range(num_rows)
        ]
        return np.concatenate([numbers for (numbers,) in given])

    def actions(self, numbers: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return actions for what the network gives.

        Args:
            numbers: float32, shape ``(rows, n)``.

        Returns:
            Name to array ``[rows, *shape]``, of the dtype of the spec.
        """
        made, first = {}, 0
        for about in self._actions:
            spec = self.action[about["name"]]
            width = sum(about["nvec"]) if spec.nvec is not None else int(np.prod(spec.shape))
            made[about["name"]] = _action(about, spec, numbers[:, first : first + width])
            first += width
        return made

    def act(self, observation: Arrays) -> dict[str, NDArray[Any]]:
        """Return actions for observations; see `numbers` and `actions`."""
        return self.actions(self.numbers(observation))


def _zeros(spec: ArraySpec) -> NDArray[Any]:
    return np.zeros((1, *spec.shape), spec.dtype)


def _spec_of(about: dict[str, Any]) -> ArraySpec:
    shape, dtype = tuple(about["shape"]), about["dtype"]
    if "nvec" not in about:
        return ArraySpec(shape, dtype, about.get("low"), about.get("high"))
    counts = np.reshape(about["nvec"], shape or (1,))
    return ArraySpec(shape, dtype, kind="multi_discrete" if shape else "discrete", nvec=counts)


def _action(about: dict[str, Any], spec: ArraySpec, numbers: NDArray[np.float32]) -> NDArray[Any]:
    num_rows = len(numbers)
    if about["transform"] == "argmax":
        ends = np.cumsum(about["nvec"])[:-1]
        chosen = [logits.argmax(1) for logits in np.split(numbers, ends, axis=1)]
        return np.stack(chosen, 1).reshape(num_rows, *spec.shape).astype(spec.dtype)
    values: NDArray[Any] = numbers.reshape(num_rows, *spec.shape)
    if "low" in about:
        low, high = about["low"], about["high"]
        if about["transform"] == "unit":
            half = np.float64((high - low) / 2)
            values = np.float64(low) + (values.clip(-1.0, 1.0) + 1.0) * half
        else:
            values = values.clip(low, high)
    return (values if spec.dtype.kind == "f" else np.rint(values)).astype(spec.dtype)
