"""Help for tests of the command line: it as a program, and learners to look at."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

PROGRAM = [sys.executable, "-c", "from uerl_shm.cli import main; main()"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
#: A learner with the arguments of VecEnv that its own arguments are; steps until it is killed.
LEARNER = """
import ast, sys, uerl_shm
keywords = ast.literal_eval(sys.argv[1])
env = uerl_shm.VecEnv(**keywords)
env.reset(seed=0)
print("ready", flush=True)
while sys.argv[2] == "step":
    env.step(env.action_space.sample())
sys.stdin.read()
"""


def call_program(*arguments: str, **keywords: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line as a program, until it ends."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True, text=True, env=ENVIRONMENT, check=False, **keywords,
    )  # fmt: skip


def start_learner(doing: str = "wait", **keywords: Any) -> subprocess.Popen[str]:
    """Start a learner in a process of its own; return when its simulators are attached."""
    learner = subprocess.Popen(
        [sys.executable, "-c", LEARNER, repr(keywords), doing],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    )
    assert learner.stdout is not None
    assert learner.stdout.readline() == "ready\n"
    return learner


def kill(learner: subprocess.Popen[str]) -> None:
    """Kill a learner, so that its segment stays behind."""
    learner.kill()
    learner.communicate()
