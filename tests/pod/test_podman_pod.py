"""What becomes of a manifest on its way to podman, and what the tool says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pod.podman_pod import ConversionError, bytes_of, convert

IMAGES = {"uerl-shm/simulator": "localhost/s", "uerl-shm/learner": "localhost/l"}


def container(name: str, image: str = "uerl-shm/learner:0.1.0", **more: Any) -> dict[str, Any]:
    mounts = [{"name": "shm", "mountPath": "/dev/shm"}, {"name": "tmp", "mountPath": "/tmp"}]
    return {"name": name, "image": image, "volumeMounts": mounts, **more}


def job(**pod_spec: Any) -> dict[str, Any]:
    shm = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "48Mi"}}
    spec = {
        "restartPolicy": "Never",
        "initContainers": [
            container("shm-init"),
            container("simulator-0", "uerl-shm/simulator:0.1.0", restartPolicy="Always"),
        ],
        "containers": [container("learner")],
        "volumes": [shm, {"name": "tmp", "emptyDir": {}}],
        **pod_spec,
    }
    return {
        "kind": "Job",
        "metadata": {"name": "train"},
        "spec": {"template": {"metadata": {"labels": {"app": "train"}}, "spec": spec}},
    }


def converted(*documents: dict[str, Any]) -> Any:
    return convert(documents, "pod", IMAGES, Path("/volumes"))


def test_sidecars_become_containers_that_start_before_the_learner():
    made = converted(job())
    spec = made.pod["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["shm-init"]
    assert [c["name"] for c in spec["containers"]] == ["simulator-0", "learner"]
    assert spec["restartPolicy"] == "OnFailure"
    assert all("restartPolicy" not in c for c in spec["containers"])
    assert any("restartPolicy changed: OnFailure" in note for note in made.notes)


def test_shm_is_podmans_own_of_the_size_that_was_asked_for():
    made = converted(job())
    assert made.shm_bytes == 48 << 20
    mounts = [m["name"] for c in made.pod["spec"]["containers"] for m in c["volumeMounts"]]
    assert mounts == ["tmp", "tmp"]
    tmp = {"name": "tmp", "hostPath": {"path": "/volumes/tmp", "type": "Directory"}}
    assert made.pod["spec"]["volumes"] == [tmp]


def test_variables_are_written_out_as_a_kubelet_does():
    learner = container(
        "learner",
        command=["train", "$(NAME)", "$(LANE)", "$$(LANE)", "$(OTHER)", "$HOME"],
        env=[{"name": "LANE", "value": "3"}],
        envFrom=[{"configMapRef": {"name": "config"}}],
    )
    config = {"kind": "ConfigMap", "metadata": {"name": "config"}, "data": {"NAME": "arena"}}
    made = converted(config, job(containers=[learner])).pod["spec"]["containers"][-1]
    assert made["command"] == ["train", "arena", "3", "$(LANE)", "$(OTHER)", "$HOME"]
    assert made["env"] == [{"name": "NAME", "value": "arena"}, {"name": "LANE", "value": "3"}]


def test_a_config_map_is_a_folder_of_files(tmp_path):
    config = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"spec.json": "{}"}}
    volumes = [{"name": "config", "configMap": {"name": "c"}}]
    made = convert([config, job(volumes=volumes)], "pod", IMAGES, tmp_path)
    made.make_folders()
    assert (tmp_path / "config" / "spec.json").read_text() == "{}"
    assert (tmp_path / "config").stat().st_mode & 0o7777 == 0o1777


def test_a_container_without_the_pods_shm_is_named_because_podman_gives_it_that():
    made = converted(job(containers=[container("learner", volumeMounts=[])]))
    assert [note for note in made.notes if "would not with a kubelet" in note] == [
        "Job.spec.template.spec.learner changed: it shares the Pod's /dev/shm, which it would not "
        "with a kubelet"
    ]


@pytest.mark.parametrize(
    "image",
    ["uerl-shm/learner", "uerl-shm/learner:1.2", "uerl-shm/learner:1@sha256:0"],
)
def test_tags_and_digests_of_images_do_not_count(image):
    spec = converted(job(containers=[container("learner", image)])).pod["spec"]
    assert spec["containers"][-1]["image"] == "localhost/l"


def test_fs_group_becomes_a_supplementary_group():
    made = converted(job(securityContext={"fsGroup": 3000, "runAsNonRoot": True}))
    context = made.pod["spec"]["securityContext"]
    assert context == {"runAsNonRoot": True, "supplementalGroups": [3000]}


def test_every_field_that_is_left_out_is_named():
    probe = {"exec": {"command": ["uerl-shm-probe", "train", "0"]}}
    resources = {"limits": {"cpu": "1", "nvidia.com/gpu": 1}, "requests": {"cpu": "1"}}
    learner = container("learner", livenessProbe=probe, resources=resources, lifecycle={})
    document = job(containers=[learner], tolerations=[], terminationGracePeriodSeconds=120)
    document["spec"]["backoffLimit"] = 3
    made = converted(document, {"kind": "NetworkPolicy", "metadata": {"name": "closed"}})
    dropped = {note.split(" dropped: ")[0] for note in made.notes if " dropped: " in note}
    where = "Job.spec.template.spec"
    assert dropped == {
        *("NetworkPolicy closed", "Job.spec.backoffLimit"),
        *(f"{where}.tolerations", f"{where}.terminationGracePeriodSeconds"),
        *(f"{where}.learner.livenessProbe", f"{where}.learner.lifecycle"),
        *(f"{where}.learner.resources.requests",),
        f"{where}.learner.resources.limits.nvidia.com/gpu",
    }
    assert made.probes["learner"] == {"livenessProbe": probe}


def test_what_podman_is_given_or_was_noted_is_all_that_there_was():
    given = job(hostname="pod", dnsPolicy="None", enableServiceLinks=False)
    made = converted(given)
    spec = given["spec"]["template"]["spec"]
    noted = {note.split(" ")[0].rpartition(".")[2] for note in made.notes}
    assert set(spec) <= set(made.pod["spec"]) | noted


def test_the_first_group_of_a_ray_cluster_is_a_pod():
    template = job()["spec"]["template"]
    cluster = {"workerGroupSpecs": [{"template": template}]}
    ray_job = {"kind": "RayJob", "metadata": {"name": "r"}, "spec": {"rayClusterSpec": cluster}}
    assert len(converted(ray_job).pod["spec"]["containers"]) == 2
    ray_cluster = {"kind": "RayCluster", "metadata": {"name": "r"}, "spec": cluster}
    assert converted(ray_cluster).pod == converted(ray_job).pod


def test_what_stands_beside_the_pod_of_a_ray_cluster_is_named():
    groups = [{"replicas": 2, "template": job()["spec"]["template"]}, {"replicas": 1}]
    cluster = {"rayVersion": "2.60.0", "headGroupSpec": {}, "workerGroupSpecs": groups}
    found = converted({"kind": "RayCluster", "metadata": {"name": "r"}, "spec": cluster}).notes
    beside = [note.partition(" ")[0] for note in found if note.endswith("it is not of the Pod")]
    groups_path = "RayCluster.spec.workerGroupSpecs"
    assert beside == [
        *("RayCluster.spec.rayVersion", "RayCluster.spec.headGroupSpec"),
        *(f"{groups_path}.1", f"{groups_path}.0.replicas"),
    ]


def test_an_image_that_is_not_here_is_an_error_that_says_what_to_add():
    with pytest.raises(ConversionError, match="add --image uerl-shm/game=NAME"):
        converted(job(containers=[container("learner", "uerl-shm/game:1")]))


def test_variables_from_elsewhere_than_the_manifests_are_refused():
    secret = [{"secretRef": {"name": "token"}}]
    with pytest.raises(ConversionError, match="expected one of the manifests' ConfigMaps"):
        converted(job(containers=[container("learner", envFrom=secret)]))


def test_manifests_without_a_pod_are_refused():
    with pytest.raises(ConversionError, match="manifests have Service, expected a Job"):
        converted({"kind": "Service", "metadata": {"name": "s"}})


@pytest.mark.parametrize(
    ("quantity", "expected"), [("64Mi", 64 << 20), ("1.5Gi", 3 << 29), ("2k", 2000), ("7", 7)]
)
def test_quantities_are_bytes(quantity, expected):
    assert bytes_of(quantity) == expected
