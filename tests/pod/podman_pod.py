"""From rendered manifests to a Pod that `podman play kube` runs.

    kubectl kustomize k8s/base > job.yaml
    python tests/pod/podman_pod.py --image uerl-shm/learner=localhost/learner < job.yaml > pod.yaml

Takes the Pod template of the first Job, RayJob (its first group of workers) or RayCluster. podman
is no kubelet: each field that is left out or changed is printed on standard error, with the reason.
What that leaves unshown stands in tests/pod/README.md. Written for podman 4.3.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHM = "/dev/shm"
# What podman does as a kubelet does. All else is left out, unless a function here changes it.
POD_FIELDS = ("hostname", "shareProcessNamespace")
CONTAINER_FIELDS = ("name", "command", "args", "workingDir")
SECURITY_FIELDS = (
    *("runAsUser", "runAsGroup", "runAsNonRoot", "supplementalGroups", "seccompProfile"),
    *("readOnlyRootFilesystem", "allowPrivilegeEscalation", "capabilities", "privileged"),
)
LIMITS = ("cpu", "memory")
# Kind to the way from its spec to the Pod template: of Ray's, the first group of workers.
TEMPLATES: dict[str, tuple[str | int, ...]] = {
    "Job": ("template",),
    "RayJob": ("rayClusterSpec", "workerGroupSpecs", 0, "template"),
    "RayCluster": ("workerGroupSpecs", 0, "template"),
}
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
WHY = {
    "terminationGracePeriodSeconds": "podman waits 10 s, whatever is asked for",
    "requests": "nothing is scheduled",
    **dict.fromkeys(PROBES, "podman has systemd run probes: run them by hand"),
    "fsGroupChangePolicy": "there is no fsGroup",
}
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}


class ConversionError(Exception):
    """These manifests cannot become a Pod."""


@dataclass
class Converted:
    """A Pod for podman.

    Attributes:
        pod: Its manifest.
        files: Texts by path, of the folders that stand for volumes with a ConfigMap in them.
        shm_bytes: Size of its /dev/shm, which podman takes from its own settings (shm_size).
        probes: Container to kind of probe to what the manifest says of it.
        notes: One line for each field that was left out or changed.
    """

    pod: dict[str, Any] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)
    shm_bytes: int = 0
    probes: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def make_folders(self) -> None:
        """Make the folders that stand for volumes, which all users may write to."""
        for volume in self.pod["spec"]["volumes"]:
            path = Path(volume["hostPath"]["path"])
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o1777)
        for path, text in self.files.items():
            path.write_text(text)


def bytes_of(quantity: str | int) -> int:
    """Return a quantity of Kubernetes as a number of bytes."""
    text = str(quantity)
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(float(text.removesuffix(unit)) * factor)
    return int(text)


def convert(
    documents: Iterable[dict[str, Any]], name: str, images: dict[str, str], folder: Path
) -> Converted:
    """Return the Pod of the first Job, RayJob or RayCluster.

    Args:
        documents: Manifests, as rendered.
        name: Of the Pod; podman's containers are NAME-CONTAINER.
        images: Image of the manifests, without its tag, to that of this machine.
        folder: Here each volume that is not /dev/shm gets a folder of its own.

    Raises:
        ConversionError: There is no Pod template, or an image has no counterpart.
    """
    listed = [document for document in documents if document]
    return _Conversion(listed, images, folder).run(name)


class _Conversion:
    """One conversion: what it makes, and what it looks names up in."""

    def __init__(
        self, documents: list[dict[str, Any]], images: dict[str, str], folder: Path
    ) -> None:
        self.made, self.images, self.folder = Converted(), images, folder
        self.documents, self.shm_volume = documents, ""
        maps = [document for document in documents if document["kind"] == "ConfigMap"]
        self.config_maps = {config["metadata"]["name"]: config["data"] for config in maps}

    def run(self, name: str) -> Converted:
        source = next((d for d in self.documents if d["kind"] in TEMPLATES), None)
        if source is None:
            kinds = ", ".join(document["kind"] for document in self.documents) or "nothing"
            raise ConversionError(f"manifests have {kinds}, expected a Job, RayJob or RayCluster")
        for document in self.documents:
            if document is not source and document["kind"] != "ConfigMap":
                self.drop(f"{document['kind']} {document['metadata']['name']}")
        template, where = self.template(source)
        metadata = self.kept(template.get("metadata", {}), ("labels",), f"{where}.metadata")
        # Without it podman removes init containers when they end, and their logs.
        metadata["annotations"] = {"io.podman.annotations.init.container.type": "always"}
        self.made.pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **metadata},
            "spec": self.pod_spec(template["spec"], f"{where}.spec"),
        }
        return self.made

    def template(self, source: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Return the Pod template and where it stands; note all that stands beside the way."""
        node, where = source["spec"], f"{source['kind']}.spec"
        for key in TEMPLATES[source["kind"]]:
            beside = range(len(node)) if isinstance(node, list) else node
            for other in beside:
                if other != key:
                    self.drop(f"{where}.{other}", "it is not of the Pod")
            node, where = node[key], f"{where}.{key}"
        return node, where

    def drop(self, what: str, why: str = "podman has nothing like it") -> None:
        self.made.notes.append(f"{what} dropped: {why}")

    def change(self, what: str, to: str) -> None:
        self.made.notes.append(f"{what} changed: {to}")

    def kept(self, given: dict[str, Any], fields: Iterable[str], where: str) -> dict[str, Any]:
        """Return the fields that podman knows, and note the others."""
        for key in sorted(given.keys() - set(fields)):
            self.drop(f"{where}.{key}", WHY.get(key, "podman has nothing like it"))
        return {key: given[key] for key in fields if key in given}

    def pod_spec(self, spec: dict[str, Any], where: str) -> dict[str, Any]:
        handled = ("containers", "initContainers", "volumes", "securityContext", "restartPolicy")
        made = self.kept({k: v for k, v in spec.items() if k not in handled}, POD_FIELDS, where)
        made["securityContext"] = self.security(spec.get("securityContext", {}), where)
        made["volumes"] = list(self.volumes(spec, where))
        plain, sidecars = [], []
        for container in spec.get("initContainers", []):
            if container.get("restartPolicy") == "Always":
                self.change(
                    f"{where}.initContainers.{container['name']}", "a container like others"
                )
                container = {k: v for k, v in container.items() if k != "restartPolicy"}
                sidecars.append(self.container(container, where))
            else:
                plain.append(self.container(container, where))
        made["initContainers"] = plain
        made["containers"] = sidecars + [self.container(c, where) for c in spec["containers"]]
        made["restartPolicy"] = "OnFailure" if sidecars else spec.get("restartPolicy", "Never")
        if made["restartPolicy"] != spec.get("restartPolicy"):
            self.change(f"{where}.restartPolicy", "OnFailure, for sidecars and for all others")
        return made

    def security(self, given: dict[str, Any], where: str) -> dict[str, Any]:
        given = dict(given)
        if (group := given.pop("fsGroup", None)) is not None:
            self.change(f"{where}.securityContext.fsGroup", "one of supplementalGroups")
            given["supplementalGroups"] = [*given.get("supplementalGroups", []), group]
        return self.kept(given, SECURITY_FIELDS, f"{where}.securityContext")

    def volumes(self, spec: dict[str, Any], where: str) -> Iterator[dict[str, Any]]:
        """Return the volumes as podman can have them; notes which one is /dev/shm."""
        containers = [*spec.get("initContainers", []), *spec["containers"]]
        mounts = [mount for c in containers for mount in c.get("volumeMounts", [])]
        self.shm_volume = next((m["name"] for m in mounts if m["mountPath"] == SHM), "")
        for volume in spec.get("volumes", []):
            name, what = volume["name"], f"{where}.volumes.{volume['name']}"
            if name == self.shm_volume:
                self.made.shm_bytes = bytes_of(volume["emptyDir"].get("sizeLimit", "64Mi"))
                self.change(what, f"podman's own {SHM}, shm_size {self.made.shm_bytes} bytes")
            elif volume.keys() & {"configMap", "emptyDir", "persistentVolumeClaim"}:
                path = self.folder / name
                self.change(what, "a folder of this machine, open to everybody, of no limit")
                yield {"name": name, "hostPath": {"path": str(path), "type": "Directory"}}
                if "configMap" in volume:
                    texts = self.config_maps[volume["configMap"]["name"]]
                    self.made.files |= {path / key: text for key, text in texts.items()}
            else:
                raise ConversionError(f"volume {name} is {volume}, expected one that podman knows")

    def container(self, given: dict[str, Any], where: str) -> dict[str, Any]:
        where = f"{where}.{given['name']}"
        self.made.probes[given["name"]] = {kind: given[kind] for kind in PROBES if kind in given}
        handled = ("image", "imagePullPolicy", "volumeMounts", "securityContext", "resources")
        handled += ("env", "envFrom")
        made = self.kept(
            {k: v for k, v in given.items() if k not in handled}, CONTAINER_FIELDS, where
        )
        made["env"] = self.environment(given, where)
        for key in made.keys() & {"command", "args"}:
            made[key] = self.expanded(made[key], made["env"], f"{where}.{key}")
        made["image"] = self.image(given["image"], where)
        made["imagePullPolicy"] = "Never"
        if given.get("imagePullPolicy", "Never") != "Never":
            self.change(f"{where}.imagePullPolicy", "Never, the images are here")
        made["securityContext"] = self.security(given.get("securityContext", {}), where)
        made["volumeMounts"] = list(self.mounts(given, where))
        resources = self.kept(given.get("resources", {}), ("limits",), f"{where}.resources")
        limits = self.kept(resources.get("limits", {}), LIMITS, f"{where}.resources.limits")
        made["resources"] = {"limits": limits}
        return made

    def mounts(self, given: dict[str, Any], where: str) -> Iterator[dict[str, Any]]:
        mounts = given.get("volumeMounts", [])
        if all(mount["name"] != self.shm_volume for mount in mounts):
            self.change(where, f"it shares the Pod's {SHM}, which it would not with a kubelet")
        yield from (mount for mount in mounts if mount["name"] != self.shm_volume)

    def environment(self, given: dict[str, Any], where: str) -> list[dict[str, Any]]:
        """Return a container's variables; of two of a name, the later one counts."""
        found = []
        for source in given.get("envFrom", []):
            name = source.get("configMapRef", {}).get("name")
            if name not in self.config_maps:
                raise ConversionError(
                    f"{where}.envFrom has {source}, expected one of the manifests' ConfigMaps"
                )
            self.change(f"{where}.envFrom.{name}", "written out")
            found += [{"name": k, "value": v} for k, v in self.config_maps[name].items()]
        return found + given.get("env", [])

    def expanded(self, words: list[str], variables: list[dict[str, Any]], where: str) -> list[str]:
        """Return words in which $(NAME) is the value of a variable, as a kubelet has it."""
        values = {each["name"]: each["value"] for each in variables if "value" in each}

        def value_of(found: re.Match[str]) -> str:
            return "$" if found[0] == "$$" else values.get(found[1], found[0])

        made = [re.sub(r"\$\$|\$\(([\w.-]+)\)", value_of, word) for word in words]
        if made != words:
            self.change(where, "$(NAME) written out")
        return made

    def image(self, image: str, where: str) -> str:
        known = re.sub(r"(:[^/]*)?(@.*)?$", "", image)  # without tag and digest
        if known not in self.images:
            raise ConversionError(
                f"image {image} of {where} is unknown here, expected one of "
                f"{', '.join(self.images) or 'none'}: add --image {known}=NAME"
            )
        self.change(f"{where}.image", self.images[known])
        return self.images[known]


def main() -> int:
    """Convert standard input to standard output."""
    import yaml

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", default="uerl-test-pod", help="of the Pod")
    parser.add_argument("--image", action="append", default=[], metavar="THEIRS=OURS")
    parser.add_argument("--folder", type=Path, default=Path("volumes"), help="of the volumes")
    options = parser.parse_args()
    images = dict(pair.split("=", 1) for pair in options.image)
    try:
        converted = convert(
            yaml.safe_load_all(sys.stdin), options.name, images, options.folder.resolve()
        )
    except ConversionError as error:
        print(f"podman_pod.py: {error}", file=sys.stderr)
        return 2
    sys.stderr.writelines(f"{note}\n" for note in converted.notes)
    converted.make_folders()
    yaml.safe_dump(converted.pod, sys.stdout, sort_keys=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
