"""Each rule of checks.py and ray_checks.py finds a bug that was put in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from k8s import checks, ray_checks
from k8s.conftest import NO_YAML
from k8s.manifests import Pod, pods_of, quantity

pytest.importorskip("yaml", reason=NO_YAML)
Spoil = Callable[[Pod], Any]


def container(pod: Pod, name: str) -> dict[str, Any]:
    return next(each for _, each in pod.containers() if each["name"] == name)


def volume(pod: Pod, name: str) -> dict[str, Any]:
    return next(each for each in pod.spec["volumes"] if each["name"] == name)


def mounts(pod: Pod, name: str) -> list[dict[str, Any]]:
    return container(pod, name)["volumeMounts"]


def to_back(pod: Pod) -> None:
    pod.spec["initContainers"].append(pod.spec["initContainers"].pop(0))


def to_main(pod: Pod) -> None:
    pod.spec["containers"].append(pod.spec["initContainers"].pop(1))


def told(pod: Pod, option: str, *instead: str) -> None:
    args = container(pod, "learner")["args"]
    args[args.index(option) : args.index(option) + 1] = instead


# What is spoiled, and what the rule then says.
TRAIN: dict[str, tuple[Spoil, str]] = {
    "a mount without a volume": (
        lambda pod: mounts(pod, "learner").append({"name": "gone", "mountPath": "/gone"}),
        "volume gone does not exist",
    ),
    "a quantity with a typing error": (
        lambda pod: volume(pod, "shm")["emptyDir"].update(sizeLimit="512Mii"),
        "quantity '512Mii'",
    ),
    "a memory limit that is no quantity": (
        lambda pod: container(pod, "sim-1")["resources"]["limits"].update(memory="lots"),
        "quantity 'lots'",
    ),
    "a request above its limit": (
        lambda pod: container(pod, "sim-1")["resources"]["requests"].update(memory="257Mi"),
        "requests memory 257Mi, expected at most its limit 256Mi",
    ),
    "shm-init behind the simulators": (to_back, "expected shm-init first"),
    "shm-init that never ends": (
        lambda pod: pod.init[0].update(restartPolicy="Always"),
        "expected shm-init first, which ends",
    ),
    "a simulator that is no sidecar": (
        lambda pod: container(pod, "sim-2").pop("restartPolicy"),
        "sim-2: not a native sidecar",
    ),
    "a simulator among the main containers": (to_main, "sim-0: not a native sidecar"),
    "a startupProbe of a simulator": (
        lambda pod: container(pod, "sim-0").update(startupProbe={"exec": {"command": ["true"]}}),
        "expected none: the next simulator waits",
    ),
    "two simulators in one lane": (
        lambda pod: container(pod, "sim-1")["env"][0].update(value="0"),
        "simulators have lanes ['0', '0', '2', '3']",
    ),
    "a container without the volume at /dev/shm": (
        lambda pod: mounts(pod, "sim-3").pop(0),
        "sim-3: /dev/shm is {'name': \"the runtime's own\"}, expected volume shm",
    ),
    "a container with another volume at /dev/shm": (
        lambda pod: mounts(pod, "learner")[0].update(name="tmp"),
        "learner: /dev/shm is {'name': 'tmp'",
    ),
    "a /dev/shm that is not writable": (
        lambda pod: mounts(pod, "metrics")[0].update(readOnly=True),
        "expected volume shm, writable",
    ),
    "a /dev/shm on a disk": (
        lambda pod: volume(pod, "shm")["emptyDir"].pop("medium"),
        "expected an emptyDir with medium Memory",
    ),
    "a /dev/shm without a size": (
        lambda pod: volume(pod, "shm")["emptyDir"].pop("sizeLimit"),
        "and a sizeLimit",
    ),
    "a /dev/shm for one segment": (
        lambda pod: volume(pod, "shm")["emptyDir"].update(sizeLimit="6Mi"),
        "sizeLimit 6,291,456 bytes, expected at least",
    ),
    "a simulator more than was computed for": (
        lambda pod: pod.init.extend({**container(pod, "sim-0"), "name": f"sim-{n}"} for n in "45"),
        "expected at least",
    ),
    "longer rollouts than were computed for": (
        lambda pod: container(pod, "learner").update(args=["--num-steps=256"]),
        "expected at least",
    ),
    "a learner that may not use what it makes": (
        lambda pod: container(pod, "learner")["resources"]["limits"].update(memory="11Mi"),
        "memory limit 11Mi, expected more than",
    ),
    "a probe that asks two things": (
        lambda pod: container(pod, "learner")["livenessProbe"].update(tcpSocket={"port": 9464}),
        "livenessProbe: handlers ['exec', 'tcpSocket'], expected one",
    ),
    "a probe of another container's port by its name": (
        lambda pod: container(pod, "sim-0").update(
            livenessProbe={"tcpSocket": {"port": "metrics"}}
        ),
        "port metrics is not the container's",
    ),
    "a restart policy that does not exist": (
        lambda pod: container(pod, "sim-0").update(restartPolicy="Allways"),
        "restartPolicy 'Allways'",
    ),
    "a Job whose Pod always restarts": (
        lambda pod: pod.spec.update(restartPolicy="Always"),
        "restartPolicy 'Always', expected OnFailure or Never",
    ),
    "a service account's token": (
        lambda pod: pod.spec.pop("automountServiceAccountToken"),
        "automountServiceAccountToken None, expected False",
    ),
    "a process of root": (
        lambda pod: pod.spec["securityContext"].pop("runAsNonRoot"),
        "runAsNonRoot None, expected True",
    ),
    "no seccomp profile": (
        lambda pod: pod.spec["securityContext"].pop("seccompProfile"),
        "seccompProfile None, expected RuntimeDefault",
    ),
    "a simulator that is the learner's user": (
        lambda pod: container(pod, "sim-0")["securityContext"].update(runAsUser=2000),
        "runAsUser 2000, expected 1000",
    ),
    "a learner that is the simulators' user": (
        lambda pod: container(pod, "learner")["securityContext"].pop("runAsUser"),
        "runAsUser 1000, expected 2000",
    ),
    "a container of another group": (
        lambda pod: container(pod, "sim-0")["securityContext"].update(runAsGroup=1000),
        "group 1000, expected that of the Pod, 3000",
    ),
    "a writable root": (
        lambda pod: container(pod, "metrics")["securityContext"].pop("readOnlyRootFilesystem"),
        "readOnlyRootFilesystem None, expected True",
    ),
    "a capability": (
        lambda pod: container(pod, "sim-0")["securityContext"]["capabilities"].update(add=["ALL"]),
        "capabilities {'drop': ['ALL'], 'add': ['ALL']}",
    ),
    "a variable that nobody defines": (
        lambda pod: container(pod, "learner")["args"].append("--model=$(MODEL)"),
        "$(MODEL) is not defined",
    ),
    "a ConfigMap that is not there": (
        lambda pod: volume(pod, "config").update(configMap={"name": "gone"}),
        "ConfigMap gone not found",
    ),
    "variables of a ConfigMap that is not there": (
        lambda pod: container(pod, "sim-0").update(envFrom=[{"configMapRef": {"name": "gone"}}]),
        "sim-0: ConfigMap gone not found",
    ),
    "a probe of a port that nobody listens on": (
        lambda pod: container(pod, "metrics")["livenessProbe"].update(tcpSocket={"port": 9999}),
        "metrics, livenessProbe: port 9999, expected one of [9464]",
    ),
    "a learner that another container's trouble ends": (
        lambda pod: container(pod, "learner").update(
            livenessProbe={"httpGet": {"path": "/healthz", "port": 9464}}
        ),
        "learner, livenessProbe: no exec, expected uerl-shm-probe",
    ),
    "a probe that is cut off before it answers": (
        lambda pod: container(pod, "learner")["livenessProbe"].update(timeoutSeconds=60),
        "timeoutSeconds 60, expected at least 65",
    ),
    "a simulator's probe that is cut off": (
        lambda pod: container(pod, "sim-1")["livenessProbe"].pop("timeoutSeconds"),
        "timeoutSeconds 1, expected at least 10",
    ),
    "a simulator without a probe": (
        lambda pod: container(pod, "sim-1").pop("livenessProbe"),
        "sim-1: no livenessProbe",
    ),
    "a learner without a probe": (
        lambda pod: container(pod, "learner").pop("livenessProbe"),
        "learner: no livenessProbe",
    ),
    "a simulator without a limit of memory": (
        lambda pod: container(pod, "sim-1")["resources"].pop("limits"),
        "sim-1: no memory limit",
    ),
    "rows that no simulator has": (
        lambda pod: told(pod, "--num-envs=4", "--num-envs=40"),
        "--num-envs 40, expected 4",
    ),
    "a segment that simulators may not open": (
        lambda pod: told(pod, "--shm-mode=0660", "--shm-mode=0600"),
        "--shm-mode 0600, expected 0660",
    ),
    "a segment of the usual mode": (
        lambda pod: told(pod, "--shm-mode=0660"),
        "--shm-mode None, expected 0660",
    ),
    "a shm-init that asks for nothing": (
        lambda pod: pod.init[0].update(command=["uerl-shm", "shm-init", "--bytes", "1"]),
        "shm-init: --bytes 1, expected at least",
    ),
    "no time for a checkpoint": (
        lambda pod: pod.spec.update(terminationGracePeriodSeconds=1),
        "terminationGracePeriodSeconds 1, expected at least 60",
    ),
    "scratch space without an end": (
        lambda pod: volume(pod, "runs").update(emptyDir={}),
        "volume runs: no sizeLimit",
    ),
    "a simulator that writes where the learner reads": (
        lambda pod: mounts(pod, "sim-2")[1].update(name="tmp"),
        "volume tmp: users [1000, 2000] write to it, expected one",
    ),
    "two simulators in one folder": (
        lambda pod: mounts(pod, "sim-2")[1].update(name="tmp-sim-1"),
        "volume tmp-sim-1: sim-1, sim-2 write to it, expected one",
    ),
}
RAY: dict[str, tuple[Spoil, str]] = {
    "a container before Ray's": (to_main, "expected Ray's alone"),
    "a Pod without a volume at /dev/shm": (
        lambda pod: [mounts(pod, each["name"]).pop(0) for _, each in pod.containers()],
        "no volume at /dev/shm",
    ),
    "an object store of unknown size": (
        lambda pod: pod.ray["rayStartParams"].pop("object-store-memory"),
        "object-store-memory None, expected a number",
    ),
    "no room beside the object store": (
        lambda pod: volume(pod, "shm")["emptyDir"].update(sizeLimit="512Mi"),
        "sizeLimit 536,870,912 bytes, expected at least",
    ),
    "resources that are named twice": (
        lambda pod: pod.ray["rayStartParams"].update(resources='"{}"'),
        "resources and rayStartParams both",
    ),
    "a resource that is a number": (
        lambda pod: pod.ray["resources"].update(rollout_space=1),
        "rollout_space 1, expected a text",
    ),
    "replicas without a lower bound": (
        lambda pod: pod.ray.pop("minReplicas"),
        "min, replicas, max [None, 2, 2]",
    ),
    "more replicas than allowed": (
        lambda pod: pod.ray.update(replicas=3),
        "min, replicas, max [2, 3, 2]",
    ),
}
BUGS = [("train", *each) for each in TRAIN.items()] + [("ray", *each) for each in RAY.items()]


@pytest.mark.parametrize("kind", ["train", "ray"])
def test_the_manifests_keep_every_rule(documents, layout_bytes, kind):
    num_checks, found = checks.examine(documents[kind], layout_bytes)
    assert found == []
    assert num_checks > 10


@pytest.mark.parametrize(("kind", "bug", "change"), BUGS, ids=[bug for _, bug, _ in BUGS])
def test_a_rule_finds(documents, layout_bytes, kind, bug, change):
    spoil, expected = change
    spoil(list(pods_of(documents[kind]))[-1])
    _, found = checks.examine(documents[kind], layout_bytes)
    assert any(expected in text for text in found), found


def test_a_rule_finds_a_ray_job_that_no_queue_can_suspend(documents):
    assert list(ray_checks.jobs_can_queue(documents["ray"])) == []
    documents["ray"][-1]["spec"].pop("shutdownAfterJobFinishes")
    assert "shutdownAfterJobFinishes" in next(ray_checks.jobs_can_queue(documents["ray"]))


def test_a_rule_finds_rows_that_no_simulator_of_a_rank_has(documents, layout_bytes):
    spec = documents["ray"][-1]["spec"]
    spec["entrypoint"] = spec["entrypoint"].replace("--num-envs 4", "--num-envs 40")
    _, found = checks.examine(documents["ray"], layout_bytes)
    assert any("--num-envs 40, expected 4" in text for text in found), found


def cluster(documents: list[Any]) -> dict[str, Any]:
    return documents[-1]["spec"]["rayClusterSpec"]


@pytest.mark.parametrize(
    ("place", "key", "wrong"),
    [
        (lambda made: made[-1]["spec"], "submissionMode", "submisionMode"),
        (lambda made: made[-1]["spec"], "ttlSecondsAfterFinished", "ttlSecondAfterFinished"),
        (cluster, "authOptions", "authOption"),
        (lambda made: cluster(made)["headGroupSpec"], "rayStartParams", "rayStartParam"),
        (lambda made: cluster(made)["workerGroupSpecs"][0], "replicas", "replica"),
        (lambda made: cluster(made)["workerGroupSpecs"][0]["template"], "metadata", "metaData"),
    ],
)
def test_a_rule_finds_a_misspelt_key_of_kuberays(documents, place, key, wrong):
    assert list(ray_checks.keys_are_known(documents["ray"])) == []
    found = place(documents["ray"])
    found[wrong] = found.pop(key)
    (text,) = ray_checks.keys_are_known(documents["ray"])
    assert f"key '{wrong}', expected one of" in text


def test_a_rule_finds_a_mode_that_kuberay_does_not_have(documents):
    documents["ray"][-1]["spec"]["submissionMode"] = "HttpMode"
    (text,) = ray_checks.keys_are_known(documents["ray"])
    assert "submissionMode 'HttpMode', expected one of" in text


def test_a_rule_finds_a_job_that_crashes_of_simulators_end(documents):
    assert list(checks.jobs_outlive_simulators(documents["train"])) == []
    documents["train"][-1]["spec"]["backoffLimit"] = 1000
    (found,) = checks.jobs_outlive_simulators(documents["train"])
    assert "backoffLimit 1000, expected 2147483647" in found


@pytest.mark.parametrize(
    ("text", "value"),
    [("250m", 0.25), ("2", 2), ("1.5Gi", 1.5 * 2**30), ("12E", 12e18), ("3e2", 300), ("1Ki", 1024)],
)
def test_quantities_have_the_values_that_kubernetes_gives_them(text, value):
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["512Mii", "", "Mi", "1 Gi", "-1", "1,5", "0x10"])
def test_what_is_no_quantity_has_no_value(text):
    assert quantity(text) is None
