"""Rows of the fault table that begin outside: files, limits, users, bytes; named by number."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from command_line import ENVIRONMENT
from faults.conftest import PROBE, hurt, step, step_until_valid, valid_of
from faults.test_fencing import SPEC
from processes import eventually
from support.bundled import UERL_SIM, random_actions
from uerl_shm import LayoutMismatch, SegmentFull, Simulator, UerlError, VecEnv, _core
from uerl_shm.errors import SegmentCorrupt

ROOT = Path(__file__).parents[2]
NAME = f"uerl-machine-{os.getpid()}"
EINTRS = "EINTR:when=1..20"  # what strace is told
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for namespaces and users")
COMMAND_EPOCH_AT, FINISHED_COUNT_AT = 256, 512
LANES_AT = 104  # lanes_offset and lane_bytes, in the header: docs/layout.md
RESULTS = 256  # offset of a lane's results: layout.h


def path_of(env: VecEnv) -> Path:
    return Path("/dev/shm") / env.segment_name


def lane_offset(env: VecEnv, lane: int) -> int:
    """Where a lane's results stand in the file."""
    with path_of(env).open("rb") as file:
        lanes_offset, lane_bytes = struct.unpack_from("<QQ", file.read(256), LANES_AT)
    return int(lanes_offset + lane * lane_bytes + RESULTS)


def script(text: str, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run a script in Python, behind a command such as unshare."""
    return subprocess.run(
        [*before, sys.executable, "-c", textwrap.dedent(text), *words],
        capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=120,
    )  # fmt: skip


STEPS = """
    import sys, uerl_shm
    env = uerl_shm.VecEnv(sys.argv[1], 2)
    env.reset(seed=0)
    for _ in range(50):
        assert env.step(env.action_space.sample())[4]["valid"].all()
    env.close()
    print("fine")
"""


def test_row_16_the_name_is_removed_by_somebody_else(make):
    env = make()
    env.reset(seed=0)
    path_of(env).unlink()
    for _ in range(50):
        assert valid_of(step(env)[4]) == [True] * 4


def test_row_17_the_file_is_truncated(make):
    env = make(on_death="mask")
    env.reset(seed=0)
    os.truncate(path_of(env), 0)
    with pytest.raises(SegmentCorrupt, match=str(path_of(env))):
        for _ in range(1000):
            step(env)
            time.sleep(0.002)


def test_row_18_a_hole_is_punched(make):
    env = make(on_death="mask")
    env.reset(seed=0)
    size = str(path_of(env).stat().st_size)
    subprocess.run(["fallocate", "--punch-hole", "--length", size, path_of(env)], check=True)
    with pytest.raises(SegmentCorrupt, match=str(path_of(env))):
        for _ in range(1000):
            step(env)
            time.sleep(0.002)


SMALL_SHM = """
    mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"
"""
TOO_BIG = """
    import sys, uerl_shm
    try:
        uerl_shm.VecEnv(None, 64, spec=sys.argv[1], startup_timeout_s=0)
    except uerl_shm.SegmentFull as error:
        print(error)
"""


@needs_root
@pytest.mark.parametrize("size", ["64m", "1m"])
def test_row_19_a_small_dev_shm_is_refused_with_needed_and_free_bytes_and_the_remedy(
    size, tmp_path
):
    spec = tmp_path / "spec.json"
    frames = "observation={'camera': uerl_shm.ArraySpec.image(480, 640, 3)}"
    made = script(
        f"import uerl_shm, sys; spec = uerl_shm.EnvSpec.single({frames.split('=')[1]}, "
        "uerl_shm.ArraySpec.discrete(2)); open(sys.argv[1], 'w').write(spec.to_json())",
        str(spec),
    )
    assert made.returncode == 0, made.stderr
    mount = SMALL_SHM.format(size=size).strip()
    done = script(TOO_BIG, str(spec), before=("unshare", "-m", "sh", "-c", mount, "sh"))
    for part in ("bytes", "free", "/dev/shm", "sizeLimit"):
        assert part in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("version", [1, 2])
def test_row_20_a_small_memory_limit_is_refused_with_needed_and_free_bytes_and_the_remedy(
    make, tmp_path, monkeypatch, version
):
    mib = 1 << 20
    folder = tmp_path if version == 2 else tmp_path / "memory"
    folder.mkdir(exist_ok=True)
    names = ("max", "current") if version == 2 else ("limit_in_bytes", "usage_in_bytes")
    (folder / f"memory.{names[0]}").write_text(f"{100 * mib}\n")
    (folder / f"memory.{names[1]}").write_text(f"{90 * mib}\n")
    (folder / "memory.stat").write_text(f"anon {60 * mib}\ninactive_file {20 * mib}\n")
    monkeypatch.setenv("UERL_SHM_CGROUP_ROOT", str(tmp_path))
    make(4).reset(seed=0)  # small enough
    big = f"{UERL_SIM} probe --observation big:uint8:1024x1024x12"
    with pytest.raises(SegmentFull) as error:
        make(1, big, slots=4)
    for part in (f"leaves {30 * mib} free of {100 * mib}", "resources.limits.memory", "needs 504"):
        assert part in str(error.value)


def test_row_21_no_file_descriptors_left_is_an_error_that_leaves_nothing():
    before = set(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(before) + 1, hard))
    try:
        with pytest.raises((UerlError, OSError)):
            VecEnv(None, 1, spec=SPEC, name=NAME, startup_timeout_s=0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set(os.listdir("/proc/self/fd")) == before
    assert not Path("/dev/shm", NAME).exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("error", ["ENOSPC", "ENOMEM", EINTRS, "EPERM"])
@pytest.mark.parametrize("call", ["fallocate", "linkat", "fchmod"])
def test_row_22_system_calls_that_fail_are_errors_or_repeated(call, error, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(SPEC.to_json())
    create = """
        import sys, uerl_shm
        try:
            uerl_shm.VecEnv(None, 1, spec=sys.argv[2], name=sys.argv[1], startup_timeout_s=0)
        except uerl_shm.UerlError as error:
            print(type(error).__name__)
    """
    trace = tmp_path / "trace"
    inject = ("strace", "-qq", "-o", str(trace), "-e", f"inject={call}:error={error}")
    done = script(create, NAME, str(spec), before=inject)
    assert done.returncode == 0, done.stderr
    assert "(INJECTED)" in trace.read_text()
    expected = {("fallocate", "ENOSPC"): "SegmentFull", ("fallocate", EINTRS): "StepTimeout"}
    assert done.stdout.strip() == expected.get((call, error), "SystemCallFailed")
    assert not Path("/dev/shm", NAME).exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("error", ["ENOSYS", "EINTR", "EAGAIN"])
def test_row_23_futexes_that_fail_make_it_slower_not_wrong(error, tmp_path):
    steps = STEPS.replace("range(50)", "range(20)")
    simulator = f"{PROBE} --wait-us 20000"
    trace, trace_of_simulator = tmp_path / "trace", tmp_path / "simulator"
    look = ("strace", "-qq", "-o", str(trace), "-e", "trace=futex,linkat")
    assert script(steps, simulator, before=look).stdout == "fine\n"
    first = trace.read_text().partition("linkat(")[0].count("futex(") + 2  # not the interpreter's
    inject = ("strace", "-qq", "-o", str(trace), "-e", f"inject=futex:error={error}:when={first}+")
    other = f"strace -qq -o {trace_of_simulator} -e inject=futex:error={error}:when=2+ {simulator}"
    done = script(steps.replace("1], 2)", "1], 1)"), other, before=inject)
    assert done.stdout == "fine\n", done.stderr
    for path in (trace, trace_of_simulator):
        assert path.read_text().count("(INJECTED)") >= 20


def test_row_24_a_result_whose_wake_up_never_came_is_found(make):
    env = make(2, f"{PROBE} --wait-us 3000")
    env.reset(seed=0)
    # Nobody ever counts: the hint word stays what somebody else says it is.
    stop = threading.Event()

    def lie() -> None:
        with path_of(env).open("r+b", buffering=0) as file:
            while not stop.is_set():
                os.pwrite(file.fileno(), os.urandom(4), FINISHED_COUNT_AT)
                os.pwrite(file.fileno(), os.urandom(4), FINISHED_COUNT_AT + 128)  # num_waiting

    liar = threading.Thread(target=lie)
    liar.start()
    try:
        for number in range(30):
            assert (step(env)[4]["step"] == number + 1).all()
    finally:
        stop.set()
        liar.join()


@pytest.mark.parametrize("seed", range(3))
def test_row_25_garbage_in_every_word_of_a_lane_harms_only_that_lane(make, seed):
    slow = f"{PROBE} --wait-us 2000"
    env = make(3, slow, step_deadline_s=0.2, kill_after_s=0.2, max_restarts=1000)
    env.reset(seed=0)
    rng = random.Random(seed)
    offset = lane_offset(env, 1)
    with path_of(env).open("r+b", buffering=0) as file:
        for word in rng.sample(range(64), 64):
            env.send(random_actions(env, np.random.default_rng(word)))
            os.pwrite(file.fileno(), rng.randbytes(4), offset + 4 * word)  # while they work
            assert env.recv().info["valid"][[0, 2]].all()
    stats = env.stats()  # what is counted, and barred: test_odd_orders.py
    assert stats["violations"] + stats["late"] + stats["lost"] > 0


def test_row_26_impossible_sizes_are_refused(make):
    env = make(1)
    env.reset(seed=0)
    with path_of(env).open("r+b", buffering=0) as file:
        header = os.pread(file.fileno(), 256, 0)
        for at in range(8, 128, 4):
            for value in (0xFFFFFFFF, 0x7FFFFFFF, 0):
                changed = bytearray(header)
                changed[at : at + 4] = value.to_bytes(4, "little")
                if bytes(changed) == header:
                    continue
                os.pwrite(file.fileno(), changed, 0)
                try:
                    with pytest.raises(UerlError):
                        Simulator(env.segment_name, timeout_s=0)
                finally:
                    os.pwrite(file.fileno(), header, 0)
    assert valid_of(step(env)[4]) == [True]


def test_row_27_words_that_change_between_check_and_use_harm_nobody(make):
    env = make(3, step_deadline_s=0.2, kill_after_s=0.2, max_restarts=1000)
    env.reset(seed=0)
    offset = lane_offset(env, 1)
    flip = f"""
        import os, sys
        file = os.open({str(path_of(env))!r}, os.O_RDWR)
        while True:
            for value in (0, 1, 5, 0xffffffff, 0x80000000):
                os.pwrite(file, value.to_bytes(4, "little"), {offset})
                os.pwrite(file, value.to_bytes(4, "little"), {offset} + 8)
    """
    flipper = subprocess.Popen([sys.executable, "-c", textwrap.dedent(flip)])
    try:
        for _ in range(100):
            assert step(env)[4]["valid"][[0, 2]].all()
    finally:
        flipper.kill()
        flipper.wait()


def test_row_28_another_layout_is_refused_with_both_versions(make):
    env = make(1)
    with path_of(env).open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), (7).to_bytes(4, "little"), 8)  # layout_version
        with pytest.raises(LayoutMismatch, match=r"7[\s\S]*1"):
            Simulator(env.segment_name, timeout_s=0)
        os.pwrite(file.fileno(), (1).to_bytes(4, "little"), 8)


def test_row_30_indices_and_hint_words_wrap_around(make):
    env = make(1, PROBE, name=NAME, on_death="mask", min_valid=0)
    env.reset(seed=0)
    hurt(env, 0, signal.SIGKILL)
    assert eventually(lambda: not _core.Observer(NAME).lane(0)["locked"])
    step(env)
    last = (2**32 - 3).to_bytes(4, "little")
    results = lane_offset(env, 0)
    with path_of(env).open("r+b", buffering=0) as file:
        # The next simulator and its learner begin where the shared words say that the ring is.
        for at in (results, FINISHED_COUNT_AT, COMMAND_EPOCH_AT):
            os.pwrite(file.fileno(), last, at)
        words = [*PROBE.split(), "--name", NAME, "--lane", "0", "--attach-timeout-s", "0"]
        with subprocess.Popen(words) as simulator:
            first = int(step_until_valid(env)[4]["step"][0])
            for number in range(20):
                info = step(env)[4]
                assert (info["valid"][0], info["step"][0]) == (True, first + number + 1)
            ends = [
                int.from_bytes(os.pread(file.fileno(), 4, at), "little")
                for at in (results, FINISHED_COUNT_AT, COMMAND_EPOCH_AT)
            ]
            simulator.kill()
    assert all(10 < end < 1000 for end in ends), ends


def test_row_31_no_process_id_decides_anything():
    for path in [*(ROOT / "csrc" / "core").glob("*.c"), *(ROOT / "csrc" / "learner").glob("*.cpp")]:
        assert "kill(" not in path.read_text(), path


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_row_32_the_umask_changes_no_mode(make, umask):
    old = os.umask(umask)
    try:
        for mode in (0o600, 0o660, 0o666):
            env = make(1, shm_mode=mode)
            assert path_of(env).stat().st_mode & 0o777 == mode
    finally:
        os.umask(old)


@needs_root
def test_row_33_another_clock_is_no_death():
    done = script(STEPS, PROBE, before=("unshare", "-T", "--monotonic", "100000", "--fork"))
    assert done.stdout == "fine\n", done.stderr


@needs_root
def test_row_33_a_clock_that_jumps_between_learner_and_simulators_is_no_death(make):
    shifted = f"unshare -T --monotonic 5000 --fork {PROBE}"
    env = make(2, shifted, spec=SPEC)
    env.reset(seed=0)
    for _ in range(50):
        assert step(env)[4]["valid"].all()
    assert env.stats()["lost"] == env.stats()["late"] == 0


@needs_root
def test_namespaces_of_their_own_for_processes_users_and_ipc(make):
    alone = f"unshare --user --map-root-user --pid --ipc --fork --kill-child {PROBE}"
    env = make(2, alone, spec=SPEC)
    env.reset(seed=0)
    for _ in range(50):
        assert step(env)[4]["valid"].all()
    hurt(env, 1, signal.SIGKILL)  # unshare itself; the kernel then kills what it started
    assert eventually(lambda: not step(env)[4]["valid"][1])
    step_until_valid(env)
