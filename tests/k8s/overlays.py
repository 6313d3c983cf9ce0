"""Examines one overlay: it renders, fits every version from its oldest on, and keeps our rules."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from k8s import checks, schemas
from k8s.manifests import Document, build, oldest_kubernetes
from uerl_shm.k8s import Training
from uerl_shm.spec import EnvSpec

SIMULATOR = "uerl-sim apples --next-learner-s 600"
NUM_SIMS = 4  # of the tree in the repository
NUM_STEPS = 128


@dataclass
class Report:
    """What was examined, and what is wrong."""

    versions: list[str] = field(default_factory=list)
    num_checks: int = 0
    failures: list[str] = field(default_factory=list)


def examine(folder: Path, every_version: bool) -> Report:
    """Examine an overlay against its oldest version and the newest, or all in between, too."""
    report = Report()
    oldest = oldest_kubernetes(folder)
    if oldest is None:
        report.failures.append(
            f"{folder.name}: no oldest Kubernetes, expected a line `# Oldest Kubernetes: 1.29`"
        )
        return report
    try:
        documents = build(folder)
    except ValueError as error:
        report.failures.append(str(error))
        return report
    found = schemas.versions(oldest)
    report.versions = found if every_version else sorted({found[0], found[-1]})
    for version in report.versions:
        report.failures += schemas.violations(documents, version)
    report.num_checks, wrong = checks.examine(documents, layout_of(documents))
    report.failures += wrong
    return report


def layout_of(documents: list[Document]) -> checks.LayoutBytes:
    """Return how large segments are by the spec that stands among the documents."""
    for document in documents:
        if document["kind"] == "ConfigMap" and "spec.json" in document["data"]:
            spec = EnvSpec.from_json(json.loads(document["data"]["spec.json"]))
            return lambda lanes, steps: Training(spec, "any", lanes, steps).segment_bytes(lanes)
    return lambda lanes, steps: 0
