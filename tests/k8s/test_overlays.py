"""Every overlay renders, fits the Kubernetes that it declares and the newest, keeps our rules."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from k8s import checks, overlays, schemas
from k8s.manifests import TREE, build, has_kubectl, kustomizations, oldest_kubernetes, pods_of
from uerl_shm.cli.k8s import make_credentials

pytest.importorskip(
    "kubernetes_validate", reason="kubernetes-validate is not installed (extra k8s)"
)
pytestmark = pytest.mark.skipif(not has_kubectl(), reason="kubectl is not installed")


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    """The repository's tree with passwords, which it has none of."""
    copied = tmp_path_factory.mktemp("tree")
    shutil.copytree(TREE, copied, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.env"))
    make_credentials(copied / "storage")
    return copied


@pytest.mark.parametrize("name", kustomizations())
def test_an_overlay_renders_and_fits_its_oldest_kubernetes_and_the_newest(tree, name):
    report = overlays.examine(tree / name, every_version=False)
    assert report.failures == []
    assert len(report.versions) == 2


def test_every_component_is_part_of_an_overlay(tree):
    used = "\n".join((tree / name / "kustomization.yaml").read_text() for name in kustomizations())
    components = [path.name for path in (tree / "components").iterdir()]
    assert len(components) >= 5
    assert [name for name in components if f"components/{name}\n" not in used] == []


def overlay(tree: Path, patch: str, oldest: str = "1.29") -> Path:
    """Write an overlay of the base with one patch of the Job."""
    folder = tree / "overlays/of-a-test"
    folder.mkdir(exist_ok=True)
    indented = patch.replace("\n", "\n      ")
    (folder / "kustomization.yaml").write_text(
        f"# Oldest Kubernetes: {oldest}\nkind: Kustomization\nresources: [../../base]\n"
        f"patches:\n  - patch: |\n      {indented}\n"
    )
    return folder


PATCH = """apiVersion: batch/v1
kind: Job
metadata: {name: train}
spec:
  template:
    spec:
      """


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ("initContainers: [{name: sim-0, workingDir: /tmp}]", "expected shm-init first"),
        ("nodeSelektor: {disk: ssd}", "'nodeSelektor' was unexpected"),
        ("terminationGracePeriodSeconds: soon", "'soon' is not of type 'integer'"),
        ("containers: [{name: learner, image: 1}]", "1 is not of type 'string'"),
    ],
)
def test_an_overlay_with_a_bug_is_found(tree, patch, expected):
    report = overlays.examine(overlay(tree, PATCH + patch), every_version=False)
    assert any(expected in text for text in report.failures), report.failures


def test_an_overlay_without_its_oldest_kubernetes_is_found(tree):
    folder = overlay(tree, PATCH + "restartPolicy: Never")
    assert overlays.examine(folder, every_version=False).failures == []
    text = (folder / "kustomization.yaml").read_text()
    (folder / "kustomization.yaml").write_text(text.partition("\n")[2])
    (failure,) = overlays.examine(folder, every_version=False).failures
    assert "no oldest Kubernetes, expected a line" in failure


def test_an_overlay_that_does_not_render_is_found(tree):
    folder = overlay(tree, PATCH.replace("train", "trian") + "restartPolicy: Never")
    (failure,) = overlays.examine(folder, every_version=False).failures
    assert "trian" in failure


@pytest.mark.parametrize(
    ("name", "too_old", "expected"),
    # 1.28 knows native sidecars, but they are off there.
    [("overlays/gpu-shared", "1.33", "ResourceClaimTemplate"), ("base", "1.27", "restartPolicy")],
)
def test_an_older_kubernetes_refuses_an_overlay(tree, name, too_old, expected):
    documents = build(tree / name)
    assert any(expected in text for text in schemas.violations(documents, too_old))
    assert float(oldest_kubernetes(tree / name) or 0) > float(too_old)


@pytest.mark.parametrize("name", ["overlays/gpu-single-node", "overlays/gpu-shared"])
def test_pinned_cores_make_a_guaranteed_pod(tree, name):
    (pod,) = pods_of(build(tree / name))
    for where, container in pod.containers():
        resources = container["resources"]
        asked = {resource: resources["requests"][resource] for resource in ("cpu", "memory")}
        limits = {resource: resources["limits"][resource] for resource in ("cpu", "memory")}
        assert asked == limits, where
        if container["name"].startswith(("sim-", "learner")):
            assert limits["cpu"].isdigit(), where


def test_a_shared_gpu_is_one_claim_of_the_learner_and_every_simulator(tree):
    documents = build(tree / "overlays/gpu-shared")
    (pod,) = pods_of(documents)
    (claim,) = pod.spec["resourceClaims"]
    made = [each["metadata"]["name"] for each in documents if "ClaimTemplate" in each["kind"]]
    assert [claim["resourceClaimTemplateName"]] == made
    named = {
        container["name"]: container["resources"].get("claims")
        for _, container in pod.containers()
        if container["name"] not in ("shm-init", "metrics")
    }
    assert len(named) == overlays.NUM_SIMS + 1
    assert set(map(str, named.values())) == {str([{"name": "gpu"}])}


def test_storage_has_no_password_that_somebody_else_has(tree, tmp_path):
    make_credentials(tmp_path)
    for name in ("minio-root.env", "storage-credentials.env"):
        here, there = (folder.joinpath(name).read_text() for folder in (tree / "storage", tmp_path))
        secret = next(line for line in here.splitlines() if "PASSWORD" in line or "SECRET" in line)
        assert secret not in there
        assert len(secret.partition("=")[2]) >= 40
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    manifests = "\n".join(path.read_text() for path in TREE.rglob("*.yaml"))
    assert "minioadmin" not in manifests


def test_a_pod_that_uses_storage_names_secrets_that_storage_makes(tree):
    made = {
        each["metadata"]["name"] for each in build(tree / "storage") if each["kind"] == "Secret"
    }
    documents = [*build(tree / "overlays/s3"), *build(tree / "storage")]
    used = {
        source["secretRef"]["name"]
        for pod in pods_of(documents)
        for _, container in pod.containers()
        for source in container.get("envFrom", [])
        if "secretRef" in source
    }
    assert used == made


def test_checkpoints_are_fetched_before_simulators_start_and_uploaded_last(tree):
    (pod,) = pods_of(build(tree / "overlays/s3"))
    names = [each["name"] for each in pod.init]
    assert names[:4] == ["shm-init", "fetch", "upload", "sim-0"]  # sidecars stop in reverse order
    assert list(checks.containers_start_in_order(pod)) == []
