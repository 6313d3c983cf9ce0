"""`uerl-shm shm-init`: a /dev/shm that would not do stops the Pod, with one line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from command_line import ENVIRONMENT, PROGRAM
from support.bundled import UERL_SIM
from uerl_shm.cli.shm_init import check_access, check_mount, mount_of
from uerl_shm.errors import SegmentError

MOUNTINFO = """\
22 28 0:21 / /proc rw,nosuid - proc proc rw
30 25 0:27 / /dev/shm rw,relatime shared:4 - {kind} {source} rw,size=65536k
"""


def init(mount: str, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run it in a mount namespace, where `mount` makes /dev/shm."""
    script = f'{mount} || exit 77\n{before}\nexec "$@"\n'
    result = subprocess.run(
        ["unshare", "--mount", "--user", "--map-root-user", "sh", "-c", script, "sh"]
        + [*PROGRAM, "shm-init", *arguments],
        capture_output=True, text=True, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    if result.returncode == 77 or "unshare" in result.stderr:
        pytest.skip("this user may not mount memory of its own")
    return result


def tmpfs(size: str, options: str = "") -> str:
    return f"mount -t tmpfs -o mode=1777,size={size}{options} tmpfs /dev/shm"


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result
    (line,) = result.stderr.splitlines()
    return line


def test_a_mount_that_is_large_enough_is_fit():
    result = init(tmpfs("8m"), "--bytes", str(8 << 20), "--group", "0")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "/dev/shm is fit: 8.0 MiB and more are there\n"


def test_a_mount_that_is_too_small_is_refused_with_the_remedy():
    line = refusal(init(tmpfs("8m"), "--bytes", str((8 << 20) + 1)))
    assert "/dev/shm has 8.0 MiB free of 8.0 MiB, expected 8.0 MiB free" in line
    assert "sizeLimit" in line


def test_memory_that_others_fill_does_not_count_as_free():
    fill = "head -c 1m /dev/zero > /dev/shm/others"
    line = refusal(init(tmpfs("8m"), "--bytes", str(8 << 20), before=fill))
    assert "has 7.0 MiB free of 8.0 MiB" in line


DEAD = f"""
import os, uerl_shm
env = uerl_shm.VecEnv("{UERL_SIM} basic", 1, name="dead", slots=1000)
env.reset(seed=0)
os.kill(os.getpid(), 9)
"""


def test_dead_segments_are_removed_before_it_is_counted_what_is_free(tmp_path):
    (tmp_path / "dead.py").write_text(DEAD)
    leave = f"{PROGRAM[0]} {tmp_path / 'dead.py'}; ls /dev/shm"
    result = init(tmpfs("8m"), "--bytes", str(8 << 20), before=leave)
    assert result.returncode == 0, result
    there, removed, fit = result.stdout.splitlines()
    assert there == "dead"
    assert removed.startswith("removed 1 dead segment, ")
    assert "is fit" in fit


LIVING = f"""
import subprocess, sys, uerl_shm
env = uerl_shm.VecEnv("{UERL_SIM} basic", 1, name="living", slots=1000)
env.reset(seed=0)
code = subprocess.run(sys.argv[1:]).returncode
env.close()
sys.exit(code)
"""


@pytest.mark.parametrize(("more_than_fits", "code"), [(0, 0), (1, 2)])
def test_it_may_run_again_while_a_learner_lives(tmp_path, more_than_fits, code):
    (tmp_path / "living.py").write_text(LIVING)
    again = f'set -- {PROGRAM[0]} {tmp_path / "living.py"} "$@"'
    result = init(tmpfs("8m"), "--bytes", str((8 << 20) + more_than_fits), before=again)
    assert result.returncode == code, result
    if code:
        assert "expected" in result.stderr and "free" in result.stderr
    else:
        assert "is fit: 8.0 MiB and more are there, " in result.stdout


def test_a_folder_that_is_no_mount_of_its_own_is_refused():
    line = refusal(init("mount --bind /usr /dev/shm", "--bytes", "1"))
    assert "expected tmpfs: mount an emptyDir with medium: Memory there" in line


def test_a_mount_that_nobody_may_write_to_is_refused():
    line = refusal(init(tmpfs("8m", ",ro"), "--bytes", "1"))
    assert "expected one that uid 0 may write to" in line and "readOnly" in line


def test_a_group_that_this_process_is_not_in_is_refused():
    line = refusal(init(tmpfs("8m"), "--bytes", "1", "--group", "3000"))
    assert "expected 3000 among them: set runAsGroup" in line


def test_a_folder_that_the_group_may_not_write_to_is_refused(tmp_path):
    group = os.getegid()
    tmp_path.chmod(0o755)
    with pytest.raises(SegmentError, match=f"expected one that group {group} may write to"):
        check_access(tmp_path, group)
    tmp_path.chmod(0o775)
    check_access(tmp_path, group)


def mountinfo(tmp_path: Path, kind: str, source: str) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTINFO.format(kind=kind, source=source))
    return path


def test_the_runtimes_own_mount_is_pointed_at(tmp_path, capsys):
    check_mount(Path("/dev/shm"), mountinfo(tmp_path, "tmpfs", "tmpfs"))
    assert capsys.readouterr().err == ""
    check_mount(Path("/dev/shm"), mountinfo(tmp_path, "tmpfs", "shm"))
    assert "the container runtime's own" in capsys.readouterr().err


def test_another_file_system_is_refused(tmp_path):
    with pytest.raises(SegmentError, match="/dev/shm is overlay, expected tmpfs"):
        check_mount(Path("/dev/shm"), mountinfo(tmp_path, "overlay", "overlay"))


def test_the_mount_on_top_is_the_one_that_counts(tmp_path):
    path = mountinfo(tmp_path, "ext4", "/dev/sda")
    path.write_text(path.read_text() + MOUNTINFO.format(kind="tmpfs", source="tmpfs"))
    assert mount_of(Path("/dev/shm"), path) == ("tmpfs", "tmpfs")
    assert mount_of(Path("/not/mounted"), path) == ("", "")
