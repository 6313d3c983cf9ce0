"""The rules that a simulator must keep, each judged from records of what it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from uerl_shm.cli.check_play import Plan, Player, Setting, Stream
from uerl_shm.cli.check_rows import Findings
from uerl_shm.cli.check_streams import (
    Parting,
    differ,
    head,
    parting,
    same_step_parting,
    until_first_end,
)
from uerl_shm.cli.facts import Fact
from uerl_shm.cli.output import count_text, plural, seconds_text
from uerl_shm.errors import LayoutMismatch, SimulatorLost, StepTimeout

SHORT_STEPS = 50  # of plays that need not reach the end of an episode
OTHER_SEED = 1000  # added to seeds that must make a difference
FIRST_SEED = 7
PATIENCE_S = 4.0  # less than Launcher.close() waits before it sends a signal


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


def examine(records: Records) -> Iterator[Fact]:
    """Play the simulator in all modes, and judge it; one fact for each rule."""
    player, records.setting, fact = _start(records)
    yield fact
    try:
        yield from _next_step_play(records, player)
    finally:
        exits = player.close()
    yield from _ends(*exits)
    same_step = Player(records.setting, "SameStep", records.findings, held=3)
    try:
        played = same_step.play(records.seeds, records.plan(), records.num_steps)
    finally:
        same_step.close()
    yield from _modes(records, played)
    disabled = Player(records.setting, "Disabled", records.findings, held=1)
    try:
        yield from _disabled_play(records, disabled)
    finally:
        disabled.close()
    yield from _findings(records)


def _start(records: Records) -> tuple[Player, Setting, Fact]:
    """Start the simulators; with one env each if they refuse to hold several."""
    setting = records.setting
    try:
        player = Player(setting, "NextStep", records.findings, held=0)
    except (LayoutMismatch, SimulatorLost, StepTimeout) as error:
        if setting.envs_per_simulator == 1 or isinstance(error, StepTimeout):
            raise
        setting = replace(setting, envs_per_simulator=1)
        player = Player(setting, "NextStep", records.findings, held=0)
        value = f"{plural(setting.num_simulators, 'simulator')} of one env: several were refused"
        remedy = "serve uerl_simulator_num_envs() worlds: rows are far cheaper than processes"
        return player, setting, Fact("start", value, None, remedy)
    value = (
        f"{plural(setting.num_simulators, 'simulator')} of "
        f"{plural(setting.envs_per_simulator, 'env')} attached"
    )
    return player, setting, Fact("start", value)


# NEXT_STEP ----------------------------------------------------------------------------------------


def _next_step_play(records: Records, player: Player) -> Iterator[Fact]:
    plan, seeds, short = records.plan(), records.seeds, records.short_steps
    player.watch_rest()
    records.reference = player.play(seeds, plan, records.num_steps)
    unseeded = [player.play(None, plan, short) for _ in range(2)]
    again = player.play(seeds, plan, records.num_steps)
    unseeded_again = [player.play(None, plan, short) for _ in range(2)]
    yield _rest(player)
    yield _same_seed(records, [records.reference, *unseeded], [again, *unseeded_again])
    yield _reset(records, again)
    records.other_seeds = player.play([seed + OTHER_SEED for seed in seeds], plan, short)
    yield from _randomness(records, unseeded)
    other_actions = player.play(seeds, records.plan(seed=1), short)
    yield _actions(records, other_actions)
    records.speed = _speed(records, player)


def _rest(player: Player) -> Fact:
    if not player.restless:
        return Fact("rows at rest", "unchanged after their result")
    return Fact(
        "rows at rest",
        f"{player.restless} changed after its result was sent",
        False,
        "write every row before uerl_simulator_send(); copy from a render thread before it, too",
    )


def _same_seed(records: Records, first: list[Stream], second: list[Stream]) -> Fact:
    for one, other in zip(first, second, strict=True):
        parted = parting(one, other)
        if parted is not None:
            return _not_repeated(parted)
    records.deterministic = True
    return Fact("same seed", f"same bytes, over {plural(records.num_steps, 'step')} and two resets")


def _not_repeated(parted: Parting) -> Fact:
    return Fact(
        "same seed",
        f"other bytes: {parted}",
        False,
        "seed every generator with uerl_simulator_seed(), reset all state, write every row in "
        "every command (slots alternate), and step with a fixed time step",
    )


def _reset(records: Records, again: Stream) -> Fact:
    if records.findings.resets:
        return Fact(
            "reset", records.findings.resets, False, "call outcome(row, 0, 0, 0) at a reset"
        )
    parted = parting(head(records.reference, 1), head(again, 1))
    if parted is None:
        return Fact("reset", "begins an episode anew, in the middle of one too")
    return Fact(
        "reset",
        f"{', '.join(parted.names)} other than after the first reset with this seed",
        False,
        "reset all of the world's state, whenever a reset comes",
    )


def _randomness(records: Records, unseeded: list[Stream]) -> Iterator[Fact]:
    """Judge whether seeds and resets make a difference, with the same actions."""
    remedy = "; if this world is the same in every episode, say --no-randomness"
    differing = differ(head(records.reference, records.short_steps), records.other_seeds)
    if records.no_randomness:
        same = not differing and not differ(unseeded[0], unseeded[1])
        value = "none, as was said" if same else "there is some, though --no-randomness was said"
        yield Fact("randomness", value, same, "" if same else "leave --no-randomness out")
        return
    if differing:
        yield Fact("seeds differ", "other seeds, other episodes")
    else:
        remedy_of_seeds = "seed the world's generator with uerl_simulator_seed()" + remedy
        yield Fact("seeds differ", "all seeds give the same episode", False, remedy_of_seeds)
    if differ(unseeded[0], unseeded[1]):
        yield Fact("resets differ", "one episode after another")
    else:
        advice = "let the world's own generator go on where the seed is -1" + remedy
        yield Fact("resets differ", "each reset gives the same episode", False, advice)


def _actions(records: Records, other_actions: Stream) -> Fact:
    if differ(head(records.reference, records.short_steps), other_actions):
        return Fact("actions", "other actions, other steps")
    return Fact(
        "actions",
        f"make no difference in {plural(records.short_steps, 'step')}",
        False,
        "read the action rows of the command in hand, in every step",
    )


def _speed(records: Records, player: Player) -> dict[str, float]:
    times = np.array(player.step_times)
    p50, p99 = (float(value) for value in np.percentile(times, (50, 99)))
    worlds = records.setting.num_worlds
    return {
        "env_steps_per_s": len(times) * worlds / float(times.sum()),
        "p50_s": p50,
        "p99_s": p99,
    }


def _ends(statuses: Sequence[object], seconds: float) -> Iterator[Fact]:
    bad = [str(status) for status in statuses if str(status) != "exit code 0"]
    took = seconds_text(seconds)
    if not bad and seconds < PATIENCE_S:
        yield Fact("end", f"exit code 0, {took} after the learner")
        return
    value = f"{bad[0] if bad else 'exit code 0'}, {took} after the learner closed"
    remedy = "leave with exit code 0 when receive() returns UERL_E_CLOSED"
    yield Fact("end", value, False, remedy)


def _not_judged(name: str) -> Fact:
    return Fact(name, "not judged", None, "first make the same seed give the same bytes")


# The other modes ----------------------------------------------------------------------------------


def _modes(records: Records, same_step: Stream) -> Iterator[Fact]:
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
    if parted is not None and parted.phase == "final" and parted.swapped:
        yield Fact(
            "NEXT_STEP",
            f"{parted}: the next episode's rows stand there",
            False,
            "reset only when told to: RESET follows with the next command",
        )
    else:
        yield Fact("NEXT_STEP", f"{plural(ended, 'episode')} ended, then waited for a reset")
    yield _same_step(parted, ended)


def _same_step(parted: Parting | None, ended: int) -> Fact:
    if parted is None:
        return Fact("SAME_STEP", "final rows and the next episode's rows in one command")
    remedy = {
        "final": "write the last rows to final_observation/* and final_info/* before the reset",
        "next": "reset within the command that ends an episode, with the env's own generator",
    }.get(parted.phase, "keep rewards and flags those of the step that ended")
    value = f"other than NEXT_STEP: {parted}"
    return Fact("SAME_STEP", value, None if parted.swapped else False, remedy)


def _disabled_play(records: Records, player: Player) -> Iterator[Fact]:
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
        advice = "reset the worlds whose control says so, and only these"
        yield Fact("DISABLED", value, False, advice)
    judged = records.same_afresh and records.deterministic
    yield _partial(records, partial, before, first) if judged else _not_judged("partial reset")


def _partial(
    records: Records, partial: Stream, before: list[int], first: NDArray[np.bool_]
) -> Fact:
    """Judge a reset of the first world of each simulator in the middle of an episode."""
    chosen = np.flatnonzero(first).tolist()
    restarted = [partial[world][before[world] :] for world in chosen]
    parted = parting([records.other_seeds[world] for world in chosen], restarted)
    if parted is not None:
        return Fact(
            "partial reset",
            f"other than a reset of all with this seed: {parted}",
            False,
            "seed and reset each world by itself: one generator for each",
        )
    others = [world for world in range(len(partial)) if world not in chosen]
    if not others:
        return Fact("partial reset", "of one simulator and not of the others")
    parted = parting(
        [records.reference[world] for world in others], [partial[world] for world in others]
    )
    if parted is None:
        return Fact("partial reset", "leaves the other worlds of the simulator alone")
    return Fact(
        "partial reset",
        f"changed a world that was not reset: {', '.join(parted.names)}",
        False,
        "touch nothing of a world whose control is SKIP",
    )


# Rows ---------------------------------------------------------------------------------------------


def _findings(records: Records) -> Iterator[Fact]:
    findings = records.findings
    yield _finding("flags", findings.flags, "0 or 1", "write 0 or 1, best with outcome()")
    remedy = "widen low and high in the spec, or clip what is written"
    yield _finding("bounds", findings.bounds, "all values within", remedy)
    remedy = "find the division by 0; a NaN spoils a policy for good"
    yield _finding("finite", findings.finite, "no NaN, no infinite reward", remedy)
    if findings.unchanged:
        (_, name), value = next(iter(findings.unchanged.items()))
        more = f", and {len(findings.unchanged) - 1} more" if len(findings.unchanged) > 1 else ""
        yield Fact(
            "every array",
            f"{name} never changed: {value}{more}",
            None,
            "see whether it is written at all; a camera is black under -nullrhi, "
            "use -RenderOffScreen",
        )
    else:
        yield Fact("every array", "changes")


def _finding(name: str, found: str, good: str, remedy: str) -> Fact:
    return Fact(name, found, False, remedy) if found else Fact(name, good)


def speed_text(records: Records) -> str:
    """Return how fast the simulators stepped while they were checked."""
    speed = records.speed
    return (
        f"{count_text(speed['env_steps_per_s'])} env steps/s of {records.setting.num_worlds} envs "
        f"in {records.setting.num_simulators} simulators, step p50 {seconds_text(speed['p50_s'])}, "
        f"p99 {seconds_text(speed['p99_s'])}; `uerl-shm bench` measures longer"
    )
