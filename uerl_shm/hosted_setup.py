"""What a HostedVectorEnv is told and what its envs say: checked, and made into batched spaces.

The texts of errors are those of gymnasium's AsyncVectorEnv, which people look for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.error import CustomSpaceError
from gymnasium.spaces.utils import is_space_dtype_shape_equiv
from gymnasium.vector.utils import batch_differing_spaces, batch_space, create_shared_memory

from uerl_shm.hosted_process import Hello, check_flat

_MOST_SEED = 2**63 - 1  # of the segment's int64


class Spaces:
    """The spaces of one env and of the batch.

    Args:
        owner: Name of the class, for error texts.
        hellos: What each env is.
        mode: As ``observation_mode`` of `HostedVectorEnv`.

    Raises:
        RuntimeError: The envs' spaces differ. TypeError, ValueError: ``mode`` is wrong.
    """

    def __init__(self, owner: str, hellos: Sequence[Hello], mode: Any) -> None:
        own = [hello.observation_space for hello in hellos]
        self.single_action = hellos[0].action_space
        self.action = batch_space(self.single_action, len(hellos))
        self.single_observation: Space[Any]
        self.observation: Space[Any]
        if isinstance(mode, tuple) and len(mode) == 2:
            if not all(isinstance(space, Space) for space in mode):
                raise TypeError(
                    "Expected both elements of observation_mode to be Spaces, got "
                    f"{type(mode[0])} and {type(mode[1])}"
                )
            self.observation, self.single_observation = mode
        elif mode == "same":
            self.single_observation = own[0]
            self.observation = batch_space(own[0], len(hellos))
        elif mode == "different":
            self.single_observation, self.observation = own[0], batch_differing_spaces(own)
        else:
            raise ValueError(
                "Invalid `observation_mode`, expected: 'same' or 'different' or tuple of single "
                f"and batch observation space, actual got {mode}"
            )
        self._check(owner, hellos, mode)

    def _check(self, owner: str, hellos: Sequence[Hello], mode: Any) -> None:
        single = self.single_observation
        for hello in hellos:
            if mode == "same":
                if hello.observation_space != single:
                    raise RuntimeError(
                        f"{owner}(..., observation_mode='same') however some of the "
                        "sub-environments observation spaces are not equivalent. If this is "
                        "intentional, use `observation_mode='different'` instead."
                    )
            elif not is_space_dtype_shape_equiv(single, hello.observation_space):
                raise RuntimeError(
                    f"{owner}(..., observation_mode='different' or custom space) however the "
                    "sub-environment's observation spaces do not share a common shape and dtype."
                )
            if hello.action_space != self.single_action:
                raise RuntimeError(
                    "Some environments have an action space different from "
                    f"`{self.single_action}`. In order to batch actions, the action spaces from "
                    "all environments must be equal."
                )

    def check_memory(self, context: Any) -> None:
        """Raise gymnasium's own error where its shared memory could not hold an observation."""
        if check_flat(self.single_observation, "observation") is not None:
            return
        try:
            create_shared_memory(self.single_observation, n=1, ctx=context)
        except CustomSpaceError as error:
            raise ValueError(
                "Using `AsyncVector(..., shared_memory=True)` caused an error, you can disable "
                "this feature with `shared_memory=False` however this is slower."
            ) from error


def checked_concurrency(value: Any) -> int | None:
    """Return the number of envs that may step at once, or None."""
    if value is None:
        return None
    if not isinstance(value, (int, np.integer)):
        raise ValueError(f"`max_concurrency` must be an integer or None, got {type(value)}.")
    if value < 1:
        raise ValueError(f"`max_concurrency` must be a positive or None, got {value}.")
    return int(value)


def seeds_of(seed: Any, num_envs: int) -> tuple[list[Any], np.ndarray]:
    """Return the seed of each env, as its ``reset`` gets it, and as the segment holds it."""
    if seed is None:
        seeds: list[Any] = [None] * num_envs
    elif isinstance(seed, (int, np.integer)):
        seeds = [int(seed) + index for index in range(num_envs)]
    else:
        seeds = list(seed)
    if len(seeds) != num_envs:
        raise ValueError(
            "If seeds are passed as a list the length must match "
            f"num_envs={num_envs} but got length={len(seeds)}."
        )
    return seeds, np.array([_held(seed) for seed in seeds], np.int64)


def _held(seed: Any) -> int:
    fits = isinstance(seed, (int, np.integer)) and 0 <= seed <= _MOST_SEED
    return int(seed) if fits else -1
