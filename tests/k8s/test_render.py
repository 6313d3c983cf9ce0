"""`uerl-shm k8s render`: sizes are the layout's, and the repository's tree is what it writes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import uerl_shm
from command_line import call_program
from k8s.conftest import NO_YAML
from k8s.manifests import TREE, load, pods_of, quantity
from k8s.overlays import NUM_SIMS, NUM_STEPS, SIMULATOR
from support.bundled import UERL_SIM
from uerl_shm.errors import SpecError
from uerl_shm.k8s import MIB, OBJECT_STORE_MIB, RAY_MIB, SLACK_MIB, Training, render, stream
from uerl_shm.launcher import describe
from uerl_shm.spec import EnvSpec

pytest.importorskip("yaml", reason=NO_YAML)
SPEC = Path(__file__).with_name("apples.json")


@pytest.fixture
def training() -> Training:
    return Training(EnvSpec.load(SPEC), SIMULATOR, NUM_SIMS, NUM_STEPS)


def test_the_repositorys_tree_is_what_render_writes(training):
    files = render(training)
    found = {
        path.relative_to(TREE).as_posix(): path.read_text()
        for path in TREE.rglob("*")
        if path.suffix in (".yaml", ".json") and "templates" not in path.parts
    }
    assert sorted(files) == sorted(found)
    for name, text in files.items():
        assert text == found[name], f"k8s/{name} differs: write it anew (k8s/README.md)"


@pytest.mark.parametrize(("num_sims", "num_steps"), [(1, 1), (3, 7)])
def test_the_segment_is_as_large_as_was_computed(num_sims, num_steps):
    simulator = f"{UERL_SIM} apples --frame 16x12"
    slots, name = 2 * num_steps + 2, f"render-{os.getpid()}"
    with_segment = uerl_shm.VecEnv(simulator, num_sims, slots=slots, name=name)
    try:
        size = os.stat(f"/dev/shm/{name}").st_size
        training = Training(with_segment.spec, simulator, num_sims, num_steps)
    finally:
        with_segment.close()
    assert training.segment_bytes(num_sims) == size


@pytest.mark.parametrize(
    ("manifest", "num_sims", "object_store"),
    [("base/train-job", 5, 0), ("loosely-coupled/clients-job", 1, 0),
     ("ray/job/rayjob", 5, OBJECT_STORE_MIB * MIB), ("ray/cluster/raycluster", 5, 512 * MIB)],
)  # fmt: skip
def test_memory_holds_two_segments_and_what_a_process_needs(manifest, num_sims, object_store):
    training = Training(EnvSpec.load(SPEC), SIMULATOR, 5, num_steps=300, learner_mib=1000)
    pod = list(pods_of(load(render(training)[f"{manifest}.yaml"])))[-1]
    assert len(pod.simulators()) == num_sims
    shm = quantity(pod.shm_volume()["emptyDir"]["sizeLimit"])
    needed = 2 * training.segment_bytes(num_sims) + object_store
    assert needed <= shm - SLACK_MIB * MIB < needed + MIB
    memory = quantity(pod.main[0]["resources"]["limits"]["memory"])
    assert memory - shm == (1000 + (RAY_MIB if object_store else 0)) * MIB
    (asked,) = re.findall(r"--bytes', '(\d+)'", str(pod.init[0]["command"]))
    assert int(asked) == needed


@pytest.mark.parametrize(
    ("manifest", "rows"),
    [("base/train-job", "--num-envs=6"), ("loosely-coupled/clients-job", "--num-envs=2"),
     ("ray/job/rayjob", "--num-envs 6\n")],
)  # fmt: skip
def test_a_learner_has_a_row_for_each_agent_of_each_simulator(tmp_path, manifest, rows):
    describe(f"{UERL_SIM} tennis").save(tmp_path / "spec.json")
    training = Training(EnvSpec.load(tmp_path / "spec.json"), "uerl-sim tennis", 3)
    assert rows in render(training)[f"{manifest}.yaml"]


def test_a_simulator_with_quotes_and_dollars_stays_one_argument():
    command = """/game/My Game.sh '-map=a "b"' -x=@{y}"""
    training = Training(EnvSpec.load(SPEC), command.replace("/My Game", "/'My Game'"), 2)
    (pod,) = pods_of(load(render(training)["base/train-job.yaml"]))
    assert pod.simulators()[0]["command"] == ["/game/My Game.sh", '-map=a "b"', "-x=@{y}"]


def test_without_a_folder_one_pod_is_printed_as_a_stream(training):
    printed = call_program(
        "k8s", "render", "--sims", str(NUM_SIMS), "--simulator", SIMULATOR, "--spec", str(SPEC)
    )
    assert printed.stdout == stream(training)
    kinds = [each["kind"] for each in load(printed.stdout)]
    assert kinds == ["ConfigMap", "ConfigMap", "NetworkPolicy", "Job"]


def test_a_simulator_is_asked_for_its_spec(tmp_path):
    done = call_program(
        "k8s", "render", "--sims", "2", "--simulator", f"{UERL_SIM} basic", "-o", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert '"name": "basic"' in (tmp_path / "common/config.yaml").read_text()


def test_passwords_stay_when_the_tree_is_rendered_again(tmp_path):
    command = ["k8s", "render", "--sims", "2", "--simulator", "mine", "--spec", str(SPEC)]
    call_program(*command, "-o", str(tmp_path))
    before = [path.read_text() for path in sorted(tmp_path.rglob("*.env"))]
    again = call_program(*command, "-o", str(tmp_path))
    assert [path.read_text() for path in sorted(tmp_path.rglob("*.env"))] == before
    assert len(before) == 2
    assert again.stderr.count("kept ") == 2


def test_a_spec_of_several_groups_is_refused():
    with pytest.raises(SpecError, match="has 2 groups, expected 1"):
        Training(describe(f"{UERL_SIM} gather"), "uerl-sim gather", 2)


def test_more_than_a_segment_can_hold_is_refused_in_one_line(tmp_path):
    command = ["--simulator", "mine", "--spec", str(SPEC), "-o", str(tmp_path)]
    done = call_program("k8s", "render", "--sims", "100000000", *command)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "expected 1 to" in done.stderr
