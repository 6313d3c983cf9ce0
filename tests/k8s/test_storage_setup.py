"""MinIO's set-up: what its script asks for, and that it completes if the Pods' key serves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from k8s.conftest import NO_YAML
from k8s.manifests import TREE, load

pytest.importorskip("yaml", reason=NO_YAML)
# Stands for MinIO's client: keeps one object, and refuses what the test says.
CLIENT = """#!/bin/sh
echo "$@" >> calls
case "$*" in $REFUSED) exit 1 ;; esac
case "$1" in pipe) cat > object ;; cat) cat object ;; esac
case "$3" in create) cp "$6" policy.json ;; esac
"""
VALUES = {
    "MINIO_ROOT_USER": "root-1",
    "MINIO_ROOT_PASSWORD": "secret-1",
    "BUCKET": "uerl-shm",
    "RCLONE_CONFIG_STORAGE_ACCESS_KEY_ID": "pods-key",
    "RCLONE_CONFIG_STORAGE_SECRET_ACCESS_KEY": "secret-2",
}


def set_up(folder: Path, refused: str = "nothing") -> int:
    """Run the Job's script; return its exit code."""
    (folder / "mc").write_text(CLIENT)
    (folder / "mc").chmod(0o755)
    (job,) = load((TREE / "storage/setup-job.yaml").read_text())
    shell, flags, script = job["spec"]["template"]["spec"]["containers"][0]["command"]
    environment = {**VALUES, "REFUSED": refused, "PATH": f"{folder}:/usr/bin:/bin"}
    command = [shell, flags, script.replace("/tmp/policy.json", str(folder / "written.json"))]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def test_the_pods_key_may_use_one_bucket_and_nothing_else(tmp_path):
    assert set_up(tmp_path) == 0
    policy = json.loads((tmp_path / "policy.json").read_text())
    resources = {each for rule in policy["Statement"] for each in rule["Resource"]}
    assert resources == {"arn:aws:s3:::uerl-shm", "arn:aws:s3:::uerl-shm/*"}
    actions = {action for rule in policy["Statement"] for action in rule["Action"]}
    assert {"s3:ListBucket", "s3:GetObject", "s3:PutObject"} <= actions
    assert not any("*" in action or "Delete" in action for action in actions)
    assert "admin policy attach root uerl-shm --user pods-key" in (tmp_path / "calls").read_text()


def test_it_may_run_again_where_the_policy_is_attached_already(tmp_path):
    assert set_up(tmp_path, refused="*attach*") == 0


@pytest.mark.parametrize("refused", ["mb*", "*create*", "*user*add*", "pipe*", "cat*"])
def test_it_does_not_complete_when_the_pods_key_does_not_serve(tmp_path, refused):
    assert set_up(tmp_path, refused) != 0
