"""`uerl-shm check`: a verdict on somebody's simulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uerl_shm.cli.options import JsonOption, SimulatorOption, StartupTimeoutOption, TimeoutOption
from uerl_shm.cli.output import BAD_EXIT, console, marked, plural, print_json, say

if TYPE_CHECKING:
    from uerl_shm.cli.facts import Fact

MARGIN = 17  # of what stands beside the name of a check


def check(
    simulator: SimulatorOption,
    num_simulators: Annotated[
        int, typer.Option("--num-simulators", min=1, help="How many are started side by side.")
    ] = 2,
    envs_per_simulator: Annotated[
        int, typer.Option("--envs-per-simulator", min=1, help="Worlds that each is asked to hold.")
    ] = 2,
    steps: Annotated[
        int, typer.Option("--steps", min=2, help="Steps of a play; let some episodes end.")
    ] = 400,
    no_randomness: Annotated[
        bool, typer.Option("--no-randomness", help="Every episode is meant to begin the same way.")
    ] = False,
    timeout_s: TimeoutOption = 60.0,
    startup_timeout_s: StartupTimeoutOption = 300.0,
    as_json: JsonOption = False,
) -> None:
    """Judge a simulator: seeds, resets, modes, rows, speed.

    Examples:
        uerl-shm check --simulator "uerl-sim apples"
        uerl-shm check --simulator ./MyGame.sh --num-simulators 1 --steps 2000

    One line for each rule, with the remedy where it is broken. The exit code is 1 when one is.
    Simulators are started three times, once for each autoreset mode.
    """
    facts = []
    records: dict[str, Any] = {}
    wanted = (simulator, num_simulators, envs_per_simulator, steps, no_randomness, timeout_s)
    for fact in _facts(*wanted, startup_timeout_s, records):
        facts.append(fact)
        if not as_json:
            _print(fact)
    broken = [fact for fact in facts if fact.good is False]
    if as_json:
        print_json(_data(simulator, facts, not broken, records))
    elif broken:
        say(f"\n[red]{plural(len(broken), 'rule')} of {len(facts)} broken[/red]")
    else:
        say(f"\n[green]{plural(len(facts), 'rule')} kept[/green]")
    if broken:
        raise typer.Exit(BAD_EXIT)


def _facts(
    simulator: str,
    num_simulators: int,
    envs_per_simulator: int,
    steps: int,
    no_randomness: bool,
    timeout_s: float,
    startup_timeout_s: float,
    out: dict[str, Any],
) -> Iterator[Fact]:
    """Yield one fact after the other; an error that ends the check is the last."""
    from uerl_shm.cli.check_play import Setting
    from uerl_shm.cli.check_records import Records
    from uerl_shm.cli.check_rules import examine, speed_text
    from uerl_shm.cli.describe import summary
    from uerl_shm.cli.facts import Fact
    from uerl_shm.errors import UerlError
    from uerl_shm.launcher import describe

    stage = "spec"
    try:
        spec = describe(simulator, timeout_s=startup_timeout_s)
        yield Fact("spec", f"{spec.name or '(no name)'}, {summary(spec)}")
        stage = "start"
        setting = Setting(
            simulator, spec, num_simulators, envs_per_simulator, timeout_s, startup_timeout_s
        )
        records = Records(setting, steps, no_randomness)
        for fact in examine(records):
            stage = "play"
            yield fact
        out["speed"] = records.speed
        yield Fact("speed", speed_text(records))
    except UerlError as error:
        first, _, rest = str(error).partition("\n")
        found, _, remedy = first.partition(": ")
        yield Fact(stage, found, False, "\n".join(filter(None, (remedy, rest))))


def _print(fact: Fact) -> None:
    say(f"{marked(fact.good)} {fact.name:<{MARGIN - 2}}", end="")
    console().print(fact.value, markup=False)
    if fact.remedy:
        indented = fact.remedy.replace("\n", "\n" + " " * (MARGIN + 3))
        console().print(f"{'':<{MARGIN}}-> {indented}", markup=False)


def _data(simulator: str, facts: list[Fact], good: bool, records: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    checks = [asdict(fact) for fact in facts]
    return {"simulator": simulator, "good": good, "checks": checks, **records}
