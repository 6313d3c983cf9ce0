"""Where the time of a loop goes, worked out from who waited for how long.

Two counters are known: how long the learner stood still (for results), and how long each simulator
did (for commands). All else follows from them:

    |-- learner works --|------------- learner waits ---------------|
    |                   |-- busiest simulator works --|- transport -|
    |------ a simulator waits ----------|-- works --|-- waits ------|
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Shares", "time_shares"]


@dataclass(frozen=True)
class Shares:
    """Shares of the time between two looks, each from 0 to 1.

    Attributes:
        total: ``simulators``, ``transport`` and ``learner``, which add up to 1; None if unknown.
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
    that of the busiest one, or of all of them on the cores that there are. The rest is transport:
    waking, and waiting for a core. Where simulators work while the learner does, too (``send`` and
    ``recv``), the least is taken of the wait, and transport may be more than it says.

    Args:
        learner_waited: Share of the time in which the learner waited for results; None while it is
            unknown, because a wait is counted when it ends.
        lanes_waited: Share in which each simulator waited for commands; None: there is none.
        num_cores: Cores on which the simulators can run.
    """
    if learner_waited is None:
        return Shares(None, [_lane_shares(waited, None, None) for waited in lanes_waited])
    worked = [1.0 - waited for waited in lanes_waited if waited is not None]
    least = max(max(worked, default=0.0), sum(worked) / num_cores)
    simulators = min(least, learner_waited)
    learner = 1.0 - learner_waited
    total = {
        "simulators": simulators,
        "transport": learner_waited - simulators,
        "learner": learner,
    }
    return Shares(total, [_lane_shares(waited, simulators, learner) for waited in lanes_waited])


def _lane_shares(
    waited: float | None, simulators: float | None, learner: float | None
) -> dict[str, float | None] | None:
    if waited is None:
        return None
    if simulators is None or learner is None:
        unknown = dict.fromkeys(("others", "transport", "learner"))
        return {"simulator": 1.0 - waited, **unknown}
    for_learner = min(waited, learner)
    for_others = min(max(simulators - (1.0 - waited), 0.0), waited - for_learner)
    return {
        "simulator": 1.0 - waited,
        "others": for_others,
        "transport": waited - for_learner - for_others,
        "learner": for_learner,
    }
