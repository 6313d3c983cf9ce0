"""Which configurations are verified, and how one of them runs."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import product

import numpy as np

from uerl_shm import VecEnv
from verify import drives
from verify.checker import Tally
from verify.session import Session

DRIVES: dict[str, Callable[[Session, int], None]] = {
    "sync": drives.sync,
    "async": drives.asynchronous,
    "mixed": drives.mixed,
    "rollouts": drives.rollouts,
    "timeouts": drives.timeouts,
}
LONGEST_WAIT_US = 500  # of a simulator that is meant to be slower than others
TIMEOUT_S = 0.0005  # of step() and reset(), where timeouts are wanted
ROLLOUT_STEPS = 6


@dataclass(frozen=True)
class Configuration:
    """One way to use `VecEnv` with `probe`.

    Attributes:
        mode: Autoreset mode.
        drive: Key of `DRIVES`.
        groups: How many.
        agents: Of each group.
        envs_per_simulator: Worlds of each.
        output: "numpy" or "torch".
        copy: Plain copies instead of views.
        num_simulators: How many.
    """

    mode: str
    drive: str
    groups: int = 1
    agents: int = 1
    envs_per_simulator: int = 1
    output: str = "numpy"
    copy: bool = False
    num_simulators: int = 16

    @property
    def name(self) -> str:
        """What is printed."""
        parts = [self.mode, self.drive, f"groups={self.groups}", f"envs={self.envs_per_simulator}"]
        parts += [f"agents={self.agents}"] if self.agents > 1 else []
        parts += [self.output] if self.output != "numpy" else []
        parts += ["copy"] if self.copy else []
        return " ".join(parts)

    @property
    def weight(self) -> float:
        """Share of the env steps: engines that wait are slow, and small batches cost more each."""
        return (0.2 if self.drive == "timeouts" else 1.0) * (1 + self.envs_per_simulator / 4)


def configurations() -> list[Configuration]:
    """All that `make verify` runs: each mode, drive, number of groups and of envs; and more."""
    modes = ("NextStep", "SameStep", "Disabled")
    found = [
        Configuration(mode, drive, groups, envs_per_simulator=envs)
        for mode, drive, groups, envs in product(modes, DRIVES, (1, 2), (1, 8))
    ]
    found += [
        Configuration("NextStep", "mixed", agents=3),
        Configuration("SameStep", "sync", groups=2, agents=2, envs_per_simulator=8),
        Configuration("NextStep", "rollouts", output="torch"),
        Configuration("SameStep", "async", output="torch", envs_per_simulator=8),
        Configuration("Disabled", "mixed", copy=True),
    ]
    return found


def run(configuration: Configuration, num_steps: int, seed: int, bug: str | None = None) -> Tally:
    """Deliver and compare at least `num_steps` env steps; return what was seen.

    Args:
        configuration: What to run.
        num_steps: Env steps; the last batch may add a few.
        seed: Of every choice.
        bug: A fault of `probe` to switch on: "early", "stale" or "swap".
    """
    rng = np.random.default_rng(seed)
    impatient = configuration.drive == "timeouts"
    slots = 2 * ROLLOUT_STEPS + 2 if configuration.drive == "rollouts" else 6
    with warnings.catch_warnings():
        # That slots run out, so that batches become copies, is part of the plan.
        warnings.filterwarnings("ignore", "no slot is free", RuntimeWarning)
        env = VecEnv(
            _simulators(configuration, rng, bug),
            num_envs=_num_envs(configuration),
            envs_per_simulator=configuration.envs_per_simulator,
            slots=slots,
            autoreset_mode=configuration.mode,
            output=configuration.output,
            copy=configuration.copy,
            timeout_s=TIMEOUT_S if impatient else 60.0,
        )
        with closing(env):
            session = Session(
                env,
                rng,
                envs_per_simulator=configuration.envs_per_simulator,
                max_held=slots + 2,
                max_rollout_steps=ROLLOUT_STEPS,
                impatient=impatient,
            )
            try:
                DRIVES[configuration.drive](session, num_steps)
                session.end()
            except Exception:
                traceback.print_exc()
                session.tally.errors += 1
    # The env is closed now; what is still held must be readable and unchanged.
    session.holdings.let_all_go()
    return session.tally


def _num_envs(configuration: Configuration) -> int:
    worlds = configuration.num_simulators * configuration.envs_per_simulator
    return worlds * (configuration.agents if configuration.groups == 1 else 1)


def _simulators(
    configuration: Configuration, rng: np.random.Generator, bug: str | None
) -> Callable[[int], list[str]]:
    command = ["uerl-sim", "probe", "--info", "speed:float32:3"]
    command += ["--groups", str(configuration.groups), "--agents", str(configuration.agents)]
    command += [] if bug is None else ["--bug", bug]
    waits = rng.integers(0, LONGEST_WAIT_US, configuration.num_simulators)

    def simulator(lane: int) -> list[str]:
        if configuration.drive != "timeouts":
            return command
        return [*command, "--wait-us", str(waits[lane]), "--step-us", str(waits[-1 - lane] // 10)]

    return simulator
