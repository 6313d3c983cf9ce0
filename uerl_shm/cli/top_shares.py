"""Where the time of a loop goes, worked out from who waited for how long.

Two counters are known: how long the learner stood still (for results), and how long each simulator
did (for commands). All else follows from them:

    |-- learner works --|----------------- learner waits ------------------|
    |                   |-- busiest simulator works --|- turns - transport |
    |------ a simulator waits -----------|-- works --|------ waits --------|
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Shares", "time_shares"]


@dataclass(frozen=True)
class Shares:
    """Shares of the time between two looks, each from 0 to 1.

    Attributes:
        total: ``simulators``, ``turns``, ``transport`` and ``learner``, which add up to 1; None if
            unknown.
        lanes: For each lane ``simulator``, ``others``, ``transport`` and ``learner``, which add up
            to 1; the last three are None while the total is. None where it has no simulator.
    """

    total: dict[str, float] | None
    lanes: list[dict[str, float | None] | None]


def time_shares(
    learner_waited: float | None, lanes_waited: Sequence[float | None], num_cores: int
) -> Shares:
    """Split the time of a learner, and of each of its simulators.

    The simulators' part of the learner's wait is the least time that their work can have taken:
    that of the busiest one. What they need beyond it to work in turn on the cores that there are is
    ``turns``; of simulators that sleep, or wait for a GPU, it is transport. The rest is transport:
    waking, and waiting for a core. Where simulators work while the learner does, too (``send`` and
    ``recv``), as much as fits is taken from the wait, and transport may be more than it says.

    Args:
        learner_waited: Share of the time in which the learner waited for results; None while it is
            unknown, because a wait is counted when it ends.
        lanes_waited: Share in which each simulator waited for commands; None: there is none.
        num_cores: Cores on which the simulators can run.
    """
    if learner_waited is None:
        return Shares(None, [_lane_shares(waited, None, None) for waited in lanes_waited])
    worked = [1.0 - waited for waited in lanes_waited if waited is not None]
    simulators = min(max(worked, default=0.0), learner_waited)
    turns = min(max(sum(worked) / num_cores, simulators), learner_waited) - simulators
    total = {
        "simulators": simulators,
        "turns": turns,
        "transport": learner_waited - simulators - turns,
        "learner": 1.0 - learner_waited,
    }
    return Shares(
        total,
        [_lane_shares(waited, simulators + turns, 1.0 - learner_waited) for waited in lanes_waited],
    )


def _lane_shares(
    waited: float | None, needed: float | None, learner: float | None
) -> dict[str, float | None] | None:
    if waited is None:
        return None
    if needed is None or learner is None:
        unknown = dict.fromkeys(("others", "transport", "learner"))
        return {"simulator": 1.0 - waited, **unknown}
    for_learner = min(waited, learner)
    for_others = min(max(needed - (1.0 - waited), 0.0), waited - for_learner)
    return {
        "simulator": 1.0 - waited,
        "others": for_others,
        "transport": waited - for_learner - for_others,
        "learner": for_learner,
    }
