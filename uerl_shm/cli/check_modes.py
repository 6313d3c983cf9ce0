"""The autoreset modes, judged by each other: the same episodes, told in three ways."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from uerl_shm.cli.check_play import Player, Stream
from uerl_shm.cli.check_records import OTHER_SEED, Records
from uerl_shm.cli.check_streams import Parting, parting, same_step_parting, until_first_end
from uerl_shm.cli.facts import Fact
from uerl_shm.cli.output import plural


def _not_judged(name: str) -> Fact:
    return Fact(name, "not judged", None, "first make the same seed give the same bytes")


def modes(records: Records, same_step: Stream) -> Iterator[Fact]:
    """Judge NEXT_STEP and SAME_STEP by each other: the same episodes, told in two ways."""
    ended = sum(event.ended for events in records.reference for event in events)
    before = parting(until_first_end(records.reference), until_first_end(same_step))
    if before is not None:
        yield Fact(
            "new process",
            f"other bytes: {before}",
            False,
            "let nothing but seed and actions decide: no clock, process id, address or lane; write "
            "every row in every command (slots alternate)",
        )
        for mode in ("NEXT_STEP", "SAME_STEP"):
            yield _not_judged(mode)
        return
    records.same_afresh = True
    yield Fact("new process", "same bytes for the same seed")
    if ended == 0:
        for mode in ("NEXT_STEP", "SAME_STEP"):
            value = f"not judged: no episode ended in {plural(records.num_steps, 'step')}"
            yield Fact(mode, value, None, "raise --steps")
        return
    parted = same_step_parting(records.reference, same_step)
    if parted is not None and parted.swapped:
        value = f"{parted}: the next episode's rows stand there"
        advice = "reset only when told to: RESET follows with the next command"
        yield Fact("NEXT_STEP", value, False, advice)
        yield Fact("SAME_STEP", "not judged", None, "first put NEXT_STEP right")
        return
    yield Fact("NEXT_STEP", f"{plural(ended, 'episode')} ended, then waited for a reset")
    yield _same_step(parted)


def _same_step(parted: Parting | None) -> Fact:
    if parted is None:
        return Fact("SAME_STEP", "final rows and the next episode's rows in one command")
    remedy = {
        "final": "write the last rows to final_observation/* and final_info/* before the reset",
        "next": "reset within the command that ends an episode, with the env's own generator",
    }.get(parted.phase, "keep rewards and flags those of the step that ended")
    value = f"other than NEXT_STEP: {parted}"
    return Fact("SAME_STEP", value, False, remedy)


def disabled_play(records: Records, player: Player) -> Iterator[Fact]:
    """Play in DISABLED, where the learner says when a world is reset, and judge that."""
    plan, seeds, short = records.plan(), records.seeds, records.short_steps
    played = player.play(seeds, plan, records.num_steps)
    first = np.zeros(records.setting.num_worlds, bool)
    first[:: records.setting.envs_per_simulator] = True
    partial = player.play(seeds, plan, short // 2)
    before = [len(events) for events in partial]
    player.reset(partial, [seed + OTHER_SEED for seed in seeds], first)
    player.advance(partial, plan, short // 2)
    parted = parting(records.reference, played)
    if not records.same_afresh:
        yield _not_judged("DISABLED")
    elif parted is None:
        yield Fact("DISABLED", "each world was reset when the learner said so")
    else:
        value = f"other than NEXT_STEP: {parted}"
        advice = "reset the worlds whose control says so; touch nothing where it is SKIP"
        yield Fact("DISABLED", value, False, advice)
    judged = records.same_afresh and records.deterministic
    yield _partial(records, partial, before, first) if judged else _not_judged("partial reset")


def _partial(
    records: Records, partial: Stream, before: list[int], first: NDArray[np.bool_]
) -> Fact:
    """Judge a reset of the first world of each simulator in the middle of an episode."""
    chosen = np.flatnonzero(first).tolist()
    others = [world for world in range(len(partial)) if world not in chosen]
    parted = parting(
        [records.reference[world] for world in others], [partial[world] for world in others]
    )
    if parted is not None:
        value = f"changed a world that was not reset: {', '.join(parted.names)}"
        return Fact("partial reset", value, False, "touch nothing of a world whose control is SKIP")
    restarted = [partial[world][before[world] :] for world in chosen]
    parted = parting([records.other_seeds[world] for world in chosen], restarted)
    if parted is not None:
        value = f"other than a reset of all with this seed: {parted}"
        advice = "seed and reset each world by itself: one generator for each"
        return Fact("partial reset", value, False, advice)
    return Fact("partial reset", "leaves the other worlds of a simulator alone")
