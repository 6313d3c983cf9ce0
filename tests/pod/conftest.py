"""What tests of Pods share: manifests as they are rendered, and the images that they run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import ENVIRONMENT, PROGRAM
from pod.pod_images import image
from pod.podman_pod import Converted, convert

NUM_SIMS = 2
SIMULATORS = [f"sim-{lane}" for lane in range(NUM_SIMS)]
LEARNER_ID, SIMULATOR_ID, GROUP_ID = "2000", "1000", "3000"
NAME = "train"  # of the segment, in the manifests' ConfigMap
# Folder of kustomize to the files that are rendered for it, for machines without kubectl.
FILES = {
    "base": ("common/config.yaml", "common/network-policy.yaml", "base/train-job.yaml"),
    "ray/job": ("common/config.yaml", "ray/job/rayjob.yaml"),
}
Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Render:
    """A function that gives the manifests of a folder, with other values in their ConfigMap."""
    yaml = pytest.importorskip("yaml")
    folder = tmp_path_factory.mktemp("manifests")
    command = [*PROGRAM, "k8s", "render", f"--sims={NUM_SIMS}", "--pods=1", "--num-steps=32"]
    command += [
        "--simulator",
        "uerl-sim basic --wait-us 3000 --next-learner-s 600",
        "-o",
        str(folder),
    ]
    subprocess.run(command, env=ENVIRONMENT, check=True)

    def render(path: str = "base", **config: str) -> list[dict[str, Any]]:
        if shutil.which("kubectl"):
            command = ["kubectl", "kustomize", str(folder / path)]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        else:
            text = "---\n".join((folder / file).read_text() for file in FILES[path])
        documents = list(yaml.safe_load_all(text))
        for document in documents:
            if document["kind"] == "ConfigMap" and "UERL_SHM_NAME" in document["data"]:
                document["data"] |= config
        return documents

    return render


def pod_of(documents: list[dict[str, Any]], label: str, folder: Path, *targets: str) -> Converted:
    """Return what podman runs, with our images; print what it leaves out and changes."""
    images = {f"uerl-shm/{target}": image(target) for target in ("simulator", "learner", *targets)}
    name = f"uerl-test-{os.getpid()}-{label}"
    converted = convert(documents, name, images, folder / "volumes")
    print(f"{name}: what podman does not take over", *converted.notes, sep="\n    ")
    return converted
