"""Reads manifests: rendered overlays, the Pods in them, Kubernetes's quantities."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

Document = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
TREE = ROOT / "k8s"
DEFAULT_STEPS = 128  # of train_ppo.py and ray_ddp.py
OLDEST = re.compile(r"^# Oldest Kubernetes: (1\.\d+)", re.MULTILINE)
QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d+))?")
SUFFIXES = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", 1)}


@dataclass
class Pod:
    """One Pod, or a template of Pods.

    Attributes:
        path: Where it stands, for messages.
        spec: Its PodSpec.
        ray: Of KubeRay, the group that it belongs to; else empty.
        claims: Volumes that a StatefulSet adds.
        entrypoint: Of a RayJob: what learns is told there.
    """

    path: str
    spec: Document
    ray: Document = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)
    entrypoint: str = ""

    @property
    def init(self) -> list[Document]:
        return self.spec.get("initContainers", [])

    @property
    def main(self) -> list[Document]:
        return self.spec.get("containers", [])

    def containers(self) -> Iterator[tuple[str, Document]]:
        """Every container, and where it stands."""
        for container in [*self.init, *self.main]:
            yield f"{self.path}, container {container.get('name')}", container

    def simulators(self) -> list[Document]:
        return [each for each in [*self.init, *self.main] if each["name"].startswith("sim-")]

    def num_steps(self) -> int:
        """Steps of a rollout, as what learns is told."""
        told = " ".join([self.entrypoint, *map(str, self.main[0].get("args", []))])
        found = re.search(r"--num-steps[= ](\d+)", told)
        return int(found[1]) if found else DEFAULT_STEPS

    def shm_volume(self) -> Document | None:
        """The volume at /dev/shm of the first container that has one."""
        for _, container in self.containers():
            for mount in container.get("volumeMounts", []):
                if mount["mountPath"] == "/dev/shm":
                    volumes = {each["name"]: each for each in self.spec.get("volumes", [])}
                    return volumes.get(mount["name"], {"name": mount["name"]})
        return None


def pods_of(documents: list[Document]) -> Iterator[Pod]:
    """Yield the Pods that come of these documents."""
    for document in documents:
        kind, spec = document["kind"], document.get("spec", {})
        path = f"{kind} {document['metadata']['name']}"
        if kind == "Pod":
            yield Pod(path, spec)
        elif kind in ("RayCluster", "RayJob"):
            yield from _ray_pods(path, spec)
        elif "template" in spec and kind != "ResourceClaimTemplate":
            claims = [each["metadata"]["name"] for each in spec.get("volumeClaimTemplates", [])]
            yield Pod(path, spec["template"]["spec"], claims=claims)


def _ray_pods(path: str, spec: Document) -> Iterator[Pod]:
    cluster, entrypoint = spec.get("rayClusterSpec", spec), spec.get("entrypoint", "")
    groups = [("head", cluster["headGroupSpec"])]
    groups += [(group["groupName"], group) for group in cluster.get("workerGroupSpecs", [])]
    for name, group in groups:
        pod_spec = group["template"]["spec"]
        yield Pod(f"{path}, group {name}", pod_spec, ray=group, entrypoint=entrypoint)


def quantity(text: Any) -> Decimal | None:
    """Return the value of a quantity; None if it is none."""
    found = QUANTITY.fullmatch(str(text))
    if found is None:
        return None
    number, binary, suffix, exponent = found.groups()
    if binary:
        return Decimal(number) * BINARY[binary]
    return Decimal(number).scaleb(SUFFIXES[suffix] if suffix else int(exponent or 0))


def load(text: str) -> list[Document]:
    """Return the documents of a YAML text."""
    import yaml

    return [each for each in yaml.safe_load_all(text) if each is not None]


def kustomizations(tree: Path = TREE) -> list[str]:
    """Return the folders of all kustomizations that can be applied: no components."""
    found = []
    for path in sorted(tree.rglob("kustomization.yaml")):
        if "templates" not in path.parts and "kind: Kustomization" in path.read_text():
            found.append(path.parent.relative_to(tree).as_posix())
    return found


def oldest_kubernetes(folder: Path) -> str | None:
    """Return the version that a kustomization declares."""
    found = OLDEST.search((folder / "kustomization.yaml").read_text())
    return found[1] if found else None


def has_kubectl() -> bool:
    return shutil.which("kubectl") is not None


def build(folder: Path) -> list[Document]:
    """Return what `kubectl kustomize` makes of a folder."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ValueError(f"{folder}: {done.stderr.strip()}")
    return load(done.stdout)
