"""What tests of manifests share: the documents of the repository's tree."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from k8s.manifests import TREE, load
from k8s.overlays import layout_of

NO_YAML = "PyYAML is not installed (extra k8s)"
FILES = {
    "train": ("common/config.yaml", "base/train-job.yaml"),
    "ray": ("common/config.yaml", "ray/job/rayjob.yaml"),
}


@pytest.fixture(scope="session")
def _loaded() -> dict[str, list[Any]]:
    return {
        name: [each for file in files for each in load((TREE / file).read_text())]
        for name, files in FILES.items()
    }


@pytest.fixture
def documents(_loaded) -> dict[str, list[Any]]:
    """The Job and the RayJob with their ConfigMaps, to be spoiled."""
    return copy.deepcopy(_loaded)


@pytest.fixture
def layout_bytes(documents):
    return layout_of(documents["train"])
