"""T consecutive steps of every env as [T, rows, ...] arrays that nobody stacked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uerl_shm.errors import SpecError

if TYPE_CHECKING:
    from uerl_shm.vec_env import VecEnv


_ARRAYS = ("observation", "action", "reward", "terminated", "truncated", "valid")


class Rollout:
    """What ``VecEnv.rollout(T)`` records while it is open; step the env as usual inside it.

    With ``slots >= 2 * T + 2`` the observations and actions are the segment itself: nothing is
    stacked or copied. With fewer slots they are recorded in arrays of their own (counted in
    ``stats()["copied_batches"]``). Either way they stay as they are for as long as one of them, or
    this object, is referenced. Where a spec has several groups, each attribute is a dict by group.
    With a GPU as ``device`` the arrays are moved there at the end of the ``with`` block, each in
    one copy.

    Attributes:
        observation: Shape ``(T, rows, *spec.shape)``, or a dict of them: what step t acted on.
        action: Shape ``(T, rows, *spec.shape)``, or a dict of them.
        reward: Shape ``(T, rows)``, float32: what step t brought.
        terminated: Shape ``(T, rows)``, bool.
        truncated: Shape ``(T, rows)``, bool.
        valid: Shape ``(T, rows)``, bool. False where step t only reset the env (NEXT_STEP: its
            action was ignored, its reward is 0): leave these rows out of losses and returns.
        in_segment: Whether observation and action are views of the segment.
    """

    def __init__(self, env: VecEnv, num_steps: int) -> None:
        if num_steps < 1:
            raise SpecError(f"rollout of {num_steps} steps, expected at least 1")
        self._env = env
        self.num_steps = num_steps

    def __enter__(self) -> Rollout:
        env = self._env
        env._core.begin_rollout(self.num_steps)
        arrays = env._core.rollout_arrays()
        groups = env._spec.groups
        convert = env._output.array
        self.in_segment: bool = arrays["in_segment"]
        self.observation = _by_group(groups, "observation", arrays["observation"], convert)
        self.action = _by_group(groups, "action", arrays["action"], convert)
        for key in ("reward", "terminated", "truncated", "valid"):
            named = {
                group.name: convert(array) for group, array in zip(groups, arrays[key], strict=True)
            }
            setattr(self, key, named if len(groups) > 1 else named[groups[0].name])
        return self

    def __exit__(self, *exception: object) -> None:
        self.num_steps = self._env._core.rollout_done()
        self._env._core.end_rollout()
        arrays = {key: getattr(self, key) for key in _ARRAYS}
        for key, moved in self._env._output.moved(arrays).items():
            setattr(self, key, moved)

    @property
    def next_observation(self) -> Any:
        """Observation after the last step, ``(rows, *spec.shape)``: what to bootstrap from."""
        return self._env._current()[0]

    reward: Any
    terminated: Any
    truncated: Any
    valid: Any


def _by_group(groups: Any, kind: str, arrays: list[Any], convert: Any) -> Any:
    """Put the arrays, listed group by group, into the shape in which the env hands them out."""
    left = iter(arrays)
    named: dict[str, Any] = {}
    for group in groups:
        keys = list(getattr(group, kind))
        own = {key: convert(next(left)) for key in keys}
        named[group.name] = own if len(keys) > 1 else own[keys[0]]
    return named if len(groups) > 1 else named[groups[0].name]
