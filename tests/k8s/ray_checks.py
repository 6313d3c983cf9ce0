"""KubeRay's rules of Pod templates: what its operator adds, refuses and assumes (release 1.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from k8s.manifests import Document, Pod

OBJECT_STORE = "object-store-memory"


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
