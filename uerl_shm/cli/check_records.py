"""What is played in a check, and what was seen in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from uerl_shm.cli.check_play import Plan, Setting, Stream
from uerl_shm.cli.check_rows import Findings

SHORT_STEPS = 50  # of plays that need not reach the end of an episode
OTHER_SEED = 1000  # added to seeds that must make a difference
FIRST_SEED = 7


@dataclass
class Records:
    """What was played, and what was seen in it.

    Attributes:
        setting: What is played.
        num_steps: Steps of the plays that are to reach the end of episodes.
        no_randomness: Whether the world is said to be the same in every episode.
        findings: What is wrong in single rows.
        reference: The play that all others are compared with: NEXT_STEP, first seeds.
        deterministic: Whether the reference came out the same a second time.
        same_afresh: Whether it came out the same in new processes.
        speed: Steps per second and more; for scripts.
    """

    setting: Setting
    num_steps: int
    no_randomness: bool
    findings: Findings = field(default_factory=Findings)
    reference: Stream = field(default_factory=list)
    other_seeds: Stream = field(default_factory=list)
    deterministic: bool = False
    same_afresh: bool = False
    speed: dict[str, float] = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        """A seed for each world."""
        return [FIRST_SEED + world for world in range(self.setting.num_worlds)]

    @property
    def short_steps(self) -> int:
        """Steps of a short play."""
        return min(self.num_steps, SHORT_STEPS)

    def plan(self, seed: int = 0) -> Plan:
        """Return what all worlds do; another seed for something else."""
        return Plan(self.setting, self.num_steps, seed)
