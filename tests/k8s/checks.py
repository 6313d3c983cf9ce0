"""Rules of Pods that Kubernetes's schemas do not know. Each yields what is wrong.

    num_checks, found = examine(load(path.read_text()), layout_bytes)

Works on any manifests; `layout_bytes` says how large a segment is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from k8s import ray_checks, training_checks
from k8s.manifests import Document, Pod, pods_of, quantity
from k8s.training_checks import LayoutBytes, Told, agents_of

HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
SIMULATOR_UID, LEARNER_UID = 1000, 2000


def volumes_exist(pod: Pod) -> Iterator[str]:
    """What is mounted is a volume of the Pod."""
    names = {volume["name"] for volume in pod.spec.get("volumes", [])} | set(pod.claims)
    for where, container in pod.containers():
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in names:
                yield (
                    f"{where}: volume {mount['name']} does not exist, expected one of "
                    f"{', '.join(sorted(names))}: declare it"
                )


def quantities_parse(pod: Pod) -> Iterator[str]:
    """Amounts are Kubernetes quantities."""
    for where, amount in _amounts(pod):
        if quantity(amount) is None:
            yield f"{where}: quantity {amount!r}, expected one such as 250m or 512Mi: mend it"


def _amounts(pod: Pod) -> Iterator[tuple[str, Any]]:
    for volume in pod.spec.get("volumes", []):
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit is not None:
            yield f"{pod.path}, volume {volume['name']}", limit
    for where, container in pod.containers():
        for part in ("requests", "limits"):
            for name, amount in container.get("resources", {}).get(part, {}).items():
                yield f"{where}, {part}.{name}", amount


def requests_fit_limits(pod: Pod) -> Iterator[str]:
    """Nobody asks for more than they may use."""
    for where, container in pod.containers():
        resources = container.get("resources", {})
        for name, request in resources.get("requests", {}).items():
            limit = quantity(resources.get("limits", {}).get(name, request))
            asked = quantity(request)
            if None not in (limit, asked) and asked > limit:
                yield (
                    f"{where}: requests {name} {request}, expected at most its limit "
                    f"{resources['limits'][name]}: raise the limit"
                )


def containers_start_in_order(pod: Pod) -> Iterator[str]:
    """First shm-init, then simulators as native sidecars, then what learns."""
    simulators = pod.simulators()
    if not simulators:
        return
    names = [each["name"] for each in pod.init]
    if not names or names[0] != "shm-init" or "restartPolicy" in pod.init[0]:
        yield (
            f"{pod.path}: init containers {names}, expected shm-init first, which ends: name it "
            "first in every patch of this list"
        )
    for simulator in simulators:
        where = f"{pod.path}, container {simulator['name']}"
        if simulator["name"] not in names or simulator.get("restartPolicy") != "Always":
            yield f"{where}: not a native sidecar, expected initContainers and restartPolicy Always"
        if "startupProbe" in simulator:
            yield f"{where}: has a startupProbe, expected none: the next simulator waits for it"
    lanes = [_env(each, "UERL_SHM_LANE") for each in simulators]
    if lanes != [str(lane) for lane in range(len(lanes))]:
        yield f"{pod.path}: simulators have lanes {lanes}, expected 0, 1 and so on: render anew"


def _env(container: Document, name: str) -> str | None:
    values = {each["name"]: each.get("value") for each in container.get("env", [])}
    return values.get(name)


def shm_is_one_volume(pod: Pod) -> Iterator[str]:
    """Every container sees the same /dev/shm, which is memory of a stated size."""
    volume = pod.shm_volume()
    if volume is None:
        return
    empty = volume.get("emptyDir") or {}
    if empty.get("medium") != "Memory" or "sizeLimit" not in empty:
        yield (
            f"{pod.path}, volume {volume['name']}: {empty or 'no emptyDir'} at /dev/shm, expected "
            "an emptyDir with medium Memory and a sizeLimit"
        )
    for where, container in pod.containers():
        mounts = {each["mountPath"]: each for each in container.get("volumeMounts", [])}
        found = mounts.get("/dev/shm", {"name": "the runtime's own"})
        if found.get("name") != volume["name"] or found.get("readOnly") or "subPath" in found:
            yield (
                f"{where}: /dev/shm is {found}, expected volume "
                f"{volume['name']}, writable: mount the same one in every container"
            )


def limits_hold_the_layout(pod: Pod, layout_bytes: LayoutBytes) -> Iterator[str]:
    """/dev/shm holds two segments (and Ray's objects), and who makes them may use that much."""
    volume = pod.shm_volume()
    limit = quantity((volume or {}).get("emptyDir", {}).get("sizeLimit"))
    if volume is None or limit is None:
        return
    lanes = len(pod.simulators())
    segment = layout_bytes(lanes, pod.num_steps()) if lanes else 0
    needed = Decimal(2 * segment) + ray_checks.object_store(pod)
    if limit < needed:
        yield (
            f"{pod.path}, volume {volume['name']}: sizeLimit {limit:,} bytes, expected at least "
            f"{needed:,}: render anew (`uerl-shm k8s render`)"
        )
    memory = pod.main[0].get("resources", {}).get("limits", {}).get("memory")
    if memory is None or (quantity(memory) or 0) <= limit:
        yield (
            f"{pod.path}, container {pod.main[0]['name']}: memory limit {memory}, expected more "
            f"than the {limit:,} bytes of /dev/shm, which count as its own: render anew"
        )


def probes_have_one_handler(pod: Pod) -> Iterator[str]:
    """A probe asks one thing, of a port that exists."""
    for where, container in pod.containers():
        ports = {each.get("name") for each in container.get("ports", [])}
        for probe in PROBES:
            if probe not in container:
                continue
            handlers = [each for each in HANDLERS if each in container[probe]]
            if len(handlers) != 1:
                yield f"{where}, {probe}: handlers {handlers}, expected one: remove the others"
            for handler in ("httpGet", "tcpSocket"):
                port = container[probe].get(handler, {}).get("port")
                if isinstance(port, str) and port not in ports:
                    yield f"{where}, {probe}: port {port} is not the container's: give its number"


def restart_policies_are_known(pod: Pod) -> Iterator[str]:
    """Values that a schema takes for any text."""
    policy = pod.spec.get("restartPolicy", "Always")
    allowed = ("OnFailure", "Never") if pod.path.startswith("Job ") else ("Always",)
    if pod.path.startswith("Pod "):
        allowed = ("Always", "OnFailure", "Never")
    if policy not in allowed:
        yield f"{pod.path}: restartPolicy {policy!r}, expected {' or '.join(allowed)}"
    for where, container in pod.containers():
        if container.get("restartPolicy", "Always") != "Always":
            yield f"{where}: restartPolicy {container['restartPolicy']!r}, expected Always, or none"


def processes_are_confined(pod: Pod) -> Iterator[str]:
    """No root, no capabilities, no writable root, no token; simulators are another user."""
    security = pod.spec.get("securityContext", {})
    for name, found, expected in (
        ("automountServiceAccountToken", pod.spec.get("automountServiceAccountToken"), False),
        ("runAsNonRoot", security.get("runAsNonRoot"), True),
        ("seccompProfile", security.get("seccompProfile", {}).get("type"), "RuntimeDefault"),
    ):
        if found != expected:
            yield f"{pod.path}: {name} {found}, expected {expected}"
    simulators = [each["name"] for each in pod.simulators()]
    for where, container in pod.containers():
        own = container.get("securityContext", {})
        uid = own.get("runAsUser", security.get("runAsUser"))
        gid = own.get("runAsGroup", security.get("runAsGroup"))
        expected = SIMULATOR_UID if container["name"] in simulators else LEARNER_UID
        if simulators and uid != expected:
            yield f"{where}: runAsUser {uid}, expected {expected}"
        if pod.shm_volume() and gid != security.get("fsGroup"):
            yield f"{where}: group {gid}, expected that of the Pod, {security.get('fsGroup')}"
        for name, wanted in (
            ("allowPrivilegeEscalation", False),
            ("readOnlyRootFilesystem", True),
            ("capabilities", {"drop": ["ALL"]}),
        ):
            if own.get(name) != wanted:
                yield f"{where}: {name} {own.get(name)}, expected {wanted}"


def variables_are_defined(pod: Pod, configs: dict[str, Document]) -> Iterator[str]:
    """ConfigMaps exist, and so does each variable of a command line."""
    for volume in pod.spec.get("volumes", []):
        name = volume.get("configMap", {}).get("name")
        if name is not None and name not in configs:
            yield f"{pod.path}, volume {volume['name']}: ConfigMap {name} not found, expected here"
    for where, container in pod.containers():
        known = {each["name"] for each in container.get("env", [])}
        for source in container.get("envFrom", []):
            name = source.get("configMapRef", {}).get("name")
            if name is not None and name not in configs:
                yield f"{where}: ConfigMap {name} not found, expected among the documents"
            known |= set(configs.get(name, {}))
        for text in [*container.get("command", []), *container.get("args", [])]:
            for used in set(re.findall(r"\$\((\w+)\)", str(text))) - known - {JOB_INDEX}:
                yield f"{where}: $({used}) is not defined, expected in env or a ConfigMap"


def jobs_outlive_simulators(documents: list[Document]) -> Iterator[str]:
    """With OnFailure the Job controller adds up restarts of all containers, sidecars included."""
    for document in documents:
        if document["kind"] != "Job":
            continue
        (pod,) = pods_of([document])
        limit = document["spec"].get("backoffLimit", 6)
        if pod.simulators() and pod.spec["restartPolicy"] == "OnFailure" and limit < NO_END:
            yield (
                f"{pod.path}: backoffLimit {limit}, expected {NO_END}: restarts of "
                "simulators count, so crashes would end the Job"
            )


NO_END = 2**31 - 1  # the largest there is
JOB_INDEX = "JOB_COMPLETION_INDEX"  # of an indexed Job: Kubernetes defines it
CHECKS: tuple[Callable[[Pod], Iterator[str]], ...] = (
    *(volumes_exist, quantities_parse, requests_fit_limits, containers_start_in_order),
    *(shm_is_one_volume, probes_have_one_handler, restart_policies_are_known),
    *(processes_are_confined, *ray_checks.CHECKS),
)


def examine(documents: list[Document], layout_bytes: LayoutBytes) -> tuple[int, list[str]]:
    """Return how many checks there were of how these documents' Pods are, and what is wrong."""
    configs = {
        each["metadata"]["name"]: each["data"] for each in documents if each["kind"] == "ConfigMap"
    }
    told = Told(agents_of(documents), layout_bytes)
    checks = [
        *CHECKS,
        partial(limits_hold_the_layout, layout_bytes=layout_bytes),
        partial(variables_are_defined, configs=configs),
        *(partial(rule, told=told) for rule in training_checks.CHECKS),
    ]
    found: list[str] = []
    num_checks = 0
    for rule in (ray_checks.keys_are_known, ray_checks.jobs_can_queue, jobs_outlive_simulators):
        num_checks += 1
        found += rule(documents)
    for pod in pods_of(documents):
        for check in checks:
            num_checks += 1
            found += check(pod)
    return num_checks, found
