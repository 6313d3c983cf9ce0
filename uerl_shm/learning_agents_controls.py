"""The controls of Learning Agents: ten int32 words by which engine and trainer take turns.

What belongs to a signal is written before it and read after it: here by a release store and an
acquire load of an aligned word. The engine's side is ``volatile`` without barriers. x86-64 keeps
the order of its stores and of its loads anyway; other machines do not, so they are refused.

==============  ==========================================================================
word            who writes it
==============  ==========================================================================
`EPISODE_NUM`   engine: how many episodes
`STEP_NUM`      engine: how many steps
`EXPERIENCE`    engine: 1, a replay buffer is filled; trainer: 0, it may be written again
`CONFIG`        engine: 1, the JSON files are written
`NETWORK`       trainer: 1, send the next network; later 1, a network is there; engine: 0
`COMPLETE`      trainer: 1, training is finished; engine: 0
`STOP`          engine: 1, it stops; trainer: 0
`PING`          trainer: 1, it lives; engine: 0
`NETWORK_ID`    who wrote a network, before the signal: its id; engine: -1
`BUFFER_ID`     engine, before `EXPERIENCE`: id of the replay buffer
==============  ==========================================================================
"""

from __future__ import annotations

import mmap
import platform

from uerl_shm._simulator import ffi, lib
from uerl_shm.errors import SpecError
from uerl_shm.learning_agents_regions import create, new_guid
from uerl_shm.options import Access

NUM_WORDS = 10
EPISODE_NUM, STEP_NUM, EXPERIENCE, CONFIG, NETWORK, COMPLETE, STOP, PING, NETWORK_ID, BUFFER_ID = (
    range(NUM_WORDS)
)
IDLE = -1  # of the two ids: so the engine leaves them when it attaches


class Controls:
    """The words of one engine, in a region that this process makes; ``controls[WORD]`` is an int.

    Attributes:
        guid: Name of the region.

    Raises:
        SpecError: The machine is not x86-64.
        SegmentFull, SystemCallFailed: As of `create`.
    """

    def __init__(self, access: Access) -> None:
        machine = platform.machine()
        if machine != "x86_64":
            raise SpecError(
                f"machine {machine}, expected x86_64: the engine's side of this protocol has no "
                "memory barriers and may hand over half-written data elsewhere"
            )
        self.guid = new_guid()
        # A whole page: the engine maps one whatever it needs.
        self._mapping = create(self.guid, mmap.PAGESIZE, access)
        self._pointer = ffi.cast("int32_t *", self._mapping.address)

    def __getitem__(self, word: int) -> int:
        found = lib.uerl_region_load(self._pointer + word, 4)
        return int(found) - (2**32 if found >= 2**31 else 0)

    def __setitem__(self, word: int, value: int) -> None:
        lib.uerl_region_store(self._pointer + word, value % 2**32)
