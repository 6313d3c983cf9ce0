"""The rendered Pod runs: users, training, a killed simulator, doors, room, figures, observers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pod.conftest import GROUP_ID, LEARNER_ID, NAME, NUM_SIMS, SIMULATOR_ID, SIMULATORS, pod_of
from pod.pod_images import ROOT, image, why_not
from pod.pods import PATIENCE_S, Pod, wait_for

PACKAGE = ROOT / "uerl_shm"
ENDING_S = 30.0  # of a learner that is told to: a quarter of the manifest's grace period
CHECKPOINT = "/runs/checkpoint.pt"  # as the learner names it
ENV_STEPS = """
import sys, torch
print(*(torch.load(path, weights_only=True)["env_steps"] for path in sys.argv[1:]))
"""
pytestmark = [
    pytest.mark.podman,
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # the first test may wait for images to be built
    pytest.mark.skipif(bool(why_not()), reason=f"Pods cannot run here: {why_not()}"),
]


def steps_of(pod: Pod) -> float:
    """Return how many env steps a scrape counts, 0 before there is anything to count."""
    return figure(pod, f'uerl_shm_env_steps_total{{segment="{NAME}"}}') or 0.0


def figure(pod: Pod, series: str) -> float | None:
    """Return what a scrape of /metrics says of a series; None while it says nothing."""
    try:
        text = get(pod, "/metrics")
    except OSError:
        return None
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def get(pod: Pod, path: str) -> str:
    """Return what the container `metrics` answers to a client outside the Pod."""
    with urllib.request.urlopen(f"http://{pod.address()}:9464{path}", timeout=5.0) as answer:
        return str(answer.read().decode())


def ended(pod: Pod, name: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
    """Return the state of a container once it has ended."""

    def look() -> dict[str, Any] | None:
        state: dict[str, Any] = pod.container(name)["State"]
        return state if state["Status"] == "exited" else None

    return dict(wait_for(f"{name} ends", look, timeout_s))


@pytest.fixture(scope="module")
def training(rendered: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A Pod whose learner trains, and does not come to an end."""
    folder = tmp_path_factory.mktemp("training")
    converted = pod_of(rendered(TOTAL_STEPS="100000000"), "training", folder)
    with Pod(converted, folder) as pod:
        assert pod.started, pod.said
        wait_for("the learner steps", lambda: steps_of(pod) > 0)
        yield pod


def test_the_images_hold_the_sources_and_one_build_of_the_programs(training):
    # podman's cache once took layers of older sources for these.
    package = training.call("learner", "python", "-c", "import uerl_shm as u; print(*u.__path__)")
    folder = package.stdout.strip()
    hashed = training.call("learner", "sh", "-c", f"cd {folder} && sha256sum *.py */*.py")
    files = dict(line.split()[::-1] for line in hashed.stdout.splitlines())
    ours = {p.relative_to(PACKAGE).as_posix(): p for p in PACKAGE.glob("**/*.py")}
    assert {file: files.get(file) for file in ours} == {
        file: hashlib.sha256(path.read_bytes()).hexdigest() for file, path in ours.items()
    }
    programs = training.call("learner", "sha256sum", f"{folder}/bin/uerl-sim").stdout.split()[0]
    assert programs in training.call("sim-0", "sha256sum", "/usr/local/bin/uerl-sim").stdout


def test_shm_init_finds_the_segments_room_before_anybody_else_starts(training):
    assert training.container("shm-init")["State"]["ExitCode"] == 0
    assert "/dev/shm is fit" in training.logs("shm-init")
    ended = training.container("shm-init")["State"]["FinishedAt"]
    for name in (*SIMULATORS, "learner"):
        assert training.container(name)["State"]["StartedAt"] > ended


def test_simulators_and_learner_are_two_users_of_one_group_without_rights(training):
    users = dict.fromkeys(SIMULATORS, SIMULATOR_ID) | {"learner": LEARNER_ID, "metrics": LEARNER_ID}
    for name, user in users.items():
        status = training.status(name)
        assert (status["Uid"], status["Gid"]) == ([user] * 4, [GROUP_ID] * 4), name
        assert {status[key][0] for key in ("CapEff", "CapBnd", "CapPrm")} == {"0" * 16}, name
        assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"]), name
        written = training.call(name, "touch", "/usr/local/bin/x")
        assert "Read-only file system" in written.stderr, name
    listed = training.call("learner", "stat", "-c", "%u %g %a", f"/dev/shm/{NAME}").stdout
    assert listed.split() == [LEARNER_ID, GROUP_ID, "660"]


def test_each_container_has_processes_of_its_own(training):
    # So a learner is the first process of its own, and locks, not numbers, say who is alive.
    assert "shareProcessNamespace" not in training.converted.pod["spec"]
    names = [*SIMULATORS, "learner", "metrics"]
    spaces = {os.readlink(f"/proc/{training.pid(name)}/ns/pid") for name in names}
    assert len(spaces) == len(names)
    assert {training.status(name)["NSpid"][-1] for name in names} == {"1"}


def test_figures_and_health_are_served_to_a_scraper(training, record_property):
    before = steps_of(training)
    after = wait_for("more steps", lambda: (now := steps_of(training)) > before and now)
    record_property("scraped_steps", f"{after:.0f}")
    assert figure(training, f'uerl_shm_simulators{{segment="{NAME}"}}') == NUM_SIMS
    assert json.loads(get(training, "/healthz"))["status"] == "ok"


def test_top_sees_the_training_from_a_container_of_its_own(training, record_property):
    user = f"{LEARNER_ID}:{GROUP_ID}"
    command = ["uerl-shm", "top", NAME, "--json"]
    looked = training.beside(image("learner"), *command, user=user)
    assert looked.returncode == 0, looked.stderr
    found = json.loads(looked.stdout)
    assert found["simulators"] == NUM_SIMS and found["env_steps_per_s"] > 0
    record_property("top_env_steps_per_s", f"{found['env_steps_per_s']:.0f}")
    stranger = training.beside(image("learner"), *command, user="4000:4000")
    assert stranger.returncode == 2 and "Permission denied" in stranger.stderr


def test_probes_of_the_manifest_answer_well(training):
    for name in (*SIMULATORS, "learner"):
        command = training.converted.probes[name]["livenessProbe"]["exec"]["command"]
        probed = training.call(name, *command)
        assert probed.returncode == 0 and "healthy" in probed.stdout, probed


def test_a_simulator_that_is_killed_from_the_host_comes_back_and_training_goes_on(
    training, record_property
):
    restarts = f'uerl_shm_lane_restarts_total{{lane="0",segment="{NAME}"}}'
    assert figure(training, restarts) == 0
    killed = training.kill("sim-0")
    wait_for("another process", lambda: training.pid("sim-0") not in (0, killed))
    wait_for("the lane is taken again", lambda: figure(training, restarts) == 1)
    before = steps_of(training)
    wait_for("training goes on", lambda: steps_of(training) > before + 200)
    state = training.container("learner")
    assert (state["State"]["Status"], state["RestartCount"]) == ("running", 0)
    assert training.container("sim-1")["RestartCount"] == 0
    record_property("simulator_restarts", training.container("sim-0")["RestartCount"])


def test_a_learner_that_is_killed_goes_on_from_its_checkpoint_with_the_same_simulators(
    training, record_property
):
    simulators = [training.pid(name) for name in SIMULATORS]
    checkpoint = training.folder("runs") / "checkpoint.pt"
    wait_for("a checkpoint", checkpoint.exists)
    killed = training.kill("learner")
    wait_for("its end", lambda: not Path(f"/proc/{killed}").exists())
    left = Path(shutil.copy2(checkpoint, checkpoint.with_name("left.pt")))
    wait_for("another process", lambda: training.pid("learner") not in (0, killed))
    learners = f'uerl_shm_learners_total{{segment="{NAME}"}}'
    wait_for("metrics see another learner", lambda: figure(training, learners) == 2)
    wait_for("it saves", lambda: checkpoint.stat().st_mtime_ns > left.stat().st_mtime_ns)
    looked = training.call("learner", "python", "-c", ENV_STEPS, f"/runs/{left.name}", CHECKPOINT)
    assert looked.returncode == 0, looked.stderr
    before, after = map(int, looked.stdout.split())
    assert before < after  # one that begins anew saves after its first rollout: as few as can be
    assert [training.pid(name) for name in SIMULATORS] == simulators
    record_property("learner_restarts", training.container("learner")["RestartCount"])
    record_property("resumed_at", before)


def test_a_learner_that_is_told_to_end_saves_first_and_says_how_to_go_on(rendered, tmp_path):
    converted = pod_of(rendered(TOTAL_STEPS="100000000"), "told", tmp_path)
    converted.pod["spec"]["restartPolicy"] = "Never"  # so that its exit code stays to be seen
    with Pod(converted, tmp_path) as pod:
        assert pod.started, pod.said
        checkpoint = pod.folder("runs") / "checkpoint.pt"
        wait_for("its first checkpoint", checkpoint.exists)  # the next is due 60 s later
        told_ns = time.time_ns()
        os.kill(pod.pid("learner"), signal.SIGTERM)
        state = ended(pod, "learner", ENDING_S)
        assert told_ns < checkpoint.stat().st_mtime_ns
        said = pod.logs("learner")
    assert state["ExitCode"] == 130, said
    assert f"interrupted: go on with --resume {CHECKPOINT}" in said


def test_a_training_comes_to_its_end(rendered, tmp_path, record_property):
    config = {"TOTAL_STEPS": "8192", "LEARNING_RATE": "0.005"}
    with Pod(pod_of(rendered(**config), "end", tmp_path), tmp_path) as pod:
        assert pod.started, pod.said
        state = ended(pod, "learner")
        result = re.search(r"^RESULT (.*)$", pod.logs("learner"), re.MULTILINE)
        assert state["ExitCode"] == 0 and result is not None, pod.logs("learner")
    found = dict(pair.split("=") for pair in result[1].split())
    assert int(found["env_steps"]) == 8192
    assert float(found["mean_return"]) > float(found["random_return"])
    for name in ("env_steps", "mean_return", "random_return"):
        record_property(f"ppo_{name}", found[name])


def test_a_segment_of_mode_0600_is_refused_by_another_user_with_the_remedy(rendered, tmp_path):
    documents = rendered()
    converted = pod_of(documents, "doors", tmp_path)
    learner = converted.pod["spec"]["containers"][-1]
    learner["args"] = [arg.replace("--shm-mode=0660", "--shm-mode=0600") for arg in learner["args"]]
    assert "--shm-mode=0600" in learner["args"]
    converted.pod["spec"]["restartPolicy"] = "Never"
    with Pod(converted, tmp_path) as pod:
        assert pod.started, pod.said
        for name in SIMULATORS:
            status = f"{name} ends"
            wait_for(status, lambda name=name: pod.pid(name) == 0)
            said = pod.logs(name)
            assert pod.container(name)["State"]["ExitCode"] != 0
            assert f"uid {LEARNER_ID} gid {GROUP_ID}" in said and "mode 0600" in said, said
            assert "give the learner shm_group= and shm_mode=0o660" in said, said


def test_a_shm_that_is_too_small_stops_the_pod_in_shm_init(rendered, tmp_path, record_property):
    converted = pod_of(rendered(), "room", tmp_path)
    asked, converted.shm_bytes = converted.shm_bytes, 64 << 10
    converted.pod["spec"]["restartPolicy"] = "Never"
    with Pod(converted, tmp_path) as pod:
        assert not pod.started
        said = pod.logs("shm-init")
        assert pod.container("shm-init")["State"]["ExitCode"] == 2
        assert "/dev/shm has 64.0 KiB free" in said and "sizeLimit" in said, said
        for name in (*SIMULATORS, "learner"):
            assert pod.container(name)["State"]["Status"] == "created"
    record_property("shm_bytes", asked)
