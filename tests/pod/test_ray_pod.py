"""A worker's Pod of the rendered RayJob: Ray and the training in one container, beside sidecars."""

from __future__ import annotations

import re

import pytest

from pod.conftest import NUM_SIMS, SIMULATORS, pod_of
from pod.pod_images import why_not
from pod.pods import Pod, wait_for

pytestmark = [
    pytest.mark.podman,
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # it may wait for images to be built
    pytest.mark.skipif(bool(why_not()), reason=f"Pods cannot run here: {why_not()}"),
]
# KubeRay gives the container this command, with the address of a head in place of --head; it makes
# the token of Ray's authentication, too.
START = [
    *("ray", "start", "--head", "--block", "--num-cpus=2", '--resources={"rollout_space": 1}'),
    *("--object-store-memory=100000000", "--include-dashboard=false", "--disable-usage-stats"),
]
WITHOUT_TOKEN = {"name": "RAY_AUTH_MODE", "value": "disabled"}


def test_the_entrypoint_of_a_ray_job_trains_in_its_worker(rendered, tmp_path, record_property):
    documents = rendered("ray/job", ITERATIONS="3")
    converted = pod_of(documents, "ray", tmp_path, "ray")
    worker = converted.pod["spec"]["containers"][-1]
    assert (worker["name"], worker.get("command")) == ("ray-worker", None)
    worker |= {"command": START, "env": [*worker["env"], WITHOUT_TOKEN]}
    entrypoint = next(d["spec"]["entrypoint"] for d in documents if d["kind"] == "RayJob")
    with Pod(converted, tmp_path) as pod:
        assert pod.started, pod.said
        wait_for("Ray runs", lambda: pod.call("ray-worker", "ray", "status").returncode == 0)
        trained = pod.call("ray-worker", "sh", "-c", entrypoint, timeout_s=600)
        assert trained.returncode == 0, trained.stdout + trained.stderr
        assert [pod.container(name)["RestartCount"] for name in SIMULATORS] == [0] * NUM_SIMS
    result = re.search(r"^RESULT (.*)$", trained.stdout, re.MULTILINE)
    assert result is not None, trained.stdout
    record_property("ray_iterations", dict(p.split("=") for p in result[1].split())["iterations"])
