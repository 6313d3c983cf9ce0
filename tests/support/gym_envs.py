"""Small gymnasium envs whose behaviour a test chooses; importable by spawned processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

UNIT_BOX = spaces.Box(-1, 1, (3,))


class Counter(gym.Env):
    """Counts its steps; the reward is the action; an episode ends after `last` steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 7}

    def __init__(self, last: int = 3, render_mode: str | None = None) -> None:
        self.observation_space = spaces.Discrete(1000)
        self.action_space = spaces.Discrete(5)
        self.render_mode = render_mode
        self.last = last
        self.count = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.count = 0 if options is None else options.get("start", 0)
        return self.count, {}

    def step(self, action: int):
        self.count += 1
        return self.count, action, self.count >= self.last, False, {}

    def render(self) -> np.ndarray:
        return np.full((4, 6, 3), self.count, np.uint8)

    def add(self, first: int, second: int = 0) -> int:
        """The count and two numbers."""
        return self.count + first + second

    def pid(self) -> int:
        """Process that the env lives in."""
        return os.getpid()


class Sampler(gym.Env):
    """Observes samples of any space, seeded; refuses actions outside the action space."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(
        self,
        observation_space: gym.Space = UNIT_BOX,
        action_space: gym.Space = UNIT_BOX,
        last: int = 4,
        render_mode: str | None = None,
    ) -> None:
        # A space of its own: envs of one process must not share a generator.
        self.observation_space = deepcopy(observation_space)
        self.action_space = action_space
        self.last = last
        self.render_mode = render_mode
        self.count = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.count = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any):
        if action not in self.action_space:
            raise ValueError(f"action {action!r} is not in {self.action_space}")
        self.count += 1
        return (
            self.observation_space.sample(),
            self.count - 2.75,
            False,
            self.count >= self.last,
            {},
        )

    def render(self) -> np.ndarray:
        return np.full((12, 16, 3), 20 * self.count, np.uint8)


class Reporter(gym.Env):
    """Returns what `report` says as info, at resets (step 0) and steps."""

    def __init__(self, report: Callable[[int], dict[str, Any]], last: int = 3) -> None:
        self.observation_space = spaces.Box(-1, 1, (2,))
        self.action_space = spaces.Box(-1, 1, (1,))
        self.report, self.last, self.count = report, last, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(2, np.float32), self.report(0)

    def step(self, action: np.ndarray):
        self.count += 1
        observation = np.full(2, self.count, np.float32)
        return observation, 1.0, self.count >= self.last, False, self.report(self.count)


class Listener(gym.Env):
    """Tells in its info what exactly it was given."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0, 1, (1,))
        self.action_space = spaces.Box(-1, 1, (2,))

    def reset(self, **given: Any):
        super().reset(seed=given.get("seed"))
        return np.zeros(1, np.float32), {"given": repr(given)}

    def step(self, action: Any):
        self.kept = action  # an env may keep what it is given
        said = f"{type(action).__name__} {getattr(action, 'dtype', '')} {action!r}"
        return np.zeros(1, np.float32), 0.0, False, False, {"given": said}


class Misbehaving(gym.Env):
    """Does what its action says: 0 nothing, else one of the things below. Counts its steps."""

    RAISE, RAISE_UNPICKLABLE, EXIT, ABORT, SLEEP, HANG = range(1, 7)

    def __init__(self, sleep_s: float = 0.4) -> None:
        self.observation_space = spaces.Discrete(1000)
        self.action_space = spaces.Discrete(10)
        self.sleep_s = sleep_s
        self.count = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        options = options or {}
        if options.get("raises") == seed and seed is not None:
            raise KeyError(f"seed {seed} is not wanted")
        time.sleep(options.get("sleep_s", 0.0))
        self.count = 0
        return self.count, {}

    def step(self, action: int):
        self.count += 1
        if action == self.RAISE:
            raise ZeroDivisionError(f"step {self.count} went wrong")
        if action == self.RAISE_UNPICKLABLE:
            raise Unpicklable("first", "second")
        if action == self.EXIT:
            sys.exit(3)
        if action == self.ABORT:
            os.abort()
        if action == self.SLEEP:
            time.sleep(self.sleep_s)
        if action == self.HANG:
            time.sleep(3600)
        return self.count, float(self.count), False, False, {}

    def fail(self) -> None:
        """Raises, for tests of calls."""
        raise LookupError("nothing here")

    def sleep(self, seconds: float) -> float:
        """Takes its time."""
        time.sleep(seconds)
        return seconds

    def pid(self) -> int:
        """Process that the env lives in."""
        return os.getpid()


class Unpicklable(Exception):
    """Takes two arguments and keeps one: pickle cannot make it again."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


class Words(gym.Space):
    """A space that gymnasium does not know."""

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        return "word"

    def contains(self, x: Any) -> bool:
        return isinstance(x, str)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words)


class Speaker(gym.Env):
    """Observes words and acts by words."""

    def __init__(self) -> None:
        self.observation_space = Words()
        self.action_space = Words()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        return "begin", {}

    def step(self, action: str):
        return f"heard {action}", 1.0, action == "end", False, {}
