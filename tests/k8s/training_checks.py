"""Rules of what Pods of a training are told: by the spec, and by each other. As checks.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from k8s import ray_checks
from k8s.manifests import Document, Pod

LayoutBytes = Callable[[int, int], int]  # of so many lanes, and steps of a rollout
SHARED = ("/dev/shm",)  # what more than one user may write to
MIN_GRACE_S = 60  # for a checkpoint
LEARNER_PROBE = "--learner"  # of uerl-shm-probe, and then seconds
LANE_PROBE_S = 5  # uerl-shm-probe answers within that


@dataclass(frozen=True)
class Told:
    """What the spec among the documents says.

    Attributes:
        agents: Rows of each simulator.
        layout_bytes: Of a segment.
    """

    agents: int
    layout_bytes: LayoutBytes


def agents_of(documents: list[Document]) -> int:
    """Return the rows of one simulator, by the spec that stands among the documents."""
    for document in documents:
        if document["kind"] == "ConfigMap" and "spec.json" in document["data"]:
            (group,) = json.loads(document["data"]["spec.json"])["groups"]
            return int(group.get("agents", 1))
    return 1


def rows_are_those_of_the_simulators(pod: Pod, told: Told) -> Iterator[str]:
    """What learns has a row for each agent of each simulator."""
    expected = len(pod.simulators()) * told.agents
    found = _option(pod, "--num-envs")
    if _learns(pod) and found != str(expected):
        yield f"{pod.path}: --num-envs {found}, expected {expected}: render anew"


def mode_lets_the_group_in(pod: Pod, told: Told) -> Iterator[str]:
    """Simulators and learner are two users of one group."""
    found = _option(pod, "--shm-mode")
    if _learns(pod) and found != "0660":
        yield f"{pod.path}: --shm-mode {found}, expected 0660: simulators are another user"


def shm_init_asks_for_all_that_is_made(pod: Pod, told: Told) -> Iterator[str]:
    """It looks for room for two segments, and Ray's objects."""
    lanes = len(pod.simulators())
    if not lanes or pod.init[0]["name"] != "shm-init":
        return
    needed = 2 * told.layout_bytes(lanes, pod.num_steps()) + int(ray_checks.object_store(pod))
    found = re.search(r"--bytes[= ](\d+)", " ".join(map(str, pod.init[0].get("command", []))))
    if found is None or int(found[1]) < needed:
        yield (
            f"{pod.path}, container shm-init: --bytes {found and found[1]}, expected at least "
            f"{needed}: render anew"
        )


def memory_is_limited(pod: Pod, told: Told) -> Iterator[str]:
    """A container that leaks ends itself, and no other."""
    for where, container in pod.containers():
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield f"{where}: no memory limit, expected one: say what it needs"


def disks_are_limited(pod: Pod, told: Told) -> Iterator[str]:
    """A training that fills its scratch space ends itself, and not the node."""
    for volume in pod.spec.get("volumes", []):
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
            yield f"{pod.path}, volume {volume['name']}: no sizeLimit, expected one"


def learners_can_end(pod: Pod, told: Told) -> Iterator[str]:
    """What learns writes a checkpoint when it is told to end."""
    grace = pod.spec.get("terminationGracePeriodSeconds", 30)
    if pod.simulators() and isinstance(grace, int) and grace < MIN_GRACE_S:
        yield (
            f"{pod.path}: terminationGracePeriodSeconds {grace}, expected at least {MIN_GRACE_S}: "
            "a checkpoint takes time"
        )


def probes_ask_the_container_itself(pod: Pod, told: Told) -> Iterator[str]:
    """Simulators and learner are probed, each by what runs in its own container."""
    if not pod.simulators():
        return
    probed = pod.simulators() + ([] if pod.ray else pod.main)  # Ray's are probed by KubeRay
    for container in probed:
        where = f"{pod.path}, container {container['name']}"
        if "livenessProbe" not in container:
            yield f"{where}: no livenessProbe, expected one"
        for kind in ("livenessProbe", "startupProbe"):
            if kind in container:
                yield from _own_probe(f"{where}, {kind}", container[kind])


def _own_probe(where: str, probe: dict[str, Any]) -> Iterator[str]:
    command = probe.get("exec", {}).get("command", [])
    if command[:1] != ["uerl-shm-probe"]:
        yield (
            f"{where}: {command or 'no exec'}, expected uerl-shm-probe: another container's "
            "trouble must not end this one"
        )
        return
    asks = command.index(LEARNER_PROBE) + 1 if LEARNER_PROBE in command else 0
    answers_s = int(command[asks]) if asks else LANE_PROBE_S
    if probe.get("timeoutSeconds", 1) < answers_s + 5:
        yield (
            f"{where}: timeoutSeconds {probe.get('timeoutSeconds', 1)}, expected at least "
            f"{answers_s + 5}: it may take {answers_s} s to answer"
        )


def ports_exist(pod: Pod, told: Told) -> Iterator[str]:
    """A port that is probed by its number is one of the container."""
    for where, container in pod.containers():
        ports = {each["containerPort"] for each in container.get("ports", [])}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            for handler in ("httpGet", "tcpSocket", "grpc"):
                port = container.get(kind, {}).get(handler, {}).get("port")
                if isinstance(port, int) and port not in ports:
                    yield f"{where}, {kind}: port {port}, expected one of {sorted(ports)}"


def users_share_memory_alone(pod: Pod, told: Told) -> Iterator[str]:
    """No file of one user is another's to change, so no simulator gets at the learner by one."""
    if not pod.simulators():
        return
    default = pod.spec.get("securityContext", {}).get("runAsUser")
    writers: dict[str, set[Any]] = {}
    simulators: dict[str, list[str]] = {}
    for _, container in pod.containers():
        user = container.get("securityContext", {}).get("runAsUser", default)
        for mount in container.get("volumeMounts", []):
            if mount["mountPath"] in SHARED or mount.get("readOnly"):
                continue
            writers.setdefault(mount["name"], set()).add(user)
            if container in pod.simulators():
                simulators.setdefault(mount["name"], []).append(container["name"])
    for name, users in writers.items():
        if len(users) > 1:
            yield f"{pod.path}, volume {name}: users {sorted(users)} write to it, expected one"
    for name, names in simulators.items():
        if len(names) > 1:
            yield f"{pod.path}, volume {name}: {', '.join(names)} write to it, expected one"


def _learns(pod: Pod) -> bool:
    """Is what learns told here? A RayCluster's is told by who submits to it."""
    return bool(pod.simulators() and (pod.entrypoint or not pod.ray))


def _option(pod: Pod, name: str) -> str | None:
    told = " ".join([pod.entrypoint, *map(str, pod.main[0].get("args", []))])
    found = re.search(rf"{name}[= ](\S+)", told)
    return found[1] if found else None


CHECKS: tuple[Callable[[Pod, Told], Iterator[str]], ...] = (
    *(rows_are_those_of_the_simulators, mode_lets_the_group_in, memory_is_limited),
    *(shm_init_asks_for_all_that_is_made, disks_are_limited, learners_can_end),
    *(probes_ask_the_container_itself, ports_exist, users_share_memory_alone),
)
