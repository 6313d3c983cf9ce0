"""`make bench-report`: docs/benchmarks.md and its pictures, from kept runs only."""

from __future__ import annotations

import json
import sys
from itertools import cycle
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib
from promises import BARE, PROMISES, Run, bare_facts
from transports import OURS

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Patch

ROOT = Path(__file__).resolve().parents[1]
RESULTS, DOCS = ROOT / "benchmarks" / "results", ROOT / "docs"
Row = dict[str, Any]

INTRODUCTION = """# Benchmarks

`make bench` measures what is promised here (about 5 minutes), `make bench-full` everything (11),
and `make bench-report` writes this page from the runs that are kept in `benchmarks/results`:
nothing is written by hand.

How it is done:

- Every transport carries the same simulator, `uerl-sim probe`, in C++; before anything is timed,
  every byte of 30 batches is compared with what the simulator must have written.
- Peers run at their best: no compression, no copies beyond those of their library, TCP_NODELAY,
  all requests sent before the first answer is read, raw bytes instead of protobuf for gRPC. Where
  there are several clients, the fastest counts.
- Figures are medians of one run, one call after the other from one Python process; simulators are
  processes of their own. Nothing is pinned. Ratios carry over to other machines, figures do not.
- In a virtual machine a halted core wakes slowly, which flatters whoever does not sleep.
"""


NAMES = {
    "uerl_shm": "uerl_shm",
    "uerl_shm-sleeps_at_once": "uerl_shm, futexes only",
    "websockets-served_by_c++-websockets": "websockets, C++ server, `websockets`",
    "websockets-served_by_c++-websocket_client": "websockets, C++ server, `websocket-client`",
    "websockets-served_by_python": "websockets, Python server",
    "websockets-cbor": "websockets with CBOR, as UERL",
    "grpc-stream": "gRPC stream",
    "grpc-unary": "gRPC unary, as ML-Agents",
    "tcp": "TCP",
    "semaphores-holodeck": "semaphores and copies, as Holodeck",
    "polls_1ms-learning_agents": "polls every ms, as Learning Agents",
    "two_semaphores": "two semaphores, no data",
    "HostedVectorEnv": "uerl_shm.HostedVectorEnv",
    "gymnasium-AsyncVectorEnv": "Gymnasium AsyncVectorEnv",
    "stable_baselines3-SubprocVecEnv": "SB3 SubprocVecEnv",
    "torchrl-ParallelEnv": "TorchRL ParallelEnv",
    "envpool-threads-Pong": "EnvPool Pong",
}


def name_of(row: Row) -> str:
    """A transport as people read it."""
    return NAMES.get(str(row["transport"]), str(row["transport"]))


def microseconds(seconds: float) -> str:
    """Three digits."""
    return f"{seconds * 1e6:,.3g}" if seconds < 1e-3 else f"{seconds * 1e6:,.0f}"


def markdown(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A table; columns after the first are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def promised(run: Run) -> str:
    """What is promised, and what was measured."""
    rows = []
    for promise in PROMISES:
        try:
            figure = promise.compute(run)
            said = f"{figure:.3g}" + ("" if promise.holds(figure) else " (missed)")
        except LookupError:
            said = "not measured"
        rows.append((promise.workload, promise.against, promise.bound(), said))
    return markdown(("workload", "against", "promised", "measured"), rows)


def steps(run: Run, question: str, *facts: str) -> str:
    """Every row of a question: median, p99, env steps a second."""
    rows = []
    for row in run.rows:
        if row.get("question") != question:
            continue
        p99 = row["percentiles_s"][row["percents"].index(99)]
        rate = f"{row['num_envs'] / row['p50_s']:,.0f}"
        extra = ["x".join(map(str, row[f])) if f == "frame" else row[f] for f in facts]
        rows.append(
            (name_of(row), *extra, microseconds(row["p50_s"]), microseconds(p99), rate)
        )  # fmt: skip
    names = list(NAMES.values())
    rows.sort(key=lambda row: names.index(row[0]) if row[0] in names else len(names))
    head = ("", *(fact.replace("_", " ") for fact in facts), "median us", "p99 us", "env steps/s")
    return markdown(head, rows)


def wakes(run: Run) -> str:
    """What two wakes of idle cores cost by themselves."""
    found = (run.median("idle_core_wakes"), run.median("latency", transport=OURS))
    names = ("two wakes by futex, there and back", "a whole `env.step` of uerl_shm")
    return markdown(("", "median us"), list(zip(names, map(microseconds, found), strict=True)))


def latency_picture(run: Run, path: Path) -> None:
    """The distribution of one step of one simulator."""
    figure, axes = plt.subplots(figsize=(8, 4))
    styles = cycle(("-", "--", ":"))
    for row in run.rows:
        if row.get("question") == "latency":
            wide = 3 if row["transport"] == OURS else 1
            micros = [value * 1e6 for value in row["percentiles_s"]]
            axes.plot(micros, row["percents"], next(styles), label=name_of(row), linewidth=wide)
    axes.set(xscale="log", xlabel="microseconds for one step of one simulator", ylabel="percentile")
    finish(figure, axes, path)


def throughput_picture(run: Run, path: Path) -> None:
    """Env steps a second over the number of simulators."""
    figure, axes = plt.subplots(figsize=(8, 4))
    found: dict[str, list[tuple[int, float]]] = {}
    for row in run.rows:
        if row.get("question") == "throughput":
            point = (row["num_envs"], row["num_envs"] / row["p50_s"])
            found.setdefault(name_of(row), []).append(point)
    for name, points in found.items():
        axes.plot(*zip(*sorted(points), strict=True), marker="o", label=name,
                  linewidth=3 if name == name_of({"transport": OURS}) else 1)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="simulators", ylabel="env steps a second")
    counts = sorted({count for points in found.values() for count, _ in points})
    axes.set_xticks(counts, list(map(str, counts)))
    axes.minorticks_off()
    finish(figure, axes, path)


def cost_picture(run: Run, path: Path) -> None:
    """Processor time of the learner for each env step, by transport and size of the frame."""
    figure, axes = plt.subplots(figsize=(8, 3.5))
    rows = [row for row in run.rows if row.get("question") == "process_cpu"]
    names = list(dict.fromkeys(map(name_of, rows)))
    frames = list(dict.fromkeys("x".join(map(str, row["frame"])) for row in rows))
    for row in rows:
        frame = frames.index("x".join(map(str, row["frame"])))
        axes.barh(names.index(name_of(row)) + 0.4 * frame, row["cpu_s"] / row["num_envs"] * 1e6,
                  height=0.35, color=f"C{frame}")  # fmt: skip
    axes.set_yticks([number + 0.2 for number in range(len(names))], names)
    axes.invert_yaxis()
    axes.legend(handles=[Patch(color=f"C{n}", label=frame) for n, frame in enumerate(frames)])
    axes.set(xscale="log", xlabel="microseconds of the learner's processor time for each env step")
    finish(figure, axes, path, legend=False)


def finish(figure: Any, axes: Any, path: Path, *, legend: bool = True) -> None:
    """Write a picture."""
    axes.grid(alpha=0.3)
    if legend:
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
    print(f"wrote {path}")


def bare(run: Run) -> str:
    """What processes take that exchange nothing but a counter, beside a whole `env.step`."""
    rows = []
    for workload, question, facts in BARE:
        try:
            least = run.find("bare", **bare_facts(facts))
            ours = run.median(question, transport=OURS, **facts)
        except LookupError:
            continue
        found = (least["p50_s"], ours)
        share = f"{least['p50_s'] / ours:.2f}"
        rows.append((workload, *map(microseconds, found), share, least["way"]))
    head = ("", "bare, us", "uerl_shm, us", "share", "bare processes wait by")
    return markdown(head, rows)


def costs(run: Run) -> str:
    """Processor time, copies, system calls, memory."""
    rows = []
    for row in run.rows:
        if row.get("question") == "learner_cpu":
            frame = "x".join(map(str, row["frame"]))
            cpu = f"{row['cpu_s'] / row['num_envs'] * 1e6:.2f} us"
            rows.append((f"learner's processor time for each env step, {frame}, no writes", cpu))
            rows.append((f"batches copied, rows gathered, {frame}", row["copied_batches"]))
        elif row.get("question") == "process_cpu":
            about = f"{name_of(row)}: processor time for each env step"
            frame = "x".join(map(str, row["frame"]))
            rows.append((f"{about}, {frame}", f"{row['cpu_s'] / row['num_envs'] * 1e6:,.1f} us"))
        elif row.get("question") == "system_calls":
            words = f"system calls in {row['steps']:,} steps of one simulator"
            rows.append((f"{name_of(row)}: {words}", f"{row['calls']:,}"))
        elif row.get("question") == "memory":
            about = f"with {row['num_envs']} simulators of 84x84x3"
            rows.append((f"own memory of each simulator, {about}", f"{row['own_bytes']:,} bytes"))
            rows.append((f"segment for each, {about}", f"{row['segment_bytes']:,} bytes"))
        elif row.get("question") == "c_loop":
            share = f"{row['share']:.2f}"
            rows.append(("env.step from Python, as a share of the same loop in C++", share))
    return markdown(("", "figure"), rows)


def pixels(run: Run) -> str:
    """What each way takes to convert one frame of camera pixels."""
    ways = ("uerl_shm", "path-avx2", "path-ssse3", "path-scalar", "loop", "memcpy")
    rows = []
    for row in run.rows:
        if row.get("question") == "pixels":
            times_s = [row["times_s"].get(way) for way in ways]
            found = ["" if time_s is None else microseconds(time_s) for time_s in times_s]
            size = "x".join(map(str, row["frame"]))
            rows.append((f"{size} to {row['pixels']}, pitch {row['pitch_bytes']}", *found))
    head = ("us", "uerl_shm", "AVX2", "SSSE3", "plain C", "not vectorised", "memcpy")
    return markdown(head, rows)


def ppo(run: Run) -> str:
    """PPO end to end, and the transport's share of it."""
    rows = []
    for row in run.rows:
        if row.get("question") == "ppo":
            shares = (row["policy"], row["step"], row["learning"])
            parts = [f"{part / row['seconds']:.0%}" for part in shares]
            rate = f"{row['steps_per_s']:,.0f}"
            rows.append((name_of(row), rate, f"{row['seconds']:.1f}", row["env_steps"], *parts))
    head = ("", "env steps/s", "s to the goal", "env steps to it", "policy", "step", "learning")
    return markdown(head, rows)


def page(kept: dict[str, Any], run: Run) -> str:
    """The whole page."""
    machine = kept["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    gibibytes = machine["memory_bytes"] / 2**30
    parts = [
        INTRODUCTION,
        fill(
            f"Measured {kept['when']} on {machine['cores']} cores of {kept['processor']}, "
            f"{gibibytes:.0f} GiB, Linux {machine['kernel']}, Python {machine['python_version']}; "
            f"{versions}. Not run on a GPU.",
            width=100,
        ),
        "## What is promised", promised(run),
        "## How long is one step?", "One simulator, 84x84x3 and 64 floats.",
        "![latency](images/benchmarks-latency.png)", steps(run, "latency"),
        "Beside it, two processes that only wake each other in turn (`idle_core_wakes`):",
        wakes(run),
        "## How many steps a second?", "Simulators without work of their own, 84x84x3.",
        "![throughput](images/benchmarks-throughput.png)", steps(run, "throughput", "num_envs"),
        "## Larger frames", "16 simulators.", steps(run, "frames", "frame"),
        "## Engines that compute or wait", steps(run, "engines", "num_envs", "step_us", "wait_us"),
        "## What the machine allows",
        fill(
            "Processes that do the same work and write the same bytes, but exchange nothing except "
            "a counter: no messages, liveness, flow control or Python. Where a promise above is "
            "missed, this is how much of the way is left.",
            width=100,
        ),
        bare(run),
        "## Beside endless loops", "16 simulators.", steps(run, "busy", "loops"),
        "## Several envs in one process", steps(run, "rows", "num_envs", "processes"),
        "## Slots, and partial batches", steps(run, "slots", "slots"),
        "`recv(min_envs=...)`, of 16:", steps(run, "partial", "num_envs"),
        "## Python envs", "84x84x3, trivial; EnvPool is another class: threads, envs of its own.",
        steps(run, "python_envs", "num_envs"),
        "## What a step costs", "![cost](images/benchmarks-cost.png)", costs(run),
        "## Pixels",
        fill(
            "BGRA with a row pitch becomes a row of the segment; one frame over and over, in the "
            "cache. The paths by themselves, the library's plain C as it is compiled, a loop that "
            "is not vectorised, and a memcpy of as many bytes as the pixels have.",
            width=100,
        ),
        pixels(run),
        "## PPO on apples, end to end",
        "8 worlds, until the mean return of 32 episodes is 15; the same policy, seed and worlds.",
        ppo(run),
    ]  # fmt: skip
    return "\n\n".join(part.strip() for part in parts) + "\n"


def main() -> None:
    """Write page and pictures from the newest kept run."""
    paths = sorted(RESULTS.glob("*.json"))
    if not paths:
        sys.exit(f"no run is kept in {RESULTS}, expected one: make bench-full")
    kept = json.loads(paths[-1].read_text())
    run = Run(kept["rows"])
    images = DOCS / "images"
    images.mkdir(exist_ok=True)
    latency_picture(run, images / "benchmarks-latency.png")
    throughput_picture(run, images / "benchmarks-throughput.png")
    cost_picture(run, images / "benchmarks-cost.png")
    (DOCS / "benchmarks.md").write_text(page(kept, run))
    print(f"wrote {DOCS / 'benchmarks.md'} from {paths[-1].name}")


if __name__ == "__main__":
    main()
