"""Batches that are held for a while: none of their bytes may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.checker import Checker
from verify.model import Shown


def chosen_rows(tree: Any, rows: slice | np.ndarray) -> Any:
    """The same rows (a mask: copies; a slice: views) of every array of a dict of dicts."""
    if isinstance(tree, dict):
        return {key: chosen_rows(value, rows) for key, value in tree.items()}
    return tree[rows] if isinstance(rows, slice) else np.asarray(tree)[rows]


@dataclass
class _Held:
    shown: Shown
    observation: Any
    info: Any
    rows: np.ndarray | None  # mask of the rows that count; None: all


class Holdings:
    """Holds some of the batches that it is offered, whole or as slices, and compares them later.

    Args:
        checker: What compares.
        rng: What decides.
        agents: Rows of each world in a group.
        max_held: How many batches are held at most; more than the slots allow makes copies.
    """

    def __init__(
        self, checker: Checker, rng: np.random.Generator, agents: int, max_held: int
    ) -> None:
        self._checker, self._rng = checker, rng
        self._agents, self._max_held = agents, max_held
        self._held: list[_Held] = []

    def offer(
        self, shown: Shown, observation: Any, info: Any, rows: np.ndarray | None = None
    ) -> None:
        """Perhaps hold a batch, perhaps let another one go.

        Args:
            shown: What its rows show now, and must show until it is let go.
            observation: Arrays of the env, or tensors.
            info: Likewise, or None.
            rows: Mask of the rows that count; None: all.
        """
        if self._max_held == 0:
            return
        if self._held and self._rng.random() < 0.1:
            self._let_go(int(self._rng.integers(len(self._held))))
        if self._rng.random() > 0.15:
            return
        if rows is None and self._rng.random() < 0.5:
            shown, observation, info = self._sliced(shown, observation, info)
        self._held.append(_Held(shown, observation, info, rows))
        if len(self._held) > self._max_held:
            self._let_go(int(self._rng.integers(len(self._held))))

    def _sliced(self, shown: Shown, observation: Any, info: Any) -> tuple[Shown, Any, Any]:
        """A view of a few neighbours: it must hold the whole batch's memory."""
        first, last = sorted(self._rng.integers(0, len(shown.env), 2).tolist())
        envs = slice(first, last + 1)
        rows = slice(first * self._agents, (last + 1) * self._agents)
        part = Shown(shown.env[envs], shown.words[:, envs], shown.sums[:, envs])
        arrays = chosen_rows(observation, rows)
        return part, arrays, None if info is None else chosen_rows(info, rows)

    def _let_go(self, index: int) -> None:
        held = self._held.pop(index)
        observation, info = held.observation, held.info
        if held.rows is not None:
            observation = chosen_rows(observation, held.rows)
            info = chosen_rows(info, held.rows)
        tally = self._checker.tally
        tally.held += 1
        tally.changed += self._checker.rows(held.shown, observation, info) > 0

    def let_all_go(self) -> None:
        """Compare everything that is still held."""
        while self._held:
            self._let_go(0)
