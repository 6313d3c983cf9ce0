"""Passwords that `uerl-shm k8s render` made go neither into a source package nor into an image."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from uerl_shm.cli.k8s import make_credentials

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("minio-root.env", "storage-credentials.env")


def packaged(tree: Path) -> list[str]:
    """Return the files of a tree's source package, by its MANIFEST.in."""
    (tree / "setup.py").write_text("from setuptools import setup\n\nsetup(name='tree')\n")
    subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info"], cwd=tree, check=True, capture_output=True
    )
    return (tree / "tree.egg-info/SOURCES.txt").read_text().splitlines()


def test_a_source_package_has_the_manifests_and_no_password(tmp_path):
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s", ignore=shutil.ignore_patterns("*.env"))
    make_credentials(tmp_path / "k8s/storage")
    rules = (ROOT / "MANIFEST.in").read_text()
    (tmp_path / "MANIFEST.in").write_text(rules)
    files = packaged(tmp_path)
    assert "k8s/storage/minio.yaml" in files
    assert [file for file in files if file.endswith(".env")] == []
    (tmp_path / "MANIFEST.in").write_text(rules.replace(" *.env", ""))  # it would be noticed
    assert [f"k8s/storage/{name}" for name in NAMES] == [
        f for f in packaged(tmp_path) if ".env" in f
    ]


def test_what_images_are_made_of_has_no_password():
    """The last rule that fits a file counts."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    included = [number for number, rule in enumerate(rules) if rule.startswith("!")]
    assert rules.index("**/*.env") > max(included)


def test_version_control_has_no_password():
    assert "*.env" in (ROOT / ".gitignore").read_text().splitlines()
