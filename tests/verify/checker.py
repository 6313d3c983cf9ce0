"""Compares delivered rows with what they must show, and counts what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from support import probe_pattern
from uerl_shm import EnvSpec
from verify.kernel import count_wrong_bytes
from verify.model import ECHOES, RECEIVED, STEP, Outcome, Shown


@dataclass
class Tally:
    """What a campaign has seen.

    Attributes:
        env_steps: Steps of worlds that were delivered and compared.
        bytes: Bytes compared.
        wrong_bytes: Bytes of observation and info arrays that were not as promised.
        lost: Results that were never delivered.
        repeated: Rows that were delivered again instead of the next ones.
        shifted: Rows of the right command with another step's bytes or action.
        wrong_outcomes: Rewards, flags, masks, episodes, seeds and lanes that were wrong.
        changed: Held batches that changed while they were held.
        held: Batches that were held and compared once more.
        timeouts: Times a wait ended with StepTimeout and was repeated.
        superseded: Results that a reset overtook.
        copied: Batches that were copies because no slot was left.
        errors: Configurations that ended with an exception.
    """

    env_steps: int = 0
    bytes: int = 0
    wrong_bytes: int = 0
    lost: int = 0
    repeated: int = 0
    shifted: int = 0
    wrong_outcomes: int = 0
    changed: int = 0
    held: int = 0
    timeouts: int = 0
    superseded: int = 0
    copied: int = 0
    errors: int = 0

    def num_wrong(self) -> int:
        """How much was wrong."""
        rows = self.lost + self.repeated + self.shifted + self.wrong_outcomes
        return self.wrong_bytes + rows + self.changed + self.errors

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        for counter in fields(self):
            value = getattr(self, counter.name) + getattr(other, counter.name)
            setattr(self, counter.name, value)


@dataclass
class _Patterned:
    """An array of one group whose bytes follow the pattern."""

    kind: str  # "observation" or "info"
    name: str
    masks: tuple[int, int]


class _Group:
    def __init__(self, name: str, spec: Any) -> None:
        self.name = name
        self.agents = spec.agents
        arrays = [("observation", key, array) for key, array in spec.observation.items()]
        echoes = {*ECHOES, "action_sum", "lane"}
        arrays += [("info", key, array) for key, array in spec.info.items() if key not in echoes]
        self.single = len(spec.observation) == 1
        self.arrays = [
            _Patterned(kind, key, probe_pattern.masks(array.dtype)) for kind, key, array in arrays
        ]
        names = [f"{name}/{array.kind}/{array.name}" for array in self.arrays]
        # The reward's word comes last.
        self.hashes = np.array(
            [probe_pattern.fnv1a(text) for text in [*names, f"{name}/reward"]], np.uint64
        )[:, None]

    def bases(self, env: np.ndarray, step: np.ndarray, reward_step: np.ndarray) -> np.ndarray:
        """First words, ``(arrays + 1, rows)``: as probe_pattern.base(), for all arrays at once.

        Args:
            env: Of each world.
            step: Likewise, of the arrays.
            reward_step: Likewise, of the last row: the reward.
        """
        steps = np.empty((len(self.hashes), len(env) * self.agents), np.uint64)
        steps[:-1] = self.rows(step)
        steps[-1] = self.rows(reward_step)
        agent = np.tile(np.arange(self.agents, dtype=np.uint64), len(env))
        mix = probe_pattern.mix
        with np.errstate(over="ignore"):
            steps += self.hashes
            return mix(self.rows(env).astype(np.uint64) + mix(agent + mix(steps)))

    def rows(self, per_env: np.ndarray) -> np.ndarray:
        """One entry for each env to one for each row."""
        return per_env if self.agents == 1 else np.repeat(per_env, self.agents, axis=-1)


class Checker:
    """Knows the arrays of a spec of `probe`.

    Args:
        spec: What the simulators describe.
        envs_per_simulator: Worlds of each.
        tally: Where everything is counted.
    """

    def __init__(self, spec: EnvSpec, envs_per_simulator: int, tally: Tally) -> None:
        self._groups = [_Group(group.name, group) for group in spec.groups]
        self._envs_per_simulator = envs_per_simulator
        self.tally = tally

    def _of(self, value: Any, group: _Group) -> Any:
        return value[group.name] if len(self._groups) > 1 else value

    def rows(
        self,
        shown: Shown,
        observation: Any,
        info: Any,
        outcome: tuple[Outcome, Any, Any, Any] | None = None,
    ) -> int:
        """Compare rows with what they must show; return how much was wrong.

        Args:
            shown: Of n envs.
            observation: As the env returned it, ``n * agents`` rows of each array.
            info: Likewise; None: not looked at.
            outcome: What must have come, and the rewards and flags that came.
        """
        before = self.tally.num_wrong()
        step = shown.words[STEP]
        reward_step = step if outcome is None else outcome[0].reward_step
        for number, group in enumerate(self._groups):
            bases = group.bases(shown.env, step, reward_step)
            own_observation = self._of(observation, group)
            if group.single:
                own_observation = {group.arrays[0].name: own_observation}
            if info is not None:
                self._echoes(shown, number, group, self._of(info, group))
            if outcome is not None:
                self._outcome(group, bases[-1], *outcome)
            for array, words in zip(group.arrays, bases, strict=False):
                if array.kind == "info" and info is None:
                    continue
                source = own_observation if array.kind == "observation" else self._of(info, group)
                values = np.asarray(source[array.name])
                self.tally.bytes += values.nbytes
                self.tally.wrong_bytes += count_wrong_bytes(values, words, *array.masks)
        return self.tally.num_wrong() - before

    def _echoes(
        self, shown: Shown, number: int, group: _Group, info: Mapping[str, np.ndarray]
    ) -> None:
        tally = self.tally
        found = np.array([np.asarray(info[name]) for name in ECHOES])
        sums = np.asarray(info["action_sum"])
        wanted, wanted_sums = group.rows(shown.words), shown.sums[number].reshape(-1)
        lanes = group.rows(shown.env) // self._envs_per_simulator
        tally.bytes += found.nbytes + sums.nbytes + 4 * len(lanes)
        wrong_lanes = int(np.count_nonzero(np.asarray(info["lane"]) != lanes))
        wrong = found != wanted
        wrong_sums = sums != wanted_sums
        if not (wrong.any() or wrong_sums.any() or wrong_lanes):
            return
        tally.wrong_bytes += 8 * int(wrong.sum() + wrong_sums.sum()) + 4 * wrong_lanes
        ahead = found[RECEIVED] - wanted[RECEIVED]
        tally.lost += int(ahead[ahead > 0].sum())
        tally.repeated += int((ahead < 0).sum())
        tally.shifted += int(((ahead == 0) & (wrong[STEP] | wrong_sums)).sum())
        tally.wrong_outcomes += wrong_lanes + int(wrong[[1, 2]].sum())

    def _outcome(
        self, group: _Group, words: np.ndarray, outcome: Outcome, reward: Any, terminated: Any,
        truncated: Any,
    ) -> None:  # fmt: skip
        value = (words >> np.uint64(40)).astype(np.float64) / 2**24
        pairs = (
            (reward, np.where(group.rows(outcome.reward_step) >= 0, value, 0.0)),
            (terminated, group.rows(outcome.terminated)),
            (truncated, group.rows(outcome.truncated)),
        )
        for whole, wanted in pairs:
            found = np.asarray(self._of(whole, group))
            if found.shape != wanted.shape:
                self.tally.wrong_outcomes += len(wanted)
            else:
                self.tally.wrong_outcomes += int(np.count_nonzero(found != wanted))

    def flags(self, found: Any, wanted: np.ndarray) -> None:
        """Compare flags of rows with one bool for each env."""
        for group in self._groups:
            if not np.array_equal(self._of(found, group), group.rows(wanted)):
                self.tally.wrong_outcomes += 1

    def masks(self, info: Any, wanted: np.ndarray) -> None:
        """Compare the ``_key`` masks of an info with one bool for each env."""
        for group in self._groups:
            own = self._of(info, group)
            # Many keys share one array.
            told = {"_valid"}  # of every row, whether it was reset or not
            masks = {id(own[key]): own[key] for key in own if key[0] == "_" and key not in told}
            for mask in masks.values():
                if not np.array_equal(mask, group.rows(wanted)):
                    self.tally.wrong_outcomes += 1
            self.tally.wrong_outcomes += int(not own["_valid"].all())
