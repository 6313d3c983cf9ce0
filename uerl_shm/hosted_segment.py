"""The segment of a HostedVectorEnv: nested spaces as named arrays, one env in each lane."""

from __future__ import annotations

from typing import Any

import numpy as np

from uerl_shm import _core
from uerl_shm import segment as segments
from uerl_shm.array_spec import ArraySpec
from uerl_shm.hosted_process import SIDE_CHANNEL, check_flat
from uerl_shm.hosted_setup import Spaces
from uerl_shm.spec import EnvSpec

_SLOTS = 4  # as of VecEnv: two batches may be held before one is copied
_NOTHING = ArraySpec.box(None, None, (), "uint8")  # where the observation itself goes elsewhere


class HostedSegment:
    """Creates the segment and turns batches into what gymnasium hands out.

    Beside the spaces' arrays there are two words for each row: of the action, whether it is not in
    the arrays but comes as a message; of the observation, the number of the message that goes with
    it, or 0. Numbers tell a message from an earlier one that nobody has waited for.

    Attributes:
        observation: Arrays of the observation; None: it comes as a message.
        action: Arrays of the action; None: it goes as a message.
        core: The learner.
    """

    def __init__(self, spaces: Spaces, num_envs: int, mode: str, copy: bool) -> None:
        self.observation = check_flat(spaces.single_observation, "observation")
        self.action = check_flat(spaces.single_action, "action")
        self.name = segments.new_name()
        self._num_envs = num_envs
        self._here, self._there = np.zeros(num_envs, np.uint64), np.ones(num_envs, np.uint64)
        word = ArraySpec.box(None, None, (), "uint64")
        spec = EnvSpec.single(
            {"nothing": _NOTHING} if self.observation is None else self.observation.specs,
            {**({} if self.action is None else self.action.specs), SIDE_CHANNEL: word},
            info={SIDE_CHANNEL: word},
            reward_dtype="float64",
            name="hosted",
        )
        self.core = _core.Learner(
            name=self.name,
            mode=0o600,
            gid=-1,
            num_lanes=num_envs,
            envs_per_lane=1,
            slots=_SLOTS,
            autoreset_mode=segments.AUTORESET_MODES[mode],
            message_bytes=spec.message_bytes,
            groups=segments.groups_of(spec),
            # gymnasium's final observations are objects: they go as messages in every mode.
            fields=segments.fields_of(spec, "NextStep"),
            text=segments.text_of(spec, {"autoreset_mode": mode, "envs_per_simulator": 1}),
            action_checks=[(False, [], [])] * len(spec.group.action),
            wide_rewards=True,
            writable=True,
            copy=copy,
            any_order=True,
        )

    def send_arrays(self, actions: Any) -> bool:
        """Send a step if the actions are arrays of the space; return whether they are."""
        arrays = None if self.action is None else self.action.batch(actions, self._num_envs)
        if self.action is None or arrays is None:
            return False
        named = dict(zip(self.action.names, arrays, strict=True))
        self.core.send({**named, SIDE_CHANNEL: self._here}, None)
        return True

    def send_elsewhere(self) -> None:
        """Send a step whose actions go as messages."""
        if self.action is None:
            self.core.send(self._there, None)
            return
        batch = {
            name: np.zeros((self._num_envs, *spec.shape), spec.dtype)
            for name, spec in self.action.specs.items()
        }
        self.core.send({**batch, SIDE_CHANNEL: self._there}, None)

    def nested(self, observation: Any) -> Any:
        """Return the core's observation as one of the batched space; copies nothing."""
        assert self.observation is not None
        names = self.observation.names
        parts = [observation] if len(names) == 1 else [observation[name] for name in names]
        return self.observation.nested(parts)
