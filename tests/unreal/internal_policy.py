"""Does an exported policy decide in the engine as it does at the learner?

A learner plays a torch policy over the stand-in engine and keeps what it saw and did. The policy
is exported; the engine runs it twice: under a learner that sends other actions, where what was
seen and done must be the same again, and without one, where the engine's own record is compared
with what torch does on it.

    python tests/unreal/internal_policy.py --observations 1000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from policy_support import make_policy, play, policy_actions, read_demonstrations

import build as shim_build
import uerl_shm
from uerl_shm.torch import export_onnx

ENVS = 2
MOST_DIFFERENCE = 1e-5
Rows = dict[str, np.ndarray]


def stacked(rows: list[Rows]) -> Rows:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def run_learner(
    command: str, steps: int, policy: Any, options: str = ""
) -> tuple[Rows, Rows, Rows]:
    """Return observations, the learner's actions, and what the engine says was done."""
    seen, sent, taken = [], [], []
    with closing(uerl_shm.VecEnv(f"{command} {options}", ENVS)) as env:
        observation, _ = env.reset(seed=3)
        for _ in range(steps):
            seen.append({name: np.array(array) for name, array in observation.items()})
            if policy is None:  # anything but what the engine's own policy does
                sent.append({name: space.sample() for name, space in env.action_space.items()})
            else:
                sent.append(policy_actions(policy, seen[-1]))
            observation, *_, info = env.step(sent[-1])
            stepped = {name: np.array(info[f"{name}_taken"]) for name in sent[-1]}
            taken.append(stepped)
    return stacked(seen), stacked(sent), stacked(taken)


def differences(one: Rows, other: Rows, keep: np.ndarray) -> tuple[int, float]:
    """Rows whose choices differ or whose floats differ too much; the greatest difference."""
    different, most = np.zeros(int(keep.sum()), bool), 0.0
    for name in one:
        a, b = (rows[name][keep].astype(np.float64) for rows in (one, other))
        apart = np.abs(a - b).reshape(len(a), -1).max(1)
        different |= apart > (MOST_DIFFERENCE if one[name].dtype.kind == "f" else 0)
        most = max(most, float(apart.max()))
    return int(different.sum()), most


def spec_of(command: str) -> Any:
    with closing(uerl_shm.VecEnv(command, 1)) as env:
        return env.spec.groups[0]


def compare(program: Path, observations: int, camera: int, folder: Path) -> dict[str, float]:
    """Run everything; return the figures of the RESULT line."""
    command = f"{program} Policy -ShimCamera={camera}"
    model, record = folder / "policy.onnx", folder / "played.uerldemo"
    group = spec_of(command)
    policy = make_policy(group, run_learner(command, 60, None)[0])
    export_onnx(policy, group, model)
    steps = -(-observations // ENVS)
    seen, sent, done = run_learner(command, steps, policy)
    again, _, taken = run_learner(command, steps, None, f"-ShimMode=Internal -ShimModel={model}")
    # The step after an episode's end is a reset, which does nothing.
    stepped = np.ones(len(done["side"]), bool)
    stepped[20 * ENVS :] = np.arange(len(stepped) - 20 * ENVS) // ENVS % 21 != 0
    external, _ = differences(sent, done, stepped)
    different, most = differences(policy_actions(policy, again), taken, stepped)
    # Actions that differ in their last bit move an agent by some of a location's last bits.
    unlike = sum(not np.allclose(seen[name], again[name], 1e-5, 1e-2) for name in seen)

    play(
        program,
        f"-ShimCamera={camera}",
        "-ShimMode=Internal",
        f"-ShimModel={model}",
        f"-ShimRecord={record}",
        ticks=observations,
    )
    _, records = read_demonstrations(record)
    records = records[~records["last"]]
    played = {name: records[f"action/{name}"] for name in group.action}
    wanted = policy_actions(policy, {n: records[f"observation/{n}"] for n in group.observation})
    alone, most_alone = differences(wanted, played, np.ones(len(records), bool))
    return {
        "observations": int(stepped.sum()),
        "distinct": len(np.unique(seen["location"], axis=0)),
        "choices": len(np.unique(sent["side"])),
        "external_different": external,
        "arrays_different": unlike,
        "different": different,
        "max_abs_difference": most,
        "alone_observations": len(records),
        "alone_different": alone,
        "alone_max_abs_difference": most_alone,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--observations", type=int, default=1000)
    parser.add_argument("--camera", type=int, default=42, help="pixels of a side")
    options = parser.parse_args()
    program = shim_build.build(shim_build.ROOT / "build" / "unreal" / "plain")
    with tempfile.TemporaryDirectory() as folder:
        # A twentieth more, because resets are not decisions.
        rows = options.observations * 21 // 20 + 2 * ENVS
        found = compare(program, rows, options.camera, Path(folder))
    print("RESULT " + " ".join(f"{key}={value:g}" for key, value in found.items()))
    good = all(found[key] == 0 for key in found if key.endswith("different"))
    enough = found["observations"] >= options.observations and found["choices"] > 1
    sys.exit(0 if good and enough else 1)


if __name__ == "__main__":
    main()
