"""What an `EpisodeRenderer` knows of its rows, and of the video that is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uerl_shm.episode_clip import Clip
from uerl_shm.episode_drawing import Panel
from uerl_shm.episode_video import Video
from uerl_shm.episode_views import EpisodeView

__all__ = ["Batch", "Recording", "Track"]


@dataclass
class Track:
    """One view, and what is known of its row.

    Attributes:
        episode: Number of the episode, from 0; -1 before the first reset.
        steps: Of this episode.
        reward, total: Of the last step, and of the episode so far.
        ended: Whether the row's next step begins an episode.
        panel: What a frame shows of it.
    """

    view: EpisodeView
    episode: int = -1
    steps: int = 0
    reward: float = 0.0
    total: float = 0.0
    ended: bool = False
    panel: Panel | None = None

    def begin(self) -> None:
        """Begin an episode."""
        self.episode += 1
        self.steps, self.reward, self.total, self.ended = 0, 0.0, 0.0, False

    def count(self, reward: float) -> None:
        """Take one step."""
        self.steps += 1
        self.reward = reward
        self.total += reward


@dataclass
class Recording:
    """An episode that is under way."""

    episode: int
    video: Video | None
    clip: Clip | None


@dataclass(frozen=True)
class Batch:
    """What a step or a reset returned: ``where`` finds a row of the env in it."""

    observation: Any
    reward: Any
    terminated: Any
    truncated: Any
    info: Mapping[str, Any]
    action: Any = None
    where: Mapping[int, int] | None = None
