"""Each hazard of the engine's named shared memory, and what the plugin and the library do about it.

The numbers are those of docs/howto/unreal.md. The stand-in's memory calls behave as the engine's
on Linux: they truncate with bCreate, unlink what bCreate mapped, map whatever size they are told,
and look at nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from uerl_shm import ArraySpec, EnvSpec, SegmentCorrupt, SegmentFull, SpecError, VecEnv
from unreal.engine_process import (
    SHM,
    EngineProcess,
    Stepping,
    engine_process,
    lane_is_held,
    learner,
    learner_alone,
    mappings,
    spec_of,
    until,
)

NOBODY = 65534
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can start an engine as another user"
)


@pytest.fixture(scope="session")
def spec(engine):
    """The spec of the level Walk."""
    return spec_of(engine)


@pytest.fixture
def open_engine(engine) -> Iterator[Path]:
    """A copy of the engine that every user may run."""
    folder = Path(tempfile.mkdtemp(prefix="uerl-engine-"))
    folder.chmod(0o755)
    yield Path(shutil.copy(engine, folder))
    shutil.rmtree(folder)


@pytest.fixture
def name(request) -> Iterator[str]:
    """A name for a segment; whatever stands there is gone afterwards."""
    made = f"uerl-{request.node.originalname.split('_')[1]}-{os.getpid()}"
    yield made
    with contextlib.suppress(FileNotFoundError):
        (SHM / made).unlink()


def walk(env: VecEnv, num_steps: int = 3) -> np.ndarray:
    """Reset, and walk towards the goal; return where the agent is then, in centimetres."""
    env.reset(seed=0)
    for _ in range(num_steps):
        location = env.step(np.array([[1.0, 0.0]], np.float32))[0]["location"]
    return location[0].copy()


def identity(name: str) -> tuple[int, int]:
    """Inode and size of a segment's file."""
    file = (SHM / name).stat()
    return file.st_ino, file.st_size


def run_once(engine: Path, log: Path, name: str, *arguments: str) -> str:
    """An engine that looks for a segment and may not find one; return what it says."""
    argv = [engine, "Walk", f"-UerlShm={name}", "-ShimTicks=3", *arguments]
    with engine_process(log, argv) as process:
        assert process.wait() == 0, process.output
        return process.output


def serve(engine: Path, log: Path, name: str, spec, *arguments: str, **options) -> str:
    """An engine that serves a learner of its own for a few steps; return what it says."""
    popen = {key: options.pop(key) for key in ("user", "group", "extra_groups") if key in options}
    argv = [engine, "Walk", f"-UerlShm={name}", *arguments]
    with engine_process(log, argv, **popen) as process:
        with learner(name, spec, **options) as env:
            before = identity(name)
            assert walk(env)[0] > 0
            assert identity(name) == before
        assert process.wait() == 0, process.output
        return process.output


def test_h1_a_second_creator_that_truncates_kills_neither_engine_nor_learner(
    engine, tmp_path, name, spec
):
    with engine_process(tmp_path / "log", [engine, "Walk", f"-UerlShm={name}"]) as process:
        with learner(name, spec) as env:
            walk(env)
            stepping = Stepping(env)
            until(lambda: stepping.num_steps > 10)
            fd = os.open(SHM / name, os.O_CREAT | os.O_RDWR)  # as the engine's bCreate does
            os.ftruncate(fd, 8192)
            os.close(fd)
            assert isinstance(stepping.wait(), SegmentCorrupt)
            line = process.wait_for("was truncated while it was in use")
            assert "keep other programs away" in line
            assert process.process.poll() is None
        assert process.stop() == 143
        assert not any(mapping.creates for mapping in mappings(process.output))


def test_h2_a_file_shorter_than_its_header_says_is_refused_before_it_is_mapped(
    engine, tmp_path, name, spec
):
    path = SHM / name
    with learner_alone(engine, tmp_path / "alone", name, spec):
        header = path.read_bytes()[:4096]
    path.write_bytes(header)
    output = run_once(engine, tmp_path / "log", name)
    assert "has 4096 bytes, expected at least" in output and "choose another name" in output
    assert not mappings(output)
    path.write_bytes(header[:100])
    output = run_once(engine, tmp_path / "short", name)
    assert "has 100 bytes, expected at least" in output
    assert not mappings(output)


def test_h3_a_segment_that_will_not_do_keeps_its_name(engine, tmp_path, name):
    # The engine unlinks what it cannot map with bCreate, also when it is somebody else's.
    (SHM / name).write_bytes(b"somebody else's" * 1000)
    before = identity(name)
    output = run_once(engine, tmp_path / "log", name)
    assert "is no segment of uerl_shm" in output
    assert identity(name) == before
    assert not any(mapping.creates for mapping in mappings(output))


def test_h4_no_mapping_asks_for_writing_alone(engine, tmp_path, name, spec):
    # mmap needs a file that may be read.
    output = serve(engine, tmp_path / "log", name, spec)
    assert mappings(output) and all(mapping.reads for mapping in mappings(output))


def test_h5_every_mapping_can_be_written(engine, tmp_path, name, spec):
    output = serve(engine, tmp_path / "log", name, spec)
    assert mappings(output) and all(mapping.writes for mapping in mappings(output))


@needs_root
def test_h6_the_umask_keeps_no_engine_of_another_user_out(
    engine, open_engine, tmp_path, name, spec
):
    before = os.umask(0o077)
    try:
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        serve(open_engine, tmp_path / "log", name, spec, shm_mode=0o660, shm_group=NOBODY, **user)
        with learner_alone(engine, tmp_path / "alone", name, spec):
            argv = [open_engine, "Walk", f"-UerlShm={name}", "-ShimTicks=1"]
            with engine_process(tmp_path / "refused", argv, **user) as process:
                assert process.wait() == 0
                (line,) = process.problems()
    finally:
        os.umask(before)
    assert f"uid 0 gid 0 with mode 0600, this process is uid {NOBODY}" in line
    assert "shm_group= and shm_mode=0o660" in line


@needs_root
def test_h7_an_engine_of_another_user_leaves_the_name_to_its_owner(
    open_engine, tmp_path, name, spec
):
    # In a sticky folder the engine could not unlink it, and would warn or leave it there.
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    output = serve(
        open_engine, tmp_path / "log", name, spec, shm_mode=0o660, shm_group=NOBODY, **user
    )
    assert "Warning" not in output
    assert not (SHM / name).exists()


@needs_root
def test_h8_an_engine_opens_the_file_of_another_user_without_o_creat(
    engine, open_engine, tmp_path, name, spec
):
    # With fs.protected_regular >= 1 the kernel refuses O_CREAT on such a file; where it is 0, only
    # the flags can be looked at.
    argv = [open_engine, "Walk", f"-UerlShm={name}"]
    group = {"group": NOBODY, "extra_groups": []}
    with learner_alone(
        engine, tmp_path / "alone", name, spec, shm_mode=0o660, shm_group=NOBODY
    ) as path:
        os.chown(path, 1, -1)
        with engine_process(tmp_path / "log", argv, user=2, **group) as process:
            process.wait_for("serves")
            assert process.stop() == 143
            made = mappings(process.output)
    assert made and not any(mapping.creates for mapping in made)


def test_h9_an_engine_that_leaves_takes_no_name_away(engine, tmp_path, name, spec):
    argv = [engine, "Walk", f"-UerlShm={name}"]
    with engine_process(tmp_path / "first", argv) as first, learner(name, spec) as env:
        walk(env)
        before = identity(name)
        assert first.stop() == 143
        assert identity(name) == before
        with engine_process(tmp_path / "second", argv) as second:
            second.wait_for("serves")
            until(lambda: env.step(env.action_space.sample())[4]["valid"].all())
            assert identity(name) == before


def test_h10_a_name_is_never_cut(engine, tmp_path, spec):
    # The engine cuts names at 127 characters, and then cannot unlink what it has made.
    longest = "n" * 64
    assert "Warning" not in serve(engine, tmp_path / "log", longest, spec)
    assert not (SHM / longest).exists()
    for length in (65, 200):
        with pytest.raises(SpecError, match="1 to 64"):
            VecEnv(num_envs=1, spec=spec, name="n" * length)
        output = run_once(engine, tmp_path / f"{length}", "n" * length)
        assert "is not allowed, expected 1 to 64 letters" in output
        assert not mappings(output)


def test_h11_nothing_of_a_dead_learner_is_taken_for_a_command(engine, tmp_path, name, spec):
    lost_learner(engine, name, tmp_path)
    stale = identity(name)
    with engine_process(tmp_path / "log", [engine, "Walk", f"-UerlShm={name}"]) as process:
        assert "start the learner" in process.wait_for("has no living learner")
        assert not lane_is_held(name)
        with learner(name, spec) as env:
            assert identity(name) != stale
            assert walk(env, 1)[0] == pytest.approx(walk(env, 1)[0])
            assert env.stats()["discarded"] == 0
        assert process.wait() == 0


def test_h12_too_small_a_dev_shm_is_an_error_at_creation_and_every_page_is_there(
    engine, tmp_path, name, spec
):
    with learner_alone(engine, tmp_path / "alone", name, spec) as path:
        file = path.stat()
        assert file.st_blocks * 512 >= file.st_size
    mount = os.statvfs(SHM)
    large = EnvSpec.single(ArraySpec((1 << 24,), "uint8"), ArraySpec((2,), "float32"))
    slots = (mount.f_blocks * mount.f_frsize >> 24) + 2
    with pytest.raises(SegmentFull, match=r"needs .* bytes, .* free of"):
        VecEnv(num_envs=1, spec=large, name=name, slots=slots)
    assert not (SHM / name).exists()


def test_h13_an_engine_that_tries_again_and_again_keeps_no_file_open(engine, tmp_path, name, spec):
    argv = [engine, "Walk", f"-UerlShm={name}", "-UerlLane=0"]
    with engine_process(tmp_path / "first", argv) as first, learner(name, spec):
        first.wait_for("serves")
        with engine_process(tmp_path / "second", argv) as second:
            second.wait_for("lane 0 of segment")
            before = fewest_fds(second)
            time.sleep(0.5)  # it tries 50 times a second
            assert fewest_fds(second) == before
            assert second.stop() == 143


def test_h14_an_engine_with_larger_pages_takes_the_size_from_the_file(engine, tmp_path, name, spec):
    output = serve(engine, tmp_path / "log", name, spec, "-ShimPageBytes=65536")
    (whole,) = {mapping.bytes for mapping in mappings(output)}
    assert whole % 4096 == 0 and whole % 65536 != 0, "another size tells nothing"


def fewest_fds(process: EngineProcess) -> int:
    """How many files it has open between two tries."""
    return min(process.num_fds() for _ in range(200))


def lost_learner(engine: Path, name: str, tmp_path: Path) -> None:
    """A learner that was killed with a command under way; its segment stays."""
    program = textwrap.dedent(f"""
        import os, signal
        from uerl_shm import VecEnv
        env = VecEnv("{engine} Walk", 1, name="{name}")
        env.reset(seed=0)
        env.send(env.action_space.sample())
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path)
    assert done.returncode == -9
    until(lambda: not lane_is_held(name))
