"""`uerl-shm tune`: how many envs, in how many simulators, suit this machine best."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uerl_shm.cli.bench import measure, measure_in_turn
from uerl_shm.cli.options import JsonOption, SimulatorOption, StartupTimeoutOption
from uerl_shm.cli.output import (
    bytes_text,
    count_text,
    print_json,
    print_table,
    say,
    seconds_text,
    share_text,
)
from uerl_shm.errors import UerlError

if TYPE_CHECKING:
    from uerl_shm.spec import EnvSpec

WORTH = 1.05  # what is not better by so much is not worth more processes
SLOTS = 4  # while settings are compared
WAIT = "UERL_SHM_WAIT"


def tune(
    simulator: SimulatorOption,
    max_envs: Annotated[int, typer.Option("--max-envs", min=1, help="Worlds to try at most.")] = 64,
    policy_us: Annotated[
        float, typer.Option("--policy-us", min=0.0, help="What your policy takes for one batch.")
    ] = 1000.0,
    num_steps: Annotated[
        int, typer.Option("--num-steps", min=1, help="Steps of your rollouts, for slots.")
    ] = 128,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help="Of each measurement.")
    ] = 1.0,
    startup_timeout_s: StartupTimeoutOption = 300.0,
    as_json: JsonOption = False,
) -> None:
    """Propose num_envs, envs_per_simulator, slots, groups and waiting for this machine.

    Examples:
        uerl-shm tune --simulator "uerl-sim apples"
        uerl-shm tune --simulator "./MyGame.sh -nullrhi" --max-envs 16 --policy-us 3000

    Doubles the worlds for as long as that brings 5 % more env steps a second, then tries several
    worlds in each simulator, then waiting without spinning, then two groups in turn beside a policy
    of --policy-us. Random actions; one measurement at a time; nothing else should run meanwhile.
    """
    from uerl_shm.launcher import describe

    tuner = Tuner(simulator, describe(simulator, timeout_s=startup_timeout_s), seconds, not as_json)
    tuner.startup_timeout_s = startup_timeout_s
    found = tuner.propose(max_envs, policy_us * 1e-6, num_steps)
    print_json(found) if as_json else _print(found, simulator)


class Tuner:
    """Tries one setting after the other.

    Args:
        simulator: Command line of one.
        spec: Of it.
        seconds: Of each measurement.
        talks: Whether each setting is printed when it was tried.
    """

    startup_timeout_s = 300.0

    def __init__(self, simulator: str, spec: EnvSpec, seconds: float, talks: bool) -> None:
        self.simulator, self.spec, self.seconds, self.talks = simulator, spec, seconds, talks
        self.tried: list[dict[str, Any]] = []

    def propose(self, max_envs: int, policy_s: float, num_steps: int) -> dict[str, Any]:
        """Return what was tried, and the best of it."""
        best = self.more_worlds(max_envs)
        best = self.fewer_processes(best)
        sleeping = self.tried_with(best["worlds"], best["per_simulator"], "sleep")
        if sleeping is not None and is_better(sleeping, best):
            best = sleeping
        groups, turns = self.groups_for(best, policy_s)
        return {
            "tried": self.tried,
            "num_envs": best["num_envs"],
            "envs_per_simulator": best["per_simulator"],
            "waiting": best["waiting"],
            "groups": groups,
            "in_turn": turns,
            "slots": 2 * num_steps + 2,
            "slot_bytes": best["slot_bytes"],
            "env_steps_per_s": best["env_steps_per_s"],
        }

    def more_worlds(self, max_envs: int) -> dict[str, Any]:
        """Double the worlds for as long as it helps; once more after it did not."""
        best = self.tried_with(1, 1)
        if best is None:
            raise UerlError(self.tried[0]["error"])
        worlds, misses = 2, 0
        while worlds <= max_envs and misses < 2:
            found = self.tried_with(worlds, 1)
            if found is None:
                break  # no memory for so many: more would not fit either
            misses = 0 if is_better(found, best) else misses + 1
            best = found if misses == 0 else best
            worlds *= 2
        return best

    def fewer_processes(self, best: dict[str, Any]) -> dict[str, Any]:
        """Put several worlds into each simulator for as long as it helps."""
        worlds, per_simulator = best["worlds"], 2
        while per_simulator <= worlds // 2:
            found = self.tried_with(worlds, per_simulator)
            if found is None:
                break  # it cannot hold several
            best = found if is_better(found, best) else best
            per_simulator *= 2
        return best

    def groups_for(self, best: dict[str, Any], policy_s: float) -> tuple[int, dict[str, float]]:
        """Compare all worlds at once with two halves in turn, beside a policy."""
        if best["worlds"] // best["per_simulator"] < 2 or policy_s == 0.0:
            return 1, {}
        with self.env(best["worlds"], best["per_simulator"], best["waiting"]) as env:
            turns = {
                str(groups): measure_in_turn(env, self.spec, self.seconds, groups, policy_s)
                for groups in (1, 2)
            }
        return (2 if turns["2"] > WORTH * turns["1"] else 1), turns

    def tried_with(
        self, worlds: int, per_simulator: int, waiting: str = "adaptive"
    ) -> dict[str, Any] | None:
        """Measure one setting; None when it cannot be had."""
        setting = {"worlds": worlds, "per_simulator": per_simulator, "waiting": waiting}
        try:
            with self.env(worlds, per_simulator, waiting) as env:
                found = {**setting, **measure(env, self.spec, self.seconds)}
                found["slot_bytes"] = found["segment_bytes"] // SLOTS
        except UerlError as error:
            found = {**setting, "error": str(error)}
        self.tried.append(found)
        if self.talks:
            say(_line(found))
        return None if "error" in found else found

    @contextmanager
    def env(self, worlds: int, per_simulator: int, waiting: str) -> Iterator[Any]:
        """An env of one setting."""
        from uerl_shm.cli.actions import num_envs_of
        from uerl_shm.vec_env import VecEnv

        before = os.environ.get(WAIT)
        if waiting == "sleep":
            os.environ[WAIT] = "sleep"
        try:
            env = VecEnv(
                self.simulator, num_envs_of(self.spec, worlds), spec=self.spec,
                envs_per_simulator=per_simulator, startup_timeout_s=self.startup_timeout_s,
                on_death="raise", slots=SLOTS,
            )  # fmt: skip
            with closing(env):
                yield env
        finally:
            os.environ.pop(WAIT, None)
            if before is not None:
                os.environ[WAIT] = before


def is_better(found: dict[str, Any], best: dict[str, Any]) -> bool:
    """Whether a setting is worth it."""
    return bool(found["env_steps_per_s"] > WORTH * best["env_steps_per_s"])


def _line(found: dict[str, Any]) -> str:
    simulators = found["worlds"] // found["per_simulator"]
    about = f"{found['worlds']:>4} envs in {simulators:>3} simulators, waiting {found['waiting']}"
    if "error" in found:
        return f"{about}: {found['error'].splitlines()[0]}"
    return (
        f"{about:45} {count_text(found['env_steps_per_s']):>10} env steps/s   step "
        f"{seconds_text(found['step_s']['p50']):>8}   learner waits "
        f"{share_text(found['wait_share'])}"
    )


def _print(found: dict[str, Any], simulator: str) -> None:
    turns = found["in_turn"]
    said = "" if not turns else f"at once {turns['1']:,.0f}, two halves in turn {turns['2']:,.0f}/s"
    wait = "" if found["waiting"] == "adaptive" else f"set {WAIT}=sleep for learner and simulators"
    all_slots = found["slots"] * found["slot_bytes"]
    say("")
    print_table(
        ["propose", ">", ""],
        (
            ("num_envs", found["num_envs"], f"{count_text(found['env_steps_per_s'])} env steps/s"),
            ("envs_per_simulator", found["envs_per_simulator"], ""),
            ("slots", found["slots"], f"rollouts without copies; {bytes_text(all_slots)} in all"),
            ("groups", found["groups"], said),
            ("waiting", found["waiting"], wait),
        ),
    )
    settings = f"num_envs={found['num_envs']}, envs_per_simulator={found['envs_per_simulator']}"
    say(f"\nuerl_shm.VecEnv({simulator!r}, {settings}, slots={found['slots']})")
