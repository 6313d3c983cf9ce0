"""`uerl-shm bench`: how fast somebody's own engine steps, and where the time goes."""

from __future__ import annotations

import time
from array import array
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uerl_shm.cli.options import (
    EnvsPerSimulatorOption,
    JsonOption,
    NumEnvsOption,
    SimulatorOption,
    StartupTimeoutOption,
    TimeoutOption,
)
from uerl_shm.cli.output import count_text, print_json, print_table, say, seconds_text, share_text

if TYPE_CHECKING:
    from uerl_shm.spec import EnvSpec
    from uerl_shm.vec_env import VecEnv

NUM_BATCHES = 16  # of actions, drawn before the clock runs
WARM_UP_STEPS = 20


def bench(
    simulator: SimulatorOption,
    num_envs: NumEnvsOption = 1,
    envs_per_simulator: EnvsPerSimulatorOption = 1,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="How long to step.")] = 5.0,
    timeout_s: TimeoutOption = 60.0,
    startup_timeout_s: StartupTimeoutOption = 300.0,
    as_json: JsonOption = False,
) -> None:
    """Measure a simulator: steps per second, who waits.

    Examples:
        uerl-shm bench --simulator "uerl-sim apples" --num-envs 8
        uerl-shm bench --simulator "./MyGame.sh -RenderOffScreen" --seconds 30

    Random actions, NEXT_STEP resets, no policy. Learner and simulators share the machine's cores:
    compare the figures with those of other runs on the same machine only.
    """
    from uerl_shm.launcher import describe
    from uerl_shm.vec_env import VecEnv

    spec = describe(simulator, timeout_s=startup_timeout_s)
    env = VecEnv(
        simulator,
        num_envs,
        spec=spec,
        envs_per_simulator=envs_per_simulator,
        timeout_s=timeout_s,
        startup_timeout_s=startup_timeout_s,
        on_death="raise",
    )
    with closing(env):
        found = measure(env, spec, seconds)
    print_json(found) if as_json else _print(found)


def measure(env: VecEnv, spec: EnvSpec, seconds: float) -> dict[str, Any]:
    """Step an env with random actions, and return what was found.

    ``learner_share`` is the learner's own work: writing actions, reading results. ``wait_share`` is
    the time it stood still. ``simulator_share`` is the least time that the simulators' work can
    take: that of the busiest, or of all on the cores that there are. What is left of the wait is
    the hand-over: waking each other, and waiting for a core.
    """
    import numpy as np

    from uerl_shm import _core
    from uerl_shm.cli.actions import draw_batch

    generator = np.random.default_rng(0)
    batches = [draw_batch(spec, env.num_worlds, generator) for _ in range(NUM_BATCHES)]
    env.reset(seed=0)
    for step in range(WARM_UP_STEPS):
        env.step(batches[step % NUM_BATCHES])
    observer = _core.Observer(env.segment_name)
    num_lanes = observer.header()["num_lanes"]
    lanes = [observer.lane(lane) for lane in range(num_lanes)]
    waited_s = env.stats()["wait_s"]
    times = _step_times(env, batches, seconds)
    waited_s = env.stats()["wait_s"] - waited_s
    total_s = float(times.sum())
    busy_s = [total_s - observer.lane(i)["wait_s"] + lane["wait_s"] for i, lane in enumerate(lanes)]
    work_s = max(*busy_s, sum(busy_s) / _core.num_cores())
    p50, p99 = (float(value) for value in np.percentile(times, (50, 99)))
    wait_share = min(waited_s / total_s, 1.0)
    return {
        "env": spec.name,
        "num_envs": env.num_envs,
        "num_worlds": env.num_worlds,
        "num_simulators": num_lanes,
        "segment_bytes": observer.header()["segment_bytes"],
        "num_batches": len(times),
        "seconds": total_s,
        "env_steps_per_s": len(times) * env.num_worlds / total_s,
        "batches_per_s": len(times) / total_s,
        "step_s": {"p50": p50, "p99": p99, "max": float(times.max())},
        "learner_share": 1.0 - wait_share,
        "wait_share": wait_share,
        "simulator_share": min(max(work_s / total_s, 0.0), 1.0),
        "copied_batches": env.stats()["copied_batches"],
    }


def _step_times(env: VecEnv, batches: list[Any], seconds: float) -> Any:
    """Return the time of each step, in seconds; at least one."""
    import numpy as np

    clock = time.perf_counter
    times = array("d")  # a quarter of a list's memory
    before = begin = clock()
    while not times or before - begin < seconds:
        env.step(batches[len(times) % NUM_BATCHES])
        now = clock()
        times.append(now - before)
        before = now
    return np.array(times)


def measure_in_turn(
    env: VecEnv, spec: EnvSpec, seconds: float, groups: int, policy_s: float
) -> float:
    """Return worlds stepped a second, beside a policy that takes ``policy_s`` for all rows.

    Args:
        env: Reset before.
        spec: Of its worlds.
        seconds: How long to step.
        groups: 1: the policy sees all rows, while all simulators wait. 2: the half of the rows that
            is done, while the other half's simulators work.
        policy_s: Busy time of a policy for one batch of all rows; a half takes half of it.
    """
    import numpy as np

    from uerl_shm.cli.actions import draw_batch

    actions = draw_batch(spec, env.num_worlds, np.random.default_rng(0))
    env.reset(seed=0)
    env.send(actions)
    least, done = env.num_envs // groups, 0
    clock = time.perf_counter
    begin = clock()
    while clock() - begin < seconds:
        ids = env.recv(min_envs=least).env_ids
        done += len(ids)
        share = len(ids) / env.num_envs
        end = clock() + policy_s * share
        while clock() < end:
            pass
        env.send(_some(actions, ids), ids)
    rate = done * env.num_worlds / env.num_envs / (clock() - begin)
    env.recv()
    return rate


def _some(actions: Any, ids: Any) -> Any:
    if isinstance(actions, dict):
        return {name: _some(part, ids) for name, part in actions.items()}
    return actions[: len(ids)]


def _print(found: dict[str, Any]) -> None:
    step = found["step_s"]
    handover = max(found["wait_share"] - found["simulator_share"], 0.0)
    say(
        f"[bold]{found['env'] or 'simulator'}[/bold]  {found['num_worlds']} envs in "
        f"{found['num_simulators']} simulators, {found['num_batches']:,} batches in "
        f"{found['seconds']:.1f} s"
    )
    print_table(
        ["", ">", ""],
        (
            ("env steps/s", count_text(found["env_steps_per_s"]), ""),
            ("batches/s", count_text(found["batches_per_s"]), ""),
            ("step, p50", seconds_text(step["p50"]), "of all envs together"),
            ("step, p99", seconds_text(step["p99"]), f"longest {seconds_text(step['max'])}"),
            ("simulators work", share_text(found["simulator_share"]), "of a step, at the least"),
            ("learner waits", share_text(found["wait_share"]), "of a step"),
            ("hand-over", share_text(handover), "of a step: waking, and waiting for a core"),
            ("learner works", share_text(found["learner_share"]), "of a step: actions, batches"),
        ),
    )
