"""What an engine does with input that will not do: one line with the remedy, and it lives on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from uerl_shm import ArraySpec, EnvSpec, LayoutMismatch, SegmentCorrupt, VecEnv
from unreal.engine_process import (
    SHM,
    EngineProcess,
    Stepping,
    engine_process,
    lane_is_held,
    learner,
    learner_alone,
    spec_of,
    until,
)

NAME = f"uerl-bad-{os.getpid()}"


@pytest.fixture(scope="session")
def spec(engine):
    """The spec of the level Walk."""
    return spec_of(engine)


@pytest.fixture(autouse=True)
def no_segment_stays():
    """Whatever stands under the name is gone afterwards."""
    yield
    (SHM / NAME).unlink(missing_ok=True)


def walk(engine: Path, *arguments: str) -> list[object]:
    """Arguments of an engine that looks for the segment."""
    return [engine, "Walk", f"-UerlShm={NAME}", *arguments]


def only_line(process: EngineProcess) -> str:
    """The plugin's one line of an engine that lived for its three ticks."""
    assert process.wait() == 0, process.output
    assert "Shim: ticks=3 " in process.output
    (line,) = [line for line in process.output.splitlines() if line.startswith("LogUerlShm")]
    return line


def test_an_engine_without_a_name_plays_as_usual_and_says_how_to_make_it_a_simulator(
    engine, tmp_path
):
    with engine_process(tmp_path / "log", [engine, "Walk", "-ShimTicks=3"]) as process:
        assert "give -UerlShm=NAME" in only_line(process)


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 5000, bytes(100_000)])
def test_a_file_that_is_no_segment_is_named_and_the_world_plays_on(engine, tmp_path, content):
    (SHM / NAME).write_bytes(content)
    with engine_process(tmp_path / "log", walk(engine, "-ShimTicks=3")) as process:
        line = only_line(process)
    assert NAME in line and "expected" in line and "choose another name" in line
    assert (SHM / NAME).read_bytes() == content


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_something_that_is_no_file_is_refused_and_not_waited_for(engine, tmp_path, kind):
    path = SHM / NAME
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/null")
    try:
        with engine_process(tmp_path / "log", walk(engine, "-ShimTicks=3")) as process:
            line = only_line(process)
    finally:
        if kind == "folder":
            path.rmdir()
    assert "regular file" in line and "choose another name" in line


@pytest.mark.parametrize("name", ["-", ".hidden", "a:b", "a/b", "é"])
def test_a_name_that_no_learner_can_give_is_refused(engine, tmp_path, name):
    argv = [engine, "Walk", f"-UerlShm={name}", "-ShimTicks=3"]
    with engine_process(tmp_path / "log", argv) as process:
        line = only_line(process)
    assert f"segment name '{name}'" in line and "choose another name" in line


def changed(spec: EnvSpec, **groups: dict[str, ArraySpec]) -> EnvSpec:
    """The spec with other arrays."""
    group = spec.group
    return EnvSpec.single(
        {**group.observation, **groups.get("observation", {})},
        {**group.action, **groups.get("action", {})},
    )


WRONG = {
    "unknown_sensor": (
        {"observation": {"radar": ArraySpec((4,), "float32")}},
        r"observation/radar is in the learner's spec, and nothing in this level has that name",
    ),
    "another_resolution": (
        {"observation": {"ray_fan": ArraySpec((17,), "float32", low=0, high=1)}},
        r"observation/ray_fan is float32 \(17\) .* in the learner's spec.* has float32 \(16\)",
    ),
    "another_action_size": (
        {"action": {"movement_input": ArraySpec((3,), "float32", low=-1, high=1)}},
        r"action/movement_input is float32 \(3\) .* in the learner's spec.* has float32 \(2\)",
    ),
    "unknown_action": (
        {"action": {"jump": ArraySpec((1,), "float32", low=-1, high=1)}},
        r"action/jump is in the learner's spec, and nothing in this level has that name",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_spec_that_does_not_fit_is_refused_in_one_line_that_reaches_the_learner_too(
    engine, tmp_path, spec, case
):
    arrays, said = WRONG[case]
    with engine_process(tmp_path / "log", walk(engine)) as process:
        with pytest.raises(LayoutMismatch, match=said) as raised:
            VecEnv(num_envs=1, spec=changed(spec, **arrays), name=NAME, startup_timeout_s=20.0)
        assert "uerl-shm describe" in str(raised.value)
        (line,) = process.problems()
        assert re.search(said, line)
        assert process.process.poll() is None
        assert process.stop() == 143


def test_of_two_engines_on_one_lane_the_second_waits_for_the_first_to_leave(engine, tmp_path, spec):
    argv = walk(engine, "-UerlLane=0")
    with engine_process(tmp_path / "first", argv) as first, learner(NAME, spec) as env:
        env.reset(seed=0)
        with engine_process(tmp_path / "second", argv) as second:
            line = second.wait_for("waiting for a learner")
            assert "lane 0 of segment" in line and "give each simulator a lane of its own" in line
            env.step(env.action_space.sample())
            assert first.stop() == 143
            second.wait_for("serves")
            until(lambda: env.step(env.action_space.sample())[4]["valid"].all())


@pytest.mark.parametrize("next_learner_s", [0, 30])
def test_a_learner_that_is_gone_in_the_middle_of_a_step_ends_the_engine_or_lets_it_wait(
    engine, tmp_path, spec, next_learner_s
):
    spec.save(tmp_path / "spec.json")
    program = textwrap.dedent(f"""
        import os, signal
        from uerl_shm import VecEnv
        env = VecEnv(num_envs=1, spec="{tmp_path}/spec.json", name="{NAME}")
        env.reset(seed=0)
        env.send(env.action_space.sample())
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    argv = walk(engine, f"-UerlNextLearnerS={next_learner_s}")
    with engine_process(tmp_path / "log", argv) as process:
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path)
        assert done.returncode == -signal.SIGKILL
        assert f"the learner of segment {NAME} died" in process.wait_for("died")
        if next_learner_s == 0:
            assert process.wait() == 0
            return
        with learner(NAME, spec) as env:
            env.reset(seed=0)
            assert env.step(env.action_space.sample())[4]["valid"].all()


@pytest.mark.parametrize("waits_for", ["learner", "command"])
def test_an_engine_that_is_asked_to_exit_while_it_waits_leaves_at_once_and_frees_its_lane(
    engine, tmp_path, spec, waits_for
):
    times_s = []
    for number in range(3):  # the least of three: somebody else may have the core for a while
        with engine_process(tmp_path / f"log{number}", walk(engine)) as process:
            if waits_for == "learner":
                process.wait_for("waiting for a learner")
                times_s.append(seconds_to_leave(process))
                continue
            with learner(NAME, spec) as env:
                env.reset(seed=0)
                assert lane_is_held(NAME)
                times_s.append(seconds_to_leave(process))
                assert not lane_is_held(NAME)
    assert min(times_s) < 0.3, times_s


def seconds_to_leave(process: EngineProcess) -> float:
    """From the signal to the exit."""
    before = time.monotonic()
    assert process.stop() == 143, process.output
    return time.monotonic() - before


def test_an_engine_with_a_dev_shm_of_its_own_says_that_both_sides_must_share_it(
    engine, tmp_path, spec
):
    private = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/shm && exec "$@"', "sh"]
    if subprocess.run([*private, "true"], capture_output=True).returncode != 0:
        pytest.skip("a mount namespace of one's own cannot be made here")
    with learner_alone(engine, tmp_path / "alone", NAME, spec):
        with engine_process(tmp_path / "log", [*private, *walk(engine)]) as process:
            line = process.wait_for("waiting for a learner")
            assert "check that both sides share /dev/shm" in line
            assert process.stop() == 143


@pytest.mark.parametrize("num_bytes", [0, 4096, 40_000])
def test_a_segment_that_another_creator_cuts_while_it_is_served_ends_the_service_not_the_engine(
    engine, tmp_path, spec, num_bytes
):
    with engine_process(tmp_path / "log", walk(engine)) as process, learner(NAME, spec) as env:
        env.reset(seed=0)
        stepping = Stepping(env)
        until(lambda: stepping.num_steps > 10)
        os.truncate(SHM / NAME, num_bytes)
        assert isinstance(stepping.wait(), SegmentCorrupt)
        line = process.wait_for("was truncated while it was in use")
        assert f"/dev/shm/{NAME}" in line and "keep other programs away" in line
        assert process.stop() == 143


def test_a_segment_that_somebody_with_larger_pages_has_rounded_up_is_served(engine, tmp_path, spec):
    with learner_alone(engine, tmp_path / "alone", NAME, spec) as path:
        whole = path.stat().st_size
        os.truncate(path, (whole // 65536 + 1) * 65536)
        with engine_process(tmp_path / "log", walk(engine)) as process:
            process.wait_for("serves")
            assert process.stop() == 143
