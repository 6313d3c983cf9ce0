"""Every way to make a vector env from functions, and what it means that two are the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from uerl_shm import HostedVectorEnv

#: The first two are gymnasium's.
MAKERS: dict[str, Callable[..., VectorEnv]] = {
    "sync": SyncVectorEnv,
    "async": AsyncVectorEnv,
    "hosted": HostedVectorEnv,
    "hosted_pickled": partial(HostedVectorEnv, shared_memory=False),
}
OURS = [name for name in MAKERS if name.startswith("hosted")]
MODES = [mode.value for mode in AutoresetMode]

Make = Callable[..., Any]


def assert_same(ours: Any, theirs: Any) -> None:
    """Values, types, dtypes and shapes are equal, however deep."""
    assert data_equivalence(ours, theirs, exact=True), (ours, theirs)


def assert_same_run(ours: VectorEnv, theirs: VectorEnv, num_steps: int, seed: int = 0) -> None:
    """Resets and steps both, with the same seed and actions; resets ended envs where need be."""
    disabled = ours.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert_same(ours.reset(seed=seed), theirs.reset(seed=seed))
    theirs.action_space.seed(seed)
    for _ in range(num_steps):
        actions = theirs.action_space.sample()
        step = ours.step(actions)
        assert_same(step, theirs.step(actions))
        done = step[2] | step[3]
        if disabled and done.any():
            resets = [envs.reset(options={"reset_mask": done.copy()}) for envs in (ours, theirs)]
            assert_same(*resets)


@contextmanager
def logged() -> Iterator[list[str]]:
    """What gymnasium's logger says meanwhile: it speaks by warnings, which are errors here."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield said
        finally:
            said += [str(warning.message) for warning in caught]
