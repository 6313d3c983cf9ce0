"""Many simulators and one learner in one shared-memory segment: batches without copies.

    env = uerl_shm.VecEnv("uerl-sim apples", num_envs=16)

starts 16 simulators that write their frames straight into one batch, and steps them.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uerl_shm import registration
from uerl_shm.array_spec import ArraySpec
from uerl_shm.engine_config import EngineConfig
from uerl_shm.errors import (
    LayoutMismatch,
    LearnerClosed,
    SegmentCorrupt,
    SegmentError,
    SegmentExists,
    SegmentFull,
    SegmentNotFound,
    SimulatorLost,
    SpecError,
    StepTimeout,
    UerlError,
)
from uerl_shm.spec import EnvSpec, GroupSpec
from uerl_shm.vec_env import StepBatch, VecEnv

if TYPE_CHECKING:
    from uerl_shm.env import Env
    from uerl_shm.episode_renderer import EpisodeRenderer
    from uerl_shm.episode_views import EpisodeView
    from uerl_shm.host import Simulator
    from uerl_shm.hosted import HostedVectorEnv
    from uerl_shm.recording import record
    from uerl_shm.region import Region

__version__ = "0.1.0"

__all__ = [
    "ArraySpec",
    "EngineConfig",
    "Env",
    "EnvSpec",
    "EpisodeRenderer",
    "EpisodeView",
    "GroupSpec",
    "HostedVectorEnv",
    "LayoutMismatch",
    "LearnerClosed",
    "Region",
    "SegmentCorrupt",
    "SegmentError",
    "SegmentExists",
    "SegmentFull",
    "SegmentNotFound",
    "Simulator",
    "SimulatorLost",
    "SpecError",
    "StepBatch",
    "StepTimeout",
    "UerlError",
    "VecEnv",
    "get_include",
    "record",
]

registration.register()

# Loaded when first used: `import uerl_shm` stays quick.
_LATER = {
    "Env": "env",
    "EpisodeRenderer": "episode_renderer",
    "EpisodeView": "episode_views",
    "HostedVectorEnv": "hosted",
    "Region": "region",
    "Simulator": "host",
    "record": "recording",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"uerl_shm.{_LATER[name]}"), name)
    raise AttributeError(f"module 'uerl_shm' has no attribute {name!r}")


def get_include() -> str:
    """Return the folder for a compiler's ``-I``, so that it finds ``uerl_shm/uerl_shm.h``."""
    return str(Path(__file__).parent / "include")
