"""TorchRL: a `VecEnv` as a batched EnvBase.

The only module that imports torchrl and tensordict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from tensordict import TensorDict
from torchrl.data import (
    Binary,
    Bounded,
    Categorical,
    Composite,
    MultiCategorical,
    Unbounded,
)
from torchrl.data.utils import numpy_to_torch_dtype_dict
from torchrl.envs import EnvBase

from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import SpecError
from uerl_shm.integrations.rows import Here, check_env
from uerl_shm.spec_checks import whole_range
from uerl_shm.vec_env import VecEnv

__all__ = ["TorchRLEnv"]


class TorchRLEnv(EnvBase):  # type: ignore[misc]
    """A `torchrl.envs.EnvBase` of batch size ``[num_envs]`` over a `VecEnv`.

    A plain observation or action has the key ``"observation"`` or ``"action"``; where a spec has
    several arrays, each has its own name. ``("next", "valid")`` is False where a row is not to be
    learned from. An episode's end costs no step of its own: the env resets in the same step, and
    TorchRL's reset of that row takes what is there.

    Observations are tensors over the segment. Collectors and `rollout` copy them into their
    batch; whatever else holds T of them needs ``slots=T + 3``, or else gets copies.

    Args:
        env: With ``autoreset_mode="SameStep"`` and ``output="torch"``, one group of agents. It is
            closed with this one.

    Attributes:
        env: What was given.

    Raises:
        SpecError: Another autoreset mode or output, several groups, or an array named as one of
            TorchRL's own keys.
    """

    def __init__(self, env: VecEnv) -> None:
        check_env(env, AutoresetMode.SAME_STEP, "torch", type(self).__name__)
        group = env._spec.group
        self.env = env
        self._seed_to_use: int | None = None
        self._here = Here(env.num_envs)
        self._first: Any = None  # observation of rows that reset themselves in the last step
        self._waiting = np.zeros(env.num_envs, np.bool_)  # these rows
        output: Any = env._output
        super().__init__(device=output._target, batch_size=[env.num_envs])
        self._observed = _keys("observation", group.observation)
        self._acted = _keys("action", group.action)
        self._make_specs()

    def _make_specs(self) -> None:
        rows, device = self.env.num_envs, self.device
        flag = {"shape": (rows, 1), "device": device, "dtype": _dtype("bool")}
        self.observation_spec = Composite(
            {key: _spec_of(spec, rows, device) for key, spec in self._observed.items()}
            | {"valid": Categorical(2, **flag)},
            shape=(rows,),
        )
        self.action_spec = Composite(
            {key: _choice_of(spec, rows, device) for key, spec in self._acted.items()},
            shape=(rows,),
        )
        self.reward_spec = Unbounded((rows, 1), device=device, dtype=_dtype("float32"))
        self.full_done_spec = Composite(
            {key: Categorical(2, **flag) for key in ("done", "terminated", "truncated")},
            shape=(rows,),
        )

    def _reset(self, tensordict: Any = None, **options: Any) -> Any:
        wanted = np.ones(self.env.num_envs, np.bool_)
        if tensordict is not None and "_reset" in tensordict.keys():
            wanted = tensordict.get("_reset").cpu().numpy().reshape(-1).astype(np.bool_)
        missing = wanted & ~self._waiting
        if missing.any() or options or self._seed_to_use is not None:
            if not wanted.all():
                options["reset_mask"] = wanted if options else missing
            self._first, info = self.env.reset(seed=self._seed_to_use, options=options or None)
            self._seed_to_use = None
            self._here.reset(info)
        self._waiting &= ~wanted
        return self._batch(self._first, {"valid": self._flags(self._here.learnable)})

    def _step(self, tensordict: Any) -> Any:
        given = {
            key: tensordict.get(key) + spec.start if spec.start else tensordict.get(key)
            for key, spec in self._acted.items()
        }
        action = given if len(given) > 1 else next(iter(given.values()))
        observation, reward, terminated, truncated, info = self.env.step(action)
        done = terminated | truncated
        self._first, self._waiting = observation, done.cpu().numpy().copy()
        if self._waiting.any():
            observation = self._last_of(observation, info["final_obs"], done)
        rest = {"done": done, "terminated": terminated, "truncated": truncated, "reward": reward}
        rest = {key: value.unsqueeze(-1) for key, value in rest.items()}
        return self._batch(observation, {**rest, "valid": self._flags(self._here.step(info))})

    def _flags(self, flags: NDArray[np.bool_]) -> Any:
        """Return flags of every row as a tensor of shape ``(num_envs, 1)``."""
        first = self._first
        like = next(iter(first.values())) if isinstance(first, Mapping) else first
        return like.new_tensor(flags.reshape(-1, 1), dtype=_dtype("bool"))

    def _last_of(self, first: Any, final: Any, done: Any) -> Any:
        """Return the observation that each row's step led to, also at an episode's end."""
        if isinstance(first, Mapping):
            return {key: self._last_of(first[key], final[key], done) for key in first}
        last = first.clone()
        last[done] = final[done]
        return last

    def _batch(self, observation: Any, rest: dict[str, Any]) -> Any:
        named = observation if isinstance(observation, Mapping) else {"observation": observation}
        arrays = {
            key: named[key] - spec.start if spec.kind == "discrete" and spec.start else named[key]
            for key, spec in self._observed.items()
        }
        return TensorDict({**arrays, **rest}, batch_size=self.batch_size, device=self.device)

    def _set_seed(self, seed: int | None) -> None:
        self._seed_to_use = seed

    def close(self, **options: Any) -> None:
        """Close the env that was given."""
        self.env.close()
        super().close(**options)


_OWN_KEYS = ("valid", "reward", "done", "terminated", "truncated", "next", "_reset")


def _keys(plain: str, arrays: Mapping[str, ArraySpec]) -> dict[str, ArraySpec]:
    if len(arrays) == 1:
        return {plain: next(iter(arrays.values()))}
    for name in arrays:
        if name in _OWN_KEYS:
            raise SpecError(
                f"{plain} array {name!r} has the name of a key of TorchRL, expected another: "
                "rename it in the simulator's spec"
            )
    return dict(arrays)


def _dtype(dtype: Any) -> Any:
    return numpy_to_torch_dtype_dict[np.dtype(dtype)]


def _spec_of(spec: ArraySpec, rows: int, device: Any) -> Any:
    """Return the spec of a batch of observations."""
    shape, dtype = (rows, *spec.shape), _dtype(spec.dtype)
    if spec.kind == "discrete":
        assert spec.nvec is not None
        return Categorical(spec.nvec[0], shape=shape, device=device, dtype=dtype)
    low, high = spec.bounds()
    smallest, largest = whole_range(spec.dtype)
    if spec.dtype == np.bool_ or not (np.any(low > smallest) or np.any(high < largest)):
        return Unbounded(shape, device=device, dtype=dtype)
    bounds = {
        name: np.broadcast_to(bound, shape).copy() for name, bound in (("low", low), ("high", high))
    }
    return Bounded(**bounds, shape=shape, device=device, dtype=dtype)


def _choice_of(spec: ArraySpec, rows: int, device: Any) -> Any:
    """Return the spec of a batch of actions; choices count from 0."""
    shape, dtype = (rows, *spec.shape), _dtype(spec.dtype)
    if spec.kind == "multi_discrete" and len(spec.shape) == 1:
        return MultiCategorical(spec.nvec, shape=shape, device=device, dtype=dtype)
    if spec.kind == "multi_binary":
        return Binary(shape=shape, device=device, dtype=dtype)
    return _spec_of(spec, rows, device)
