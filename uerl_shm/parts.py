"""Parts of an env's rows that are stepped in turn: the policy runs on one while others step."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from uerl_shm.errors import SegmentCorrupt, SimulatorLost, SpecError, StepTimeout
from uerl_shm.options import checked_count, checked_seconds

if TYPE_CHECKING:
    from uerl_shm.vec_env import VecEnv


class EnvPart:
    """Neighbouring rows of a `VecEnv`, stepped on their own.

    Its batches are views as those of the whole env: simulators are never divided, and a part's rows
    stand side by side in one slot. Each part holds a batch of its own, so ``slots`` of the env
    are at least 4 where the caller keeps one batch of each part.

    Attributes:
        num_envs: Rows (worlds, where the spec has several groups).
        rows: Slice of the env's rows that these are.
    """

    def __init__(self, env: VecEnv, first_lane: int, num_lanes: int) -> None:
        self._env, self._lanes = env, (first_lane, num_lanes)
        per_lane = env.num_envs // env._rows.num_lanes
        self.num_envs = per_lane * num_lanes
        self.rows = slice(per_lane * first_lane, per_lane * (first_lane + num_lanes))

    def send(self, actions: Any) -> None:
        """Send this part's actions without waiting.

        Args:
            actions: As of `VecEnv.step`, one row for each of this part's.
        """
        env = self._env
        if env._to_host is not None:
            actions = env._to_host(actions)
        env._core.send_part(actions, *self._lanes)

    def recv(self, timeout_s: float | None = None) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Receive the step of this part, whatever the others do.

        Returns:
            As `VecEnv.step`, of this part's rows.

        Raises:
            StepTimeout, SimulatorLost: As of `VecEnv.recv`. SpecError: Nothing was sent.
        """
        env = self._env
        wait_s = env._timeout_s if timeout_s is None else checked_seconds("timeout_s", timeout_s)
        try:
            batch = env._core.recv_part(*self._lanes, wait_s)
        except (StepTimeout, SimulatorLost, SegmentCorrupt) as error:
            raise env._simulators.explained(error) from None
        return env._batch(batch)  # type: ignore[no-any-return]

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Send, and receive."""
        self.send(actions)
        return self.recv()


def split(env: VecEnv, num_parts: int) -> list[EnvPart]:
    """Return parts of whole simulators, as even as possible.

    Raises:
        SpecError: More parts than simulators.
    """
    lanes = env._rows.num_lanes
    if not 1 <= checked_count("num_parts", num_parts) <= lanes:
        raise SpecError(
            f"{num_parts} parts of {lanes} simulators, expected 1 to {lanes}: simulators are not "
            "divided, lower envs_per_simulator"
        )
    bounds = [lanes * index // num_parts for index in range(num_parts + 1)]
    return [EnvPart(env, low, high - low) for low, high in pairwise(bounds)]
