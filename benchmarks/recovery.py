"""How long does a learner stand still when a simulator is killed or stopped, or it dies itself?

    make recovery

16 `probe` simulators. The last line is ``RESULT key=value ...``, times in seconds; the exit code is
1 when a promise is not kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

import uerl_shm

ROOT = Path(__file__).resolve().parents[1]
NUM_ENVS = 16
COMMAND = "uerl-sim probe --episode-steps 0"
DEADLINE_S = 0.3
NAME = f"uerl-recovery-{os.getpid()}"
PROMISES = {"kill_step_s": 0.5, "kill_back_s": 3.0, "stop_step_s": DEADLINE_S + 0.5, "next_s": 2.0}
LEARNER = """
import sys, uerl_shm
env = uerl_shm.VecEnv(None, int(sys.argv[2]), spec=sys.argv[3], name=sys.argv[1])
env.reset(seed=0)
print("ready", flush=True)
while True:
    env.step(env.action_space.sample())
"""


def step(env: uerl_shm.VecEnv) -> Any:
    """Step; return which rows are valid."""
    return env.step(np.zeros((NUM_ENVS, 4), np.float32))[4]["valid"]


def hurt(env: uerl_shm.VecEnv, lane: int, number: int) -> float:
    """Send a signal to a simulator; return the time."""
    pid = env._simulators.launcher.pid(lane)
    assert pid is not None
    os.kill(pid, number)
    return time.monotonic()


def until_valid(env: uerl_shm.VecEnv, start: float) -> float:
    """Step until all rows are valid; return the seconds since `start`."""
    while not step(env).all():
        if time.monotonic() - start > 30:
            return float("inf")
    return time.monotonic() - start


def simulators_hurt() -> dict[str, float]:
    """A simulator is killed, another one stopped."""
    found = {}
    with closing(uerl_shm.VecEnv(COMMAND, NUM_ENVS, step_deadline_s=DEADLINE_S)) as env:
        env.reset(seed=0)
        for _ in range(100):
            step(env)
        start = hurt(env, 3, signal.SIGKILL)
        valid = step(env)
        found["kill_step_s"] = time.monotonic() - start
        found["kill_valid"] = int(valid.sum())
        found["kill_back_s"] = until_valid(env, start)
        start = hurt(env, 5, signal.SIGSTOP)
        valid = step(env)
        found["stop_step_s"] = time.monotonic() - start
        found["stop_valid"] = int(valid.sum())
        found["stop_back_s"] = until_valid(env, hurt(env, 5, signal.SIGCONT))
    return found


def learner_killed() -> dict[str, float]:
    """A learner is killed under load; the next one steps the same processes."""
    spec = ROOT / "build" / "recovery.json"
    spec.parent.mkdir(exist_ok=True)
    command = [str(Path(uerl_shm.__file__).parent / "bin" / "uerl-sim"), *COMMAND.split()[1:]]
    subprocess.run([*command, "--describe", str(spec)], check=True)
    simulators = [
        subprocess.Popen([*command, "--name", NAME, "--lane", str(n), "--next-learner-s", "30"])
        for n in range(NUM_ENVS)
    ]
    words = [sys.executable, "-c", LEARNER, NAME, str(NUM_ENVS), str(spec)]
    learner = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert learner.stdout is not None
    learner.stdout.readline()
    time.sleep(1.0)
    try:
        start = time.monotonic()
        learner.kill()
        learner.wait()  # as whatever starts the next one does
        with closing(uerl_shm.VecEnv(None, NUM_ENVS, spec=spec, name=NAME)) as env:
            env.reset(seed=0)
            valid = step(env)
            seconds = time.monotonic() - start
        same = sum(process.poll() is None for process in simulators)
        return {"next_s": seconds, "next_valid": int(valid.sum()), "same_processes": same}
    finally:
        for process in [learner, *simulators]:
            process.kill()
            process.wait()


def main() -> int:
    """Return the exit code."""
    found = {**simulators_hurt(), **learner_killed()}
    print("RESULT", *(f"{key}={value:.4g}" for key, value in found.items()))
    kept = all(found[key] <= most for key, most in PROMISES.items())
    counts = (
        found["kill_valid"],
        found["stop_valid"],
        found["next_valid"],
        found["same_processes"],
    )
    return 0 if kept and counts == (NUM_ENVS - 1, NUM_ENVS - 1, NUM_ENVS, NUM_ENVS) else 1


if __name__ == "__main__":
    sys.exit(main())
