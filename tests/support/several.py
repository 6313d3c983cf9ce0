"""Help for tests of several learners of one simulation: specs in parts, envs made side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from support.bundled import UERL_SIM, describe
from uerl_shm import VecEnv
from uerl_shm import segment as segments

TESTS = Path(__file__).resolve().parents[1]
GROUPS = ("red", "blue")  # of the scene `gather`, in its order
WORDS = "gather --agents 4 --episode-steps 25"  # of learners in processes of their own
WAIT_S = 20.0


def part(spec: Mapping[str, Any], *groups: str, parameters: bool = False) -> dict[str, Any]:
    """Some groups of a spec."""
    return {
        **spec,
        "groups": [group for group in spec["groups"] if group["name"] in groups],
        "parameters": spec["parameters"] if parameters else {},
    }


def side_by_side(calls: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """What each call returns; all run at once, because each waits for the others."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


class Shared:
    """Simulators of `gather`, and one learner in this process for each of its teams.

    Attributes:
        env: Team to its `VecEnv`.
        simulators: The processes, one for each lane.
    """

    def __init__(self, tmp_path: Path, words: str, num_worlds: int = 1, **rest: Any) -> None:
        self.names = {team: segments.new_name() for team in GROUPS}
        self.spec = describe(tmp_path, words)
        self.env: dict[str, VecEnv] = {}
        self.options = {"timeout_s": WAIT_S, "startup_timeout_s": WAIT_S, "copy": True, **rest}
        self.agents = self.spec["groups"][0]["agents"]
        self.num_worlds = num_worlds
        lanes = num_worlds // self.options.setdefault("envs_per_simulator", num_worlds)
        self.simulators = [start(words, self.names.values(), lane) for lane in range(lanes)]

    def __enter__(self) -> Shared:
        try:
            side_by_side({team: lambda team=team: self.make(team) for team in GROUPS})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for env in self.env.values():
            env.close()
        for simulator in self.simulators:
            simulator.kill()
            simulator.wait()

    def make(self, team: str, **changes: Any) -> VecEnv:
        """Create the learner of a team; the first one has the scene's parameters."""
        spec = part(self.spec, team, parameters=team == GROUPS[0])
        rows = self.num_worlds * self.agents
        options = {**self.options, **changes}
        self.env[team] = VecEnv(num_envs=rows, spec=spec, name=self.names[team], **options)
        return self.env[team]

    def reset(self, **of_team: Mapping[str, Any]) -> dict[str, Any]:
        """Reset all teams, each with arguments of its own; return observations."""
        resets = {
            team: lambda team=team: self.env[team].reset(**of_team.get(team, {}))[0]
            for team in GROUPS
        }
        return side_by_side(resets)

    def step(self, **actions: np.ndarray) -> dict[str, Any]:
        """Step all teams in turn; return a `StepBatch` for each. A team without actions rests."""
        for team, env in self.env.items():
            env.send(actions.get(team, rest(env)))
        return {team: env.recv() for team, env in self.env.items()}


def rest(env: VecEnv) -> np.ndarray:
    """Actions of agents that do nothing."""
    return np.zeros((env.num_envs, 3), np.float32)


def start(words: str, names: Iterable[str], lane: int = 0) -> subprocess.Popen[bytes]:
    """Start a simulator of several learners, told its names by the environment."""
    told = {"UERL_SHM_NAME": ",".join(names), "UERL_SHM_LANE": str(lane)}
    return subprocess.Popen([UERL_SIM, *words.split()], env={**os.environ, **told})


def arrays_of(value: Any, name: str = "") -> dict[str, np.ndarray]:
    """The arrays of nested dicts, by path."""
    if not isinstance(value, Mapping):
        return {name: np.asarray(value)}
    return {
        path: array
        for key, inner in value.items()
        for path, array in arrays_of(inner, f"{name}/{key}").items()
    }


def same(found: Any, expected: Any) -> bool:
    """Whether nested dicts of arrays are the same, byte for byte."""
    ours, theirs = arrays_of(found), arrays_of(expected)
    return ours.keys() == theirs.keys() and all(
        ours[path].dtype == theirs[path].dtype and ours[path].tobytes() == theirs[path].tobytes()
        for path in ours
    )


@contextmanager
def learner(
    tmp_path: Path, spec: dict[str, Any], name: str, team: str, num_worlds: int, steps: int
) -> Iterator[subprocess.Popen[str]]:
    """A learner of one team in a process of its own."""
    path = tmp_path / f"{team}.json"
    path.write_text(json.dumps(part(spec, team, parameters=team == GROUPS[0])))
    words = [name, team, num_worlds * 4, path, steps, tmp_path / f"{team}.npz"]
    process = subprocess.Popen(
        [sys.executable, "-m", "support.team_learner", *map(str, words)],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
