"""Stable-Baselines3: a `VecEnv` as its VecEnv, and what leaves invalid rows out of learning.

The only module that imports stable_baselines3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv as SB3BaseVecEnv

from uerl_shm.errors import SpecError
from uerl_shm.integrations.rows import Here, arrays_of, check_env, row_of

__all__ = ["LeaveOutInvalid", "SB3VecEnv", "ValidDictReplayBuffer", "ValidReplayBuffer"]

_FINAL = ("final_obs", "final_info")


class SB3VecEnv(SB3BaseVecEnv):  # type: ignore[misc]
    """A `stable_baselines3.common.vec_env.VecEnv` over one of ours.

    Make the env with ``output="torch"``: then observations are arrays over the segment, and
    nothing is copied but by Stable-Baselines3 into its buffers. With NumPy output they are copied
    once before, for views are read-only there, and PyTorch wants arrays that are not.

    ``infos[i]["valid"]`` is False where row i is not to be learned from: give `LeaveOutInvalid` to
    ``learn()`` (PPO, A2C), or `ValidReplayBuffer` as ``replay_buffer_class`` (SAC, TD3, DQN).
    Infos are those of the spec, but for one named ``episode``, where SB3 keeps its statistics.

    Args:
        env: `VecEnv`, `HostedVectorEnv` or a vector wrapper around one, with
            ``autoreset_mode="SameStep"`` and one group of agents. It is closed with this one.

    Attributes:
        env: What was given.

    Raises:
        SpecError: Another autoreset mode, or several groups.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        check_env(env, AutoresetMode.SAME_STEP, None, type(self).__name__)
        self.env = env
        self._here = Here(env.num_envs)
        self._actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Any:
        """Begin an episode in every env, with what `seed` and `set_options` were given last.

        Returns:
            Observations, ``(num_envs, *shape)`` or a dict of them.

        Raises:
            SpecError: `set_options` was given different options for different envs.
        """
        options = self._options[0]
        if any(other != options for other in self._options):
            raise SpecError(
                "options differ between envs, expected the same for all: for parameters give "
                'one dict with one number for each world, {"parameters": {NAME: [...]}}'
            )
        seeds = None if all(seed is None for seed in self._seeds) else self._seeds
        observation, info = map(arrays_of, self.env.reset(seed=seeds, options=options or None))
        self._reset_seeds()
        self._reset_options()
        self._here.reset(info)
        self.reset_infos = _infos(info, self.num_envs)
        return observation

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions for `step_wait`, which sends them."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Make the step.

        Returns:
            ``(observations, rewards, dones, infos)``, a row for each env. Where an episode ended,
            the observation is the next one's first, and the info has ``terminal_observation`` and
            ``TimeLimit.truncated``. Rewards are float32.
        """
        step = map(arrays_of, self.env.step(self._actions))
        observation, reward, terminated, truncated, info = step
        done = terminated | truncated
        infos = _infos(info, self.num_envs)
        learnable = self._here.step(info).tolist()
        cut_off = (truncated & ~terminated).tolist()
        for row, told in enumerate(infos):
            told["valid"] = learnable[row]
            told["TimeLimit.truncated"] = cut_off[row]
        if done.any():
            final_infos = _infos(info.get("final_info", {}), self.num_envs)
            for row in np.flatnonzero(done).tolist():
                infos[row].update(final_infos[row])
                infos[row]["terminal_observation"] = _kept(row_of(info["final_obs"], row))
        return observation, np.asarray(reward, np.float32), done, infos

    def close(self) -> None:
        """Close the env that was given."""
        self.env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return each world's last picture, ``(height, width, 3)``."""
        pictures: Any = self.env.render()
        return [None] * self.num_envs if pictures is None else list(pictures)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute: of each hosted env, or the vector env's own for every row.

        Raises:
            AttributeError: There is none of that name.
        """
        chosen = list(self._get_indices(indices))
        if _is_hosted(self.env) and attr_name != "render_mode":
            values = self.env.get_attr(attr_name)  # type: ignore[attr-defined]
            return [values[row] for row in chosen]
        return [getattr(self.env, attr_name)] * len(chosen)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of every hosted env.

        Raises:
            SpecError: The envs are not hosted, or ``indices`` are not all of them.
        """
        self._expect_hosted(f"set_attr({attr_name!r})", indices)
        self.env.set_attr(attr_name, value)  # type: ignore[attr-defined]

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of every hosted env; return what each returned.

        Raises:
            SpecError: The envs are not hosted, or ``indices`` are not all of them.
        """
        self._expect_hosted(f"env_method({method_name!r})", indices)
        env: Any = self.env
        return list(env.call(method_name, *method_args, **method_kwargs))

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """Return for each row whether a wrapper of this class is around the vector env."""
        layer: Any = self.env
        found = isinstance(layer, wrapper_class)
        while not found and layer is not layer.unwrapped:
            layer = layer.env
            found = isinstance(layer, wrapper_class)
        return [found] * len(list(self._get_indices(indices)))

    def _expect_hosted(self, what: str, indices: Any) -> None:
        if not _is_hosted(self.env):
            raise SpecError(
                f"{what} of a simulator, which has no Python object, expected a HostedVectorEnv: "
                'set parameters at a reset, set_options({"parameters": ...})'
            )
        chosen = list(self._get_indices(indices))
        if chosen != list(range(self.num_envs)):
            raise SpecError(f"{what} for the envs {chosen}, expected all: leave indices out")


def _is_hosted(env: Any) -> bool:
    return hasattr(env, "set_attr") and hasattr(env, "call")


def _infos(info: dict[str, Any], num_envs: int) -> list[dict[str, Any]]:
    """Return one dict for each row of a batch's info."""
    rows: list[dict[str, Any]] = [{} for _ in range(num_envs)]
    for key, values in info.items():
        if key.startswith("_") or key in _FINAL or _is_taken(key, values):
            continue
        there = info.get(f"_{key}")
        told = range(num_envs) if there is None else np.flatnonzero(there).tolist()
        for row in told:
            rows[row][key] = _kept(row_of(values, row))
    return rows


def _is_taken(key: str, values: Any) -> bool:
    """Tell whether SB3 would take an array for the statistics that it keeps under this name."""
    return key == "episode" and not isinstance(values, dict)


def _kept(value: Any) -> Any:
    """Return a row that may be kept for long without keeping its batch."""
    if isinstance(value, dict):
        return {key: _kept(part) for key, part in value.items()}
    return value.copy() if isinstance(value, np.ndarray) else value


class LeaveOutInvalid(BaseCallback):  # type: ignore[misc]
    """For PPO and A2C: rows that are not valid do not take part in the gradient steps.

    ``model.learn(steps, callback=LeaveOutInvalid())``. When a rollout is complete, each row that is
    not valid is written over with a valid one drawn at random, so that batches keep their size.
    Advantages are those of the rollout as it was: an episode that was cut off counts as truncated.
    Not for recurrent policies, which need whole sequences.
    """

    def _on_rollout_start(self) -> None:
        self._valid: list[list[bool]] = []

    def _on_step(self) -> bool:
        self._valid.append([info.get("valid", True) for info in self.locals["infos"]])
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.locals.get("rollout_buffer")
        valid = np.array(self._valid, np.bool_)
        if buffer is None or valid.all() or not valid.any():
            return
        steps, rows = np.nonzero(~valid)
        candidates = np.argwhere(valid)
        picked = candidates[np.random.randint(len(candidates), size=len(steps))]
        for name in _COLUMNS:
            column = getattr(buffer, name)
            for array in column.values() if isinstance(column, dict) else (column,):
                array[steps, rows] = array[picked[:, 0], picked[:, 1]]


# What SB3's rollout buffers hold of each step and row.
_COLUMNS = ("observations", "actions", "values", "log_probs", "advantages", "returns")


class _OnlyValid:
    """Puts a valid row of the same step in the place of each that is not valid."""

    def add(self, obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: Any) -> None:
        """Add a step of every env; nothing where no row is valid."""
        valid = np.flatnonzero([info.get("valid", True) for info in infos])
        if len(valid) == 0:
            return
        if len(valid) < len(infos):
            pick = np.arange(len(infos))
            rest = np.setdiff1d(pick, valid)
            pick[rest] = np.random.choice(valid, len(rest))
            obs, next_obs = row_of(obs, pick), row_of(next_obs, pick)
            action, reward, done = action[pick], reward[pick], done[pick]
            infos = [infos[row] for row in pick]
        super().add(obs, next_obs, action, reward, done, infos)  # type: ignore[misc]


class ValidReplayBuffer(_OnlyValid, ReplayBuffer):  # type: ignore[misc]
    """A replay buffer in which no row is that was not valid; ``replay_buffer_class=`` of SAC."""


class ValidDictReplayBuffer(_OnlyValid, DictReplayBuffer):  # type: ignore[misc]
    """The same for observations of several arrays."""
