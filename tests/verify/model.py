"""What every env must show after each command, from the definition of `probe` alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from support import probe_pattern

STEP, EPISODE, SEED, RECEIVED = range(4)
ECHOES = ("step", "episode", "seed", "received")  # info arrays, in the order above


@dataclass
class Shown:
    """What the rows of n envs must show.

    Attributes:
        env: Numbers of the envs, shape ``(n,)``.
        words: int64 ``(4, n)``: step, episode, seed, received, as the info arrays of that name.
        sums: uint64 ``(groups, n, agents)``: info array ``action_sum``.
    """

    env: np.ndarray
    words: np.ndarray
    sums: np.ndarray


@dataclass
class Outcome:
    """What the last command must have brought to n envs; all shapes ``(n,)``.

    Attributes:
        reward_step: Step of the pattern whose reward it is; -1: the reward is 0.
        terminated: bool.
        truncated: bool.
    """

    reward_step: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class Envs:
    """All envs of a segment. A command's effect is known when it is sent; results only confirm it.

    Attributes:
        done: bool, for each env: its last command ended an episode.
        fresh: bool, for each env: its last command was a reset.

    Args:
        num_envs: Worlds.
        groups: How many.
        agents: Of each group.
        mode: ``"NextStep"``, ``"SameStep"`` or ``"Disabled"``.
        episode_steps: The simulators' option of that name, if it was given.
    """

    def __init__(
        self, num_envs: int, groups: int, agents: int, mode: str, episode_steps: int | None
    ) -> None:
        self._mode = mode
        self._episode_steps = episode_steps
        self._words = np.zeros((4, num_envs), np.int64)
        self._words[[STEP, EPISODE, SEED]] = -1
        self._sums = np.zeros((groups, num_envs, agents), np.uint64)
        self._final_words, self._final_sums = self._words.copy(), self._sums.copy()
        self._age, self._ends_at = np.zeros((2, num_envs), np.int64)  # in steps of this episode
        self._reward_step = np.full(num_envs, -1)
        self._will_terminate, self._will_truncate = np.zeros((2, num_envs), bool)
        self._terminated, self._truncated, self.done, self.fresh = np.zeros((4, num_envs), bool)

    def _begin(self, envs: np.ndarray) -> None:
        self._words[STEP, envs] += 1
        self._words[EPISODE, envs] += 1
        self._sums[:, envs] = 0
        self._age[envs] = 0
        self._draw_end(envs)

    def _draw_end(self, envs: np.ndarray) -> None:
        end = probe_pattern.end(envs, self._words[EPISODE, envs], self._episode_steps)
        self._ends_at[envs] = end.num_steps
        self._will_terminate[envs] = end.terminated
        self._will_truncate[envs] = end.truncated

    def reset(self, envs: np.ndarray, seeds: np.ndarray) -> None:
        """A reset command reaches `envs`; seeds -1: none was given."""
        self._words[RECEIVED, envs] += 1
        self._words[SEED, envs] = np.where(seeds >= 0, seeds, self._words[SEED, envs])
        self._begin(envs)
        self._reward_step[envs] = -1
        for flags in (self.done, self._terminated, self._truncated):
            flags[envs] = False
        self.fresh[envs] = True

    def skip(self, envs: np.ndarray) -> None:
        """A command reaches `envs` that leaves them alone: their rows stay, without an outcome."""
        self._reward_step[envs] = -1
        self._terminated[envs] = self._truncated[envs] = False
        if self._mode == "SameStep":
            self.done[envs] = False

    def reset_again(self, envs: np.ndarray, seeds: np.ndarray, extra: np.ndarray) -> None:
        """The last reset of `envs` had these seeds, and `extra` more than was known came before."""
        for word in (STEP, EPISODE, RECEIVED):
            self._words[word, envs] += extra
        self._words[SEED, envs] = seeds
        self._draw_end(envs)

    def step(self, envs: np.ndarray, sums: np.ndarray) -> None:
        """A step command reaches `envs`; checksums of its actions: ``(groups, n, agents)``."""
        if self._mode == "NextStep" and (again := self.done[envs]).any():
            self.reset(envs[again], np.full(int(again.sum()), -1))
            envs, sums = envs[~again], sums[:, ~again]
        self._words[STEP, envs] += 1
        self._words[RECEIVED, envs] += 1
        self._age[envs] += 1
        self._sums[:, envs] = sums
        self._reward_step[envs] = self._words[STEP, envs]
        done = self._age[envs] >= self._ends_at[envs]
        self.done[envs] = done
        self.fresh[envs] = False
        self._terminated[envs] = done & self._will_terminate[envs]
        self._truncated[envs] = done & self._will_truncate[envs]
        if self._mode == "SameStep" and done.any():
            ended = envs[done]
            self._final_words[:, ended] = self._words[:, ended]
            self._final_sums[:, ended] = self._sums[:, ended]
            self._begin(ended)

    def shown(self, envs: np.ndarray) -> Shown:
        """What the rows of `envs` must show now."""
        return Shown(envs, self._words[:, envs], self._sums[:, envs])

    def finals(self, envs: np.ndarray) -> Shown:
        """What the final rows of `envs` must show (SAME_STEP, where an episode ended)."""
        return Shown(envs, self._final_words[:, envs], self._final_sums[:, envs])

    def outcome(self, envs: np.ndarray) -> Outcome:
        """What the last command must have brought to `envs`."""
        return Outcome(self._reward_step[envs], self._terminated[envs], self._truncated[envs])
