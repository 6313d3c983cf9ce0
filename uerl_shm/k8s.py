"""Kubernetes manifests of a training: templates, and the memory that each container needs.

Sizes are computed from the spec by the code that makes segments, never written by hand. Templates
stand in k8s/templates, under the path of what they become; their parts in k8s/templates/parts.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from uerl_shm import __version__, _core
from uerl_shm.errors import SpecError
from uerl_shm.spec import EnvSpec
from uerl_shm.vec_making import Rows, layout_of

PACKAGE = Path(__file__).resolve().parent
# The wheel's copy, else that of a checkout.
FOLDERS = (PACKAGE / "_k8s", PACKAGE.parent / "k8s")
SUFFIXES = (".yaml", ".json")  # a dashboard is JSON
MIB = 1 << 20
RAY_MIB = 1024  # of Ray's own processes, in each Pod
OBJECT_STORE_MIB = 512  # of Ray, in each Pod: it stands in /dev/shm, too
SLACK_MIB = 32  # of /dev/shm: what libraries put there, such as PyTorch's and NCCL's
# Parts of manifests: for each simulator, and once; the latter may have the former in them.
EACH_LANE = ("simulator", "simulator-volume", "pinned-simulator", "dra-simulator")
ONCE = ("pod-security", "container-security", "volumes", "shm-init", "metrics", "learner-probes")
STREAM = ("common/config.yaml", "common/network-policy.yaml", "base/train-job.yaml")


@dataclass(frozen=True)
class Training:
    """What is rendered.

    Attributes:
        spec: Of the simulators.
        simulator: Command line of one of them, in its image.
        num_sims: Simulators of each Pod, one world each.
        num_steps: Of a rollout: the segment holds ``2 * num_steps + 2`` batches.
        num_pods: Pods with simulators, where Ray spreads a training over several.
        simulator_mib: Memory of one simulator's process, in MiB.
        learner_mib: Memory of the learner's process without the segment, in MiB.
    """

    spec: EnvSpec
    simulator: str
    num_sims: int
    num_steps: int = 128
    num_pods: int = 2
    simulator_mib: int = 256
    learner_mib: int = 2048

    def __post_init__(self) -> None:
        if len(self.spec.groups) != 1:
            raise SpecError(
                f"spec {self.spec.name!r} has {len(self.spec.groups)} groups, expected 1: "
                "`uerl-shm train` learns for one"
            )
        if not shlex.split(self.simulator):
            raise SpecError("the simulator's command line is empty, expected a program")

    def num_envs(self, num_sims: int) -> int:
        """Return the rows of so many simulators: one for each agent."""
        return num_sims * self.spec.groups[0].agents

    def segment_bytes(self, num_sims: int) -> int:
        """Return the bytes of the segment that the learner of so many simulators makes.

        Args:
            num_sims: Its lanes.
        """
        rows = Rows(self.spec, self.num_envs(num_sims), 1)
        layout = layout_of(self.spec, rows, 2 * self.num_steps + 2, "NextStep")
        return _core.segment_bytes(**layout)


def templates() -> Path:
    """Return the folder of manifests and templates.

    Raises:
        SpecError: There is none.
    """
    for folder in FOLDERS:
        if (folder / "templates").is_dir():
            return folder
    raise SpecError(f"templates not found, expected in {FOLDERS[0]}: reinstall uerl_shm")


def render(training: Training) -> dict[str, str]:
    """Return the manifests: text by path, relative to a folder ``k8s``."""
    folder = templates()
    files = {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.suffix in SUFFIXES and path.relative_to(folder).parts[0] != "templates"
    }
    parts = _Parts(folder / "templates/parts")
    ray_mib = RAY_MIB + training.learner_mib
    train = _Pod(training, training.num_sims, training.learner_mib).values(parts)
    kinds = {
        "loosely-coupled": _Pod(training, 1, training.learner_mib).values(parts),
        "ray": _Pod(training, training.num_sims, ray_mib, OBJECT_STORE_MIB).values(parts),
    }
    for path in sorted((folder / "templates").rglob("*.yaml")):
        name = path.relative_to(folder / "templates")
        if name.parts[0] != "parts":
            values = kinds.get(name.parts[0], train)
            files[name.as_posix()] = _filled(path.read_text(), values)
    return files


def stream(training: Training) -> str:
    """Return the training in one Pod as a stream of documents, for ``kubectl apply -f -``."""
    files = render(training)
    return "---\n".join(files[name] for name in STREAM)


def quantity(num_bytes: int) -> str:
    """Return bytes as Kubernetes writes them, rounded up to MiB."""
    return f"{-(-num_bytes // MIB)}Mi"


class _Parts:
    """The parts that several manifests share. Their first line is about them: it is left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def filled(self, name: str, values: Mapping[str, str]) -> str:
        """Return a part with its values, without a line's end."""
        _, text = (self._folder / f"{name}.yaml").read_text().split("\n", 1)
        return _filled(text, values).rstrip("\n")

    def for_each_lane(self, name: str, num_lanes: int, values: Mapping[str, str]) -> str:
        """Return a part for each lane."""
        return "\n".join(
            self.filled(name, {**values, "lane": str(lane)}) for lane in range(num_lanes)
        )


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Put values into a template; a value of several lines takes the indentation of its place."""
    return "".join(f"{line}\n" for each in text.splitlines() for line in _lines(each, values))


def _lines(line: str, values: Mapping[str, str]) -> Iterator[str]:
    indent = line[: len(line) - len(line.lstrip())]
    filled = re.sub(r"@\{(\w+)\}", lambda found: values[found[1]], line)
    first, *others = filled.split("\n")
    yield first
    for other in others:
        yield indent + other if other else other


@dataclass(frozen=True)
class _Pod:
    """What the sizes of one kind of Pod are computed from."""

    training: Training
    num_sims: int
    own_mib: int
    object_store_mib: int = 0

    def values(self, parts: _Parts) -> dict[str, str]:
        """Return what stands in templates of this kind of Pod."""
        values = _names(self.training) | self._sizes()
        values["sims"] = str(self.num_sims)
        values["num_envs"] = str(self.training.num_envs(self.num_sims))
        for name in EACH_LANE:
            filled = parts.for_each_lane(name, self.num_sims, values)
            values[name.replace("-", "_") + "s"] = filled
        for name in ONCE:
            values[name.replace("-", "_")] = parts.filled(name, values)
        if self.object_store_mib:
            values["ray_cluster"] = parts.filled("ray-cluster", values)
        return values

    def _sizes(self) -> dict[str, str]:
        segment_bytes = self.training.segment_bytes(self.num_sims)
        store_bytes, own_bytes = self.object_store_mib * MIB, self.own_mib * MIB
        shm_bytes = 2 * segment_bytes + store_bytes  # a learner takes the name over from a dead one
        limit_bytes, head_bytes = (each + SLACK_MIB * MIB for each in (shm_bytes, store_bytes))
        # Whole MiB of each, so that what is printed adds up.
        memory_bytes = own_bytes + -(-limit_bytes // MIB) * MIB
        shm_sum = f"2 segments of {segment_bytes:,} bytes"
        if store_bytes:
            shm_sum += f", {quantity(store_bytes)} for Ray"
        shm_sum += f", {SLACK_MIB}Mi to spare"
        return {
            "shm": quantity(limit_bytes),
            "shm_bytes": str(shm_bytes),
            "shm_sum": shm_sum,
            "own": quantity(own_bytes),
            "memory": quantity(memory_bytes),
            "object_store_bytes": str(store_bytes),
            "head_shm": quantity(head_bytes),
            "head_memory": quantity(own_bytes + head_bytes),
        }


def _names(training: Training) -> dict[str, str]:
    """Return the values that all kinds of Pods share."""
    return {
        "version": __version__,
        "command": json.dumps(shlex.split(training.simulator)),
        "simulator_argument": json.dumps(f"--simulator={training.simulator}"),
        "simulator_memory": f"{training.simulator_mib}Mi",
        "spec": training.spec.to_json(),
        "num_steps": str(training.num_steps),
        "num_clients": str(training.num_sims),
        "pods": str(training.num_pods),
    }
