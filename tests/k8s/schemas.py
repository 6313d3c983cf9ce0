"""Kubernetes's own schemas, strict, of every version that kubernetes-validate brings along."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.manifests import Document, pods_of

#: Kinds of operators: their schemas are not Kubernetes's; their Pods are examined as Pods.
CUSTOM = ("ray.io/", "monitoring.coreos.com/")


def versions(oldest: str) -> list[str]:
    """Return all bundled versions from one on."""
    from kubernetes_validate.utils import all_versions, major_minor

    def key(version: str) -> list[int]:
        return [int(part) for part in version.split(".")]

    found = dict.fromkeys(map(major_minor, all_versions()))  # each is there strict and not
    return [each for each in found if key(each) >= key(oldest)]


def violations(documents: list[Document], version: str) -> Iterator[str]:
    """Yield what the schemas of a version refuse."""
    for document in documents:
        if not document["apiVersion"].startswith(CUSTOM):
            yield from _violations(document, version)
    for pod in pods_of([each for each in documents if each["apiVersion"].startswith(CUSTOM)]):
        name = {"name": "of-a-template"}
        as_pod = {"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": pod.spec}
        for text in _violations(as_pod, version):
            yield f"{pod.path}: {text}"


def _violations(document: Document, version: str) -> Iterator[str]:
    import kubernetes_validate

    name = f"{document['kind']} {document['metadata']['name']}"
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        path = ".".join(str(part) for part in error.path)
        yield f"Kubernetes {version}: {name}, {path}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"Kubernetes {version}: {error.message}"
