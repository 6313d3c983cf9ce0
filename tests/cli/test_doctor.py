"""`uerl-shm doctor`: good here, and every bad line comes up where it should, with its remedy."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

from command_line import ENVIRONMENT, PROGRAM
from uerl_shm.cli import doctor_machine, doctor_memory, doctor_versions
from uerl_shm.cli.facts import Fact, collect
from uerl_shm.errors import UerlError


def by_name(facts) -> dict[str, Fact]:
    return {fact.name: fact for fact in facts}


def test_doctor_examines_everything_and_is_content_here(run):
    result = run("doctor", "--json")
    facts = {fact["name"]: fact for fact in json.loads(result.stdout)}
    assert result.exit_code == 0, result.stdout
    assert facts.keys() >= {
        *("/dev/shm", "shm size", "shm mode", "cgroup memory", "cores", "cgroup cpu", "kernel"),
        *("O_TMPFILE", "OFD locks", "futex bitset", "MADV_POPULATE_WRITE", "segment", "/proc"),
        *("fs.protected_regular", "open files", "locked memory", "user", "Python", "numpy"),
        *("gymnasium", "torch", "uerl_shm", "layout", "executables", "dead segments"),
    }
    assert "made and removed one" in facts["segment"]["value"]
    for fact in facts.values():
        assert bool(fact["remedy"]) == (fact["good"] is not True), fact


def test_doctor_prints_one_line_for_each_fact_and_its_remedy_below(run, monkeypatch):
    facts = [
        Fact("one", "fine"),
        Fact("two", "broken", False, "mend it"),
        Fact("three", "odd", None, "look"),
    ]
    monkeypatch.setattr("uerl_shm.cli.facts.collect", lambda _: facts)
    result = run("doctor")
    assert result.exit_code == 1
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["✓", "one", "fine"],
        ["✗", "two", "broken"],
        ["->", "mend", "it"],
        ["!", "three", "odd"],
        ["->", "look"],
    ]


def test_doctor_sees_dead_segments(dead):
    fact = by_name(doctor_memory.dead_segments())["dead segments"]
    assert (fact.good, fact.remedy) == (None, "uerl-shm clean")


def test_examination_that_fails_is_a_fact():
    def broken_examination():
        raise UerlError("it is dark")

    (fact,) = collect([broken_examination])
    assert (fact.name, fact.good) == ("broken examination", None)
    assert "it is dark" in fact.value


def test_folder_that_is_no_tmpfs_is_bad(tmp_path):
    facts = by_name(doctor_memory.dev_shm(tmp_path, mounts=Path("/proc/mounts")))
    assert facts[str(tmp_path)].good is False
    assert "mount tmpfs" in facts[str(tmp_path)].remedy


def test_topmost_mount_counts(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"shm {tmp_path} ext4 rw 0 0\nshm {tmp_path} tmpfs rw 0 0\n")
    assert by_name(doctor_memory.dev_shm(tmp_path, mounts))[str(tmp_path)].good is True


def test_folder_that_is_not_there_is_bad(tmp_path):
    (fact,) = doctor_memory.dev_shm(tmp_path / "none")
    assert (fact.value, fact.good) == ("does not exist", False)


def test_world_writable_folder_without_the_sticky_bit_deserves_a_look(tmp_path):
    tmp_path.chmod(0o777)
    fact = by_name(doctor_memory.dev_shm(tmp_path))["shm mode"]
    assert fact.good is None
    assert f"chmod +t {tmp_path}" in fact.remedy
    tmp_path.chmod(0o1777)
    assert by_name(doctor_memory.dev_shm(tmp_path))["shm mode"].good is True


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "max\n", "memory.current": "5"}, (None, 0)),
        ({"memory.max": "1048576\n", "memory.current": "4096\n"}, (1048576, 4096)),
        (
            {
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/memory.usage_in_bytes": "1\n",
            },
            (None, 0),
        ),
        (
            {"memory/memory.limit_in_bytes": "8192\n", "memory/memory.usage_in_bytes": "1\n"},
            (8192, 1),
        ),
        ({}, (None, 0)),
    ],
)
def test_memory_limit_of_either_cgroup_version(tmp_path, files, expected):
    write(tmp_path, files)
    assert doctor_memory.memory_limit(tmp_path) == expected


def test_memory_limit_below_what_dev_shm_would_give_deserves_a_look(tmp_path):
    write(tmp_path, {"memory.max": str(64 << 20), "memory.current": str(60 << 20)})
    (fact,) = doctor_memory.cgroup_memory(tmp_path)
    assert fact.good is None
    assert "keep segments below 4.0 MiB" in fact.remedy


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({}, None),
    ],
)
def test_cpu_quota_of_either_cgroup_version(tmp_path, files, cores):
    write(tmp_path, files)
    assert doctor_machine.cpu_quota(tmp_path) == cores


def test_less_than_one_core_deserves_a_look(tmp_path):
    write(tmp_path, {"cpu.max": "50000 100000"})
    fact = by_name(doctor_machine.cores(tmp_path))["cgroup cpu"]
    assert (fact.value, fact.good) == ("0.5 cores", None)


def test_machine_without_proc_is_bad(tmp_path):
    (fact,) = doctor_machine.proc(tmp_path)
    assert (fact.good, fact.remedy) == (False, "mount -t proc proc /proc")


def test_few_open_files_deserve_a_look():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        fact = by_name(doctor_machine.limits())["open files"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert fact.good is None
    assert fact.remedy.startswith("ulimit -n ")


def test_executables_that_are_missing_are_bad(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor_versions, "FOLDER", tmp_path)
    fact = by_name(doctor_versions.own_parts())["executables"]
    assert fact.good is False
    assert "uerl-sim and uerl-launch missing" in fact.value


def test_torch_that_cannot_be_loaded_is_bad(monkeypatch):
    monkeypatch.setattr(doctor_versions, "version", lambda name: "1.0")
    monkeypatch.setattr(doctor_versions, "ASK_TORCH", "raise OSError('libcudart is missing')")
    fact = by_name(doctor_versions.torch())["CUDA"]
    assert fact.good is False
    assert "libcudart is missing" in fact.value


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is told about Unreal")
def test_root_is_told_how_to_start_unreal():
    (fact,) = doctor_machine.user()
    assert fact.good is None
    assert "run_as_user" in fact.remedy


def test_small_memory_is_found_by_the_program(tmp_path):
    script = (
        "mount -t tmpfs -o mode=1777,size=64k tmpfs /dev/shm || exit 77\n"
        "head -c 60000 /dev/zero > /dev/shm/filler\n"
        f"exec {PROGRAM[0]} -c '{PROGRAM[2]}' doctor --json\n"
    )
    result = subprocess.run(
        ["unshare", "--mount", "--user", "--map-root-user", "sh", "-c", script],
        capture_output=True, text=True, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    if result.returncode == 77 or "unshare" in result.stderr:
        pytest.skip("this user may not mount memory of its own")
    facts = {fact["name"]: fact for fact in json.loads(result.stdout)}
    assert result.returncode == 1, result.stderr
    assert facts["shm size"]["good"] is False
    assert "--shm-size" in facts["shm size"]["remedy"]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
