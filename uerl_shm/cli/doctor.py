"""`uerl-shm doctor`: is this machine fit for shared memory, and if not, what to do."""

from __future__ import annotations

import typer

from uerl_shm.cli.options import JsonOption
from uerl_shm.cli.output import BAD_EXIT, console, marked, print_json, say


def doctor(as_json: JsonOption = False) -> None:
    """Examine this machine, and say what to do.

    Examples:
        uerl-shm doctor
        uerl-shm doctor --json | jq '.[] | select(.good == false)'

    Memory, kernel, limits, versions: one fact to a line. A tick is good, ! deserves a look, a cross
    keeps uerl_shm from working; then the exit code is 1.
    """
    from dataclasses import asdict

    from uerl_shm.cli import doctor_machine as machine
    from uerl_shm.cli import doctor_memory as memory
    from uerl_shm.cli import doctor_versions as versions
    from uerl_shm.cli.facts import collect

    examinations = (
        memory.dev_shm, memory.cgroup_memory, machine.cores, machine.kernel, machine.proc,
        machine.sysctls, machine.limits, machine.user, versions.python, versions.packages,
        versions.torch, versions.own_parts, memory.dead_segments,
    )  # fmt: skip
    facts = []
    for fact in collect(examinations):
        facts.append(fact)
        if not as_json:
            say(f"{marked(fact.good)} {fact.name:<24} ", end="")
            console().print(fact.value, markup=False)
            if fact.remedy:
                console().print(f"  {'':<24} -> {fact.remedy}", markup=False)
    bad = [fact for fact in facts if fact.good is False]
    if as_json:
        print_json([asdict(fact) for fact in facts])
    if bad:
        raise typer.Exit(BAD_EXIT)
