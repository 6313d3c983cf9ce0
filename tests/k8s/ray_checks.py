"""KubeRay's rules of Pod templates: what its operator adds, refuses and assumes (release 1.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from k8s.manifests import Document, Pod

OBJECT_STORE = "object-store-memory"
# Keys of KubeRay's kinds. Its schemas are not among Kubernetes's, so that a misspelt one would be
# dropped in silence. Not all that there are: those that a training may need.
JOB_KEYS = {
    *("activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint"),
    *("entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "jobId", "managedBy"),
    *("metadata", "rayClusterSpec", "runtimeEnvYAML", "shutdownAfterJobFinishes"),
    *("submissionMode", "submitterConfig", "submitterPodTemplate", "suspend"),
    "ttlSecondsAfterFinished",
}
CLUSTER_KEYS = {
    *("authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions"),
    *("headGroupSpec", "headServiceAnnotations", "managedBy", "rayVersion", "suspend"),
    "workerGroupSpecs",
}
HEAD_KEYS = {
    *("enableIngress", "headService", "labels", "rayStartParams", "resources", "serviceType"),
    "template",
}
WORKER_KEYS = {
    *("groupName", "labels", "maxReplicas", "minReplicas", "numOfHosts", "rayStartParams"),
    *("replicas", "resources", "scaleStrategy", "suspend", "template"),
}
TEMPLATE_KEYS = {"metadata", "spec"}
VALUES = {
    "submissionMode": ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    "authOptions": ({"mode": "token"}, {"mode": "disabled"}),
}


def object_store(pod: Pod) -> Decimal:
    """Return the bytes that Ray's object store takes of a Pod's /dev/shm."""
    text = pod.ray.get("rayStartParams", {}).get(OBJECT_STORE, "0")
    return Decimal(text) if str(text).isdigit() else Decimal(0)


def ray_comes_first(pod: Pod) -> Iterator[str]:
    """containers[0] is Ray's; simulators are sidecars, whose cores Ray does not count."""
    if not pod.ray:
        return
    names = [each["name"] for each in pod.main]
    if len(names) != 1 or not names[0].startswith("ray-"):
        yield (
            f"{pod.path}: containers {names}, expected Ray's alone: KubeRay runs Ray in the first, "
            "and others belong into initContainers"
        )


def shm_is_declared(pod: Pod) -> Iterator[str]:
    """Without a volume of its own Ray gets one from KubeRay that no other container sees."""
    if pod.ray and pod.shm_volume() is None:
        yield f"{pod.path}: no volume at /dev/shm, expected one in every container: declare it"


def object_store_is_stated(pod: Pod) -> Iterator[str]:
    """Else Ray takes a share of the Pod's memory, and refuses to start in a small /dev/shm."""
    if pod.ray and object_store(pod) == 0:
        found = pod.ray.get("rayStartParams", {}).get(OBJECT_STORE)
        yield f"{pod.path}: {OBJECT_STORE} {found!r}, expected a number of bytes, in quotes"


def resources_are_stated_once(pod: Pod) -> Iterator[str]:
    """The operator refuses both; and all values are texts."""
    start = pod.ray.get("rayStartParams", {})
    if "resources" in pod.ray and {"resources", "num-cpus", "memory"} & set(start):
        yield f"{pod.path}: resources and rayStartParams both name them, expected one: remove one"
    for name, value in [*pod.ray.get("resources", {}).items(), *start.items()]:
        if not isinstance(value, str):
            yield f"{pod.path}: {name} {value!r}, expected a text: put it in quotes"


def replicas_are_bounded(pod: Pod) -> Iterator[str]:
    """Without an autoscaler the operator wants both bounds."""
    if "groupName" not in pod.ray:
        return
    counts = [pod.ray.get(name) for name in ("minReplicas", "replicas", "maxReplicas")]
    if None in counts or counts != sorted(counts):
        yield f"{pod.path}: min, replicas, max {counts}, expected all three, in this order"


def keys_are_known(documents: list[Document]) -> Iterator[str]:
    """No key of KubeRay's own kinds is misspelt, outside Pods."""
    for document in documents:
        if document["kind"] not in ("RayJob", "RayCluster"):
            continue
        path, spec = f"{document['kind']} {document['metadata']['name']}", document["spec"]
        if document["kind"] == "RayJob":
            yield from _unknown(path, spec, JOB_KEYS)
            path, spec = f"{path}.rayClusterSpec", spec["rayClusterSpec"]
        yield from _unknown(path, spec, CLUSTER_KEYS)
        groups = [("headGroupSpec", spec["headGroupSpec"], HEAD_KEYS)]
        for group in spec.get("workerGroupSpecs", []):
            groups.append((f"group {group.get('groupName')}", group, WORKER_KEYS))
        for name, group, known in groups:
            yield from _unknown(f"{path}, {name}", group, known)
            yield from _unknown(f"{path}, {name}.template", group["template"], TEMPLATE_KEYS)


def _unknown(path: str, found: Document, known: set[str]) -> Iterator[str]:
    for key in sorted(found.keys() - known):
        yield f"{path}: key {key!r}, expected one of {', '.join(sorted(known))}: mend it"
    for key, allowed in VALUES.items():
        if key in found and found[key] not in allowed:
            yield f"{path}: {key} {found[key]!r}, expected one of {allowed}"


def jobs_can_queue(documents: list[Document]) -> Iterator[str]:
    """Kueue suspends RayJobs, which only those can be that remove their cluster."""
    for document in documents:
        if document["kind"] == "RayJob" and not document["spec"].get("shutdownAfterJobFinishes"):
            yield (
                f"RayJob {document['metadata']['name']}: shutdownAfterJobFinishes is not set, "
                "expected true: no queue can suspend it otherwise"
            )


CHECKS: tuple[Callable[[Pod], Iterator[str]], ...] = (
    *(ray_comes_first, shm_is_declared, object_store_is_stated),
    *(resources_are_stated_once, replicas_are_bounded),
)
