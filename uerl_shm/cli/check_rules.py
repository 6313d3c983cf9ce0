"""The rules that a simulator must keep, each judged from records of what it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from uerl_shm.cli.check_modes import disabled_play, modes
from uerl_shm.cli.check_play import Player, Setting, Stream
from uerl_shm.cli.check_records import OTHER_SEED, Records
from uerl_shm.cli.check_streams import Parting, differ, head, parting
from uerl_shm.cli.facts import Fact
from uerl_shm.cli.output import count_text, plural, seconds_text
from uerl_shm.errors import LayoutMismatch, SimulatorLost, StepTimeout

PATIENCE_S = 4.0  # less than Launcher.close() waits before it sends a signal


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
    yield from modes(records, played)
    disabled = Player(records.setting, "Disabled", records.findings, held=1)
    try:
        yield from disabled_play(records, disabled)
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
        f"p99 {seconds_text(speed['p99_s'])}"
    )
