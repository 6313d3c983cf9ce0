"""`uerl-shm ls`, `inspect` and `clean`: what stands in /dev/shm."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from command_line import ENVIRONMENT, PROGRAM, call_program

SHM = Path("/dev/shm")


def listed(run, name: str) -> dict:
    entries = json.loads(run("ls", "--json").stdout)
    return next(entry for entry in entries if entry["name"] == name)


def test_ls_shows_a_living_learner_with_its_simulators(run, env, name):
    env.step(env.action_space.sample())
    assert listed(run, name) == {
        "name": name,
        "state": "alive",
        "num_bytes": (SHM / name).stat().st_size,
        "simulators": 2,
        "lanes": 2,
        "rows": 4,
        "slots": 4,
        "steps": 4,
    }
    line = next(line for line in run("ls").stdout.splitlines() if line.startswith(name))
    assert line.split()[1:5] == ["alive", "2/2", "4", "4"]


def test_ls_shows_a_dead_learner_and_how_to_clean_up(run, dead):
    entry = listed(run, dead)
    assert (entry["state"], entry["simulators"], entry["lanes"]) == ("dead", 0, 2)
    assert "uerl-shm clean" in run("ls").stdout


def test_ls_leaves_files_of_other_kinds_out(run, name):
    (SHM / name).write_bytes(b"something else" * 1000)
    try:
        assert name not in run("ls").stdout
    finally:
        (SHM / name).unlink()


def test_inspect_states_the_size_of_the_file(run, env, name):
    result = run("inspect", name, "--json")
    data = json.loads(result.stdout)
    size = (SHM / name).stat().st_size
    assert result.exit_code == 0
    assert (data["header"]["segment_bytes"], data["file_bytes"]) == (size, size)
    assert f"{size:,} bytes" in run("inspect", name).stdout


def test_inspect_lists_every_array_within_the_file_and_apart_from_the_others(run, env, name):
    data = json.loads(run("inspect", name, "--json").stdout)
    fields = {field["name"]: field for field in data["fields"]}
    assert fields["observation/camera"]["shape"] == [42, 42, 3]
    assert fields["observation/camera"]["num_bytes"] == 4 * 4 * 42 * 42 * 3
    end = 0
    for field in sorted(data["fields"], key=lambda field: field["offset"]):
        assert field["offset"] >= end
        end = field["offset"] + field["num_bytes"]
    assert end <= data["file_bytes"]


def test_inspect_shows_lanes_rings_and_the_spec(run, env, name):
    for _ in range(3):
        env.step(env.action_space.sample())
    data = json.loads(run("inspect", name, "--json").stdout)
    assert [lane["state"] for lane in data["lanes"]] == ["ready", "ready"]
    assert {lane["commands"] for lane in data["lanes"]} == {4}
    assert {lane["results_read"] for lane in data["lanes"]} == {4}
    assert data["text"]["spec"]["name"] == "apples"
    assert data["header"]["autoreset_mode"] == "NextStep"


def test_inspect_finds_a_file_that_is_not_as_large_as_its_header_says(run, env, name):
    size = (SHM / name).stat().st_size
    os.truncate(SHM / name, size + 4096)
    result = run("inspect", name)
    assert result.exit_code == 1
    assert str(size) in result.stderr
    assert str(size + 4096) in result.stderr


def test_inspect_of_a_name_that_is_not_there_is_one_clear_line(run):
    result = run("inspect", "no-such-segment")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "no-such-segment not found" in result.stderr


def test_clean_removes_a_dead_segment_and_says_how_much_it_freed(run, dead):
    size = (SHM / dead).stat().st_size
    result = run("clean", dead, "--yes", "--json")
    report = json.loads(result.stdout)
    assert report == {
        "removed": [{"name": dead, "num_bytes": size}],
        "kept": [],
        "freed_bytes": size,
    }
    assert not (SHM / dead).exists()


def test_clean_never_touches_a_living_learner(run, env, name):
    result = run("clean", name, "--yes")
    assert result.exit_code == 2
    assert "living learner" in result.stderr
    assert (SHM / name).exists()


def test_clean_keeps_a_segment_whose_learner_came_to_life_meanwhile(run, env, name, monkeypatch):
    from uerl_shm.cli import clean
    from uerl_shm.segment import SegmentFile

    monkeypatch.setattr(clean, "candidates", lambda: [SegmentFile(name, 1, "dead", {})])
    report = json.loads(run("clean", "--yes", "--json").stdout)
    assert report["removed"] == []
    assert "living learner" in report["kept"][0]["reason"]
    assert (SHM / name).exists()


def test_clean_removes_what_was_left_between_link_and_rename(run, dead):
    leftover = f".uerl-{dead[-8:]}"
    (SHM / dead).rename(SHM / leftover)
    try:
        assert listed(run, leftover)["state"] == "leftover"
        assert run("clean", leftover, "--yes").exit_code == 0
        assert not (SHM / leftover).exists()
    finally:
        (SHM / leftover).unlink(missing_ok=True)


def test_clean_without_a_terminal_wants_yes(dead):
    result = call_program("clean", dead, stdin=subprocess.DEVNULL)
    assert result.returncode == 2
    assert "expected --yes" in result.stderr
    assert (SHM / dead).exists()


@pytest.mark.parametrize(("answer", "stays"), [(b"n\n", True), (b"y\n", False)])
def test_clean_asks_first_on_a_terminal(dead, answer, stays):
    terminal, other_end = pty.openpty()
    asking = subprocess.Popen(
        [*PROGRAM, "clean", dead], stdin=other_end, stdout=subprocess.PIPE, env=ENVIRONMENT
    )
    os.close(other_end)
    os.write(terminal, answer)
    said, _ = asking.communicate()
    os.close(terminal)
    assert b"remove 1 segment" in said
    assert asking.returncode == 0
    assert (SHM / dead).exists() == stays


def test_clean_of_everything_leaves_the_living_alone(tmp_path):
    script = f"""
        mount -t tmpfs -o mode=1777 tmpfs /dev/shm || exit 77
        exec {PROGRAM[0]} {tmp_path / "in_private_memory.py"}
    """
    (tmp_path / "in_private_memory.py").write_text(
        "import json, os, subprocess, sys\n"
        "from command_line import call_program, kill, start_learner\n"
        "living = start_learner(simulator='uerl-sim basic', num_envs=1, name='living')\n"
        "kill(start_learner(simulator='uerl-sim basic', num_envs=1, name='dead'))\n"
        "open('/dev/shm/.uerl-0123', 'wb').write(open('/dev/shm/dead', 'rb').read())\n"
        "open('/dev/shm/foreign', 'w').write('not ours')\n"
        "print(call_program('clean', '--yes', '--json').stdout)\n"
        "print(sorted(os.listdir('/dev/shm')), file=sys.stderr)\n"
        "living.communicate()\n"
    )
    result = subprocess.run(
        ["unshare", "--mount", "--user", "--map-root-user", "sh", "-c", script],
        capture_output=True, text=True, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    if result.returncode == 77 or "unshare" in result.stderr:
        pytest.skip("this user may not mount memory of its own")
    assert result.stderr.splitlines()[-1] == "['foreign', 'living']"
    removed = json.loads(result.stdout)["removed"]
    assert [entry["name"] for entry in removed] == [".uerl-0123", "dead"]
