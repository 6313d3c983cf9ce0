"""Which rows of a batch may be learned from; single rows of nested arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from uerl_shm.errors import SpecError
from uerl_shm.output import Output
from uerl_shm.vec_env import VecEnv

__all__ = ["Here", "arrays_of", "check_env", "is_torch", "row_of"]


class Here:
    """Tells which rows of a step may be learned from: those that were there before and after it.

    A row is not there while no simulator makes it (``info["valid"]``) or its agent is absent
    (``info["mask"]``). The step in which one comes back only resets it, so that is left out too.

    Attributes:
        learnable: Of the last step, bool, shape ``(num_envs,)``; all true after a reset.
    """

    def __init__(self, num_envs: int) -> None:
        self.learnable = np.ones(num_envs, np.bool_)
        self._here = np.ones(num_envs, np.bool_)

    def reset(self, info: dict[str, Any]) -> None:
        """Note who is there, from the info of a reset."""
        self._here = _here(info, len(self._here))
        self.learnable = np.ones(len(self._here), np.bool_)

    def step(
        self, info: dict[str, Any], rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.bool_]:
        """Return which rows of a step may be learned from.

        Args:
            info: Of the step.
            rows: Which ones the step has; None: all.
        """
        picked = np.arange(len(self._here)) if rows is None else rows
        before = self._here[picked]
        here = self._here[picked] = _here(info, len(picked))
        self.learnable[picked] = before & here
        return self.learnable[picked]


def _here(info: dict[str, Any], num_rows: int) -> NDArray[np.bool_]:
    here = np.ones(num_rows, np.bool_)
    for key in ("valid", "mask"):
        if key in info:
            here &= np.asarray(info[key], np.bool_)
    return here


def row_of(batch: Any, row: Any) -> Any:
    """Index an array, or every array of a dict, on its first axis."""
    if isinstance(batch, dict):
        return {key: row_of(value, row) for key, value in batch.items()}
    return batch[row]


def arrays_of(value: Any) -> Any:
    """Return NumPy arrays that may be written to, also in dicts.

    Tensors on the CPU become arrays over the same memory, which stays held; read-only arrays are
    copied.
    """
    if isinstance(value, dict):
        return {key: arrays_of(part) for key, part in value.items()}
    if not isinstance(value, np.ndarray):
        return value.cpu().numpy()
    return value if value.flags.writeable else value.copy()


def is_torch(env: VectorEnv[Any, Any, Any]) -> bool:
    """Tell whether a `VecEnv` was made with ``output="torch"``."""
    return isinstance(env, VecEnv) and type(env._output) is not Output


def check_env(
    env: VectorEnv[Any, Any, Any], mode: AutoresetMode, output: str | None, user: str
) -> None:
    """Refuse an env that an adapter cannot use.

    Args:
        env: What the adapter was given; wrappers around a `VecEnv` are allowed.
        mode: The autoreset mode that it needs.
        output: What its arrays must be: ``"numpy"`` or ``"torch"``; None: either.
        user: Name of the adapter.

    Raises:
        SpecError: Another autoreset mode or output, or several groups of agents.
    """
    found = env.metadata.get("autoreset_mode")
    if found != mode:
        raise SpecError(
            f"env has autoreset_mode {getattr(found, 'value', found)!r}, {user} expected "
            f"{mode.value!r}: make it with autoreset_mode={mode.value!r}"
        )
    inner = env.unwrapped
    has = "torch" if is_torch(inner) else "numpy"
    if output not in (None, has):
        raise SpecError(
            f"env has output {has!r}, {user} expected {output!r}: make it with output={output!r}"
        )
    if isinstance(inner, VecEnv) and len(inner._spec.groups) > 1:
        names = ", ".join(group.name for group in inner._spec.groups)
        raise SpecError(
            f"env has the groups {names}, {user} expected one: "
            "use VecEnv itself, or uerl_shm.integrations.pettingzoo"
        )
