"""Taking away what a run of Learning Agents leaves in ``/dev/shm``.

The engine unlinks its data regions when its training ends; nobody unlinks the controls, and an
engine that crashes leaves everything. Regions of a living engine are left to it, for it reports a
fault of its own when one that it unmaps has no name any more.
"""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path

from uerl_shm.learning_agents_config import named_guids
from uerl_shm.learning_agents_engine import Engine
from uerl_shm.learning_agents_regions import exists, unlink

PATIENCE_S = 2.0  # for an engine that is just ending
LOOK_S = 0.02


class Remains:
    """What is to be unlinked at the end; also when the learner ends by an exception."""

    def __init__(self, configs: Path, controls: str, engine: Engine) -> None:
        self._configs = configs
        self._controls = controls
        self._engine = engine
        self._pid = os.getpid()

    def clean(self) -> bool:
        """Unlink what the engine no longer needs.

        Does nothing in a fork of the learner. Warns of regions that stay, because the engine
        lives or because they belong to another user; may be called again later.

        Returns:
            Whether nothing stays.
        """
        if os.getpid() != self._pid:
            return True
        unlink(self._controls)
        left = self._left()
        deadline = time.monotonic() + PATIENCE_S
        while left and not self._engine.has_ended() and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            left = self._left()
        if self._engine.has_ended() or not self._engine.is_watched:
            left = [guid for guid in left if not unlink(guid)]
            why = "this user may not unlink them: remove them from /dev/shm as the engine's user"
        else:
            why = "the engine runs on and may still use them: close() again once it has ended"
        if left:
            warnings.warn(
                f"{len(left)} regions of Learning Agents stay in /dev/shm, expected none: {why} "
                f"({' '.join(sorted(left))})",
                RuntimeWarning,
                stacklevel=3,
            )
        return not left

    def _left(self) -> list[str]:
        named = named_guids(self._configs, self._controls)
        return [guid for guid in named if exists(guid)]
