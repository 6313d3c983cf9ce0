"""RLlib: a `VecEnv` for the env runners of the new API stack.

The only module that imports ray.rllib.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from gymnasium.vector import AutoresetMode, VectorWrapper
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns
from ray.rllib.env.env_errors import StepFailedRecreateEnvError

from uerl_shm.claim import make_env
from uerl_shm.errors import SegmentCorrupt, SimulatorLost, SpecError
from uerl_shm.integrations.rows import check_env

__all__ = ["LeaveOutInvalid", "RLlibVecEnv"]


class RLlibVecEnv(VectorWrapper):
    """What an RLlib env runner steps: a `VecEnv` that is made again when its simulators are lost.

    ::

        config = (
            PPOConfig()
            .environment(RLlibVecEnv, env_config={"simulator": "uerl-sim basic"})
            .env_runners(
                gym_env_vectorize_mode="vector_entry_point", num_envs_per_env_runner=8
            )
            .fault_tolerance(restart_failed_sub_environments=True)
        )

    Unless ``min_valid`` is given, a step waits until every simulator that was lost is back; the
    episodes that were cut off are truncated. What no simulator made is left out of learning by
    `LeaveOutInvalid`. When a simulator is lost for good, `StepFailedRecreateEnvError` tells RLlib
    to make the env anew.

    Env runners on other nodes do the same with simulators of their own node, over a free segment of
    those that ``UERL_SHM_NAME`` lists there (`uerl_shm.claim.make_env`). Without ``"simulator"``
    those are sidecars. Others start a sidecar again, so when one is lost the env is made anew, and
    waits until all are attached.

    Args:
        config: ``"simulator"`` and other arguments of `VecEnv`, but for ``autoreset_mode`` and
            ``output``. RLlib adds ``"num_envs"``. Observations are copies, because episodes keep
            them: RLlib stacks them later.

    Raises:
        SpecError: ``num_envs`` is missing, or as `VecEnv`.
        SegmentExists: Every segment of ``UERL_SHM_NAME`` stayed in use.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        options = dict(config)
        if "num_envs" not in options:
            raise SpecError(
                "num_envs is missing, expected it from RLlib: give env_runners() the option "
                'gym_env_vectorize_mode="vector_entry_point"'
            )
        options = {"min_valid": options["num_envs"], "copy": True, **options}
        simulator = options.pop("simulator", None)
        env = make_env(simulator, options.pop("num_envs"), **options)
        try:
            check_env(env, AutoresetMode.NEXT_STEP, "numpy", type(self).__name__)
        except SpecError:
            env.close()
            raise
        super().__init__(env)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Make one step.

        Raises:
            StepFailedRecreateEnvError: Simulators were lost for good.
        """
        try:
            return self.env.step(actions)
        except (SimulatorLost, SegmentCorrupt) as error:
            raise StepFailedRecreateEnvError(str(error)) from error


class LeaveOutInvalid(ConnectorV2):  # type: ignore[misc]
    """Masks the loss of rows that are not to be learned from, for PPO, APPO and IMPALA.

    ``config.training(learner_connector=lambda *_: LeaveOutInvalid())``. A batch size of steps then
    counts those that are masked, too. Algorithms whose batches have no loss mask are left as they
    are.
    """

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **_: Any) -> dict[str, Any]:
        """Put False into the loss mask of each step whose row was not there before or after it."""
        masks = batch.get(Columns.LOSS_MASK)
        if masks is None:
            return batch
        for episode in self.single_agent_episode_iterator(episodes, agents_that_stepped_only=False):
            here = [_is_here(info) for info in episode.get_infos()]
            mask = masks[(episode.id_,)]
            for t, (before, after) in enumerate(pairwise(here)):
                mask[t] = mask[t] and before and after
        return batch


def _is_here(info: dict[str, Any]) -> bool:
    return bool(info.get("valid", True)) and bool(info.get("mask", True))
