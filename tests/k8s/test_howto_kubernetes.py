"""Blocks of docs/howto/kubernetes.md are marked; those that can run do, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from k8s.conftest import NO_YAML
from k8s.manifests import ROOT, TREE, build, has_kubectl, load, pods_of
from support.bundled import UERL_SIM

pytest.importorskip("yaml", reason=NO_YAML)
PAGE = (ROOT / "docs/howto/kubernetes.md").read_text()
BLOCK = re.compile(r"(?:<!-- ([\w ]+) -->\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = BLOCK.findall(PAGE)
RUNS = [text for mark, _, text in BLOCKS if mark == "runs in CI"]


def test_every_block_says_whether_it_was_run():
    assert len(BLOCKS) == PAGE.count("```") // 2
    assert {mark for mark, _, _ in BLOCKS} == {"runs in CI", "needs a cluster", "needs podman"}
    assert {language for _, language, _ in BLOCKS} == {"bash"}


@pytest.mark.skipif(not has_kubectl(), reason="kubectl is not installed")
def test_blocks_that_are_marked_run_one_after_the_other(tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "uerl-sim").symlink_to(UERL_SIM)
    (programs / "uerl-shm").write_text(
        f"#!{sys.executable}\nfrom uerl_shm.cli import main\n\nmain()\n"
    )
    (programs / "uerl-shm").chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(RUNS)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # What blocks that need a cluster name is there after those that ran, and names its registry.
    folders = re.findall(r"apply -k (\S+)", PAGE)
    assert len(folders) >= 5
    for folder in folders:
        assert images_of_no_registry(tmp_path / folder) == [], folder
    assert len(images_of_no_registry(tmp_path / "deploy/overlays/s3")) > 10
    left = [path for path in tmp_path.glob("*.yaml") if "PASSWORD" in path.read_text()]
    assert left == []


def images_of_no_registry(folder: Path) -> list[str]:
    """Return the images of a build that stand nowhere but in this project."""
    pods = pods_of(build(folder))
    images = [container["image"] for pod in pods for _, container in pod.containers()]
    assert images, folder
    return [image for image in images if image.startswith("uerl-shm/")]


def test_containers_and_jobs_that_commands_name_exist():
    documents = [
        each
        for file in ("base/train-job.yaml", "storage/setup-job.yaml", "ray/job/rayjob.yaml")
        for each in load((TREE / file).read_text())
    ]
    containers = {each["name"] for pod in pods_of(documents) for _, each in pod.containers()}
    named = set(re.findall(r"kubectl .* -c (\S+)", PAGE.replace("`", " ")))
    assert len(named) >= 4
    assert named <= containers
    jobs = {each["metadata"]["name"] for each in documents if each["kind"] == "Job"}
    assert set(re.findall(r"job/([\w-]+)", "\n".join(text for _, _, text in BLOCKS))) <= jobs | {""}
    ((label, value),) = set(re.findall(r"-l ([\w./]+)=(\w+)", PAGE))
    assert documents[0]["spec"]["template"]["metadata"]["labels"][label] == value
