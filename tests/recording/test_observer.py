"""`uerl-shm record`: an observer writes what it saw, counts what it missed, and ends cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import uerl_shm
from command_line import ENVIRONMENT, PROGRAM, call_program, kill, start_learner
from processes import eventually
from recording.conftest import contents, ended, folders, scene
from support.bundled import MODES
from uerl_shm.cli import record as command
from uerl_shm.cli.app import app
from uerl_shm.recording_observer import Follower

minari = pytest.importorskip("minari", reason="it opens what is recorded: pip install minari")
NAME = f"uerl-test-record-{os.getpid()}"


def looked(follower: Follower) -> None:
    """Look until there is nothing new; whoever would write stands still meanwhile."""
    steps = follower.follow()
    while next(steps):
        pass


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("words", ["tennis", "gather"])
def test_an_observer_that_sees_every_step_writes_what_the_learner_writes(tmp_path, words, mode):
    # One simulator: resets of some envs then reach every lane, see the next tests.
    env = uerl_shm.VecEnv(
        scene(words), 4, envs_per_simulator=4 if words == "gather" else 2, name=NAME, slots=8,
        autoreset_mode=mode,
    )  # fmt: skip
    with closing(env), uerl_shm.record(env, tmp_path / "inside-v0") as recorded:
        follower = Follower(NAME, tmp_path / "outside-v0")
        looked(follower)
        env.action_space.seed(0)
        held = [recorded.reset()]
        looked(follower)
        for _ in range(120):
            # The batch before is held, so that no reset takes place where its rows are.
            held = [held[-1], recorded.step(env.action_space.sample())]
            looked(follower)
            done = ended(env, *held[-1][2:])
            if mode == "Disabled" and done.any():
                held.append(recorded.reset(options={"reset_mask": done}))
                looked(follower)
        follower.tape.close()
        assert follower.tape.counts.dropped == follower.tape.counts.left_out == 0
    pairs = zip(folders(tmp_path / "inside-v0"), folders(tmp_path / "outside-v0"), strict=True)
    for inside, outside in pairs:
        assert contents(inside) == contents(outside)


def test_steps_that_were_not_seen_are_counted_and_cut_their_episodes(tmp_path):
    env = uerl_shm.VecEnv(scene("apples"), 2, envs_per_simulator=2, name=NAME)
    with closing(env), uerl_shm.record(env, tmp_path / "inside-v0") as recorded:
        follower = Follower(NAME, tmp_path / "outside-v0")
        looked(follower)
        recorded.reset(seed=0)
        looked(follower)
        for number in range(12):
            recorded.step(env.action_space.sample())
            if number not in (5, 6):  # these two pass unseen, and the one after them is no step:
                looked(follower)  # nobody knows what it began with
        counts = follower.tape.counts
        assert (counts.steps, counts.dropped, counts.cut) == (2 * 5, 2 * 3, 2)
        assert counts.left_out == 2 * 4
        recorded.reset(seed=1)
        looked(follower)
        recorded.step(env.action_space.sample())
        looked(follower)
        follower.tape.close()
    found = list(minari.MinariDataset(tmp_path / "outside-v0/data"))
    whole = list(minari.MinariDataset(tmp_path / "inside-v0/data"))
    assert [len(episode) for episode in found] == [5, 5, 1, 1]
    for seen, all_of_it in zip(found, whole, strict=True):
        count = len(seen)
        assert np.array_equal(seen.observations, all_of_it.observations[: count + 1])
        assert np.array_equal(seen.actions, all_of_it.actions[:count])


def test_rows_that_a_partial_reset_may_have_moved_are_dropped(tmp_path):
    env = uerl_shm.VecEnv(scene("apples"), 2, name=NAME, autoreset_mode="Disabled")
    with closing(env), uerl_shm.record(env, tmp_path / "inside-v0") as recorded:
        follower = Follower(NAME, tmp_path / "outside-v0")
        looked(follower)
        held = [recorded.reset(seed=0)]  # so that the reset cannot take place where it is
        looked(follower)
        held.append(recorded.reset(options={"reset_mask": np.array([True, False])}))
        looked(follower)
        for _ in range(3):
            held = [held[-1], recorded.step(env.action_space.sample())]
            looked(follower)
        follower.tape.close()
        assert follower.tape.counts.dropped == 1
    found = list(minari.MinariDataset(tmp_path / "outside-v0/data"))
    whole = list(minari.MinariDataset(tmp_path / "inside-v0/data"))
    assert [len(episode) for episode in found] == [3]
    assert any(np.array_equal(found[0].actions, episode.actions) for episode in whole)


def test_the_episode_of_a_lost_simulator_is_cut(tmp_path):
    env = uerl_shm.VecEnv(scene("apples"), 2, name=NAME)
    with closing(env):
        follower = Follower(NAME, tmp_path / "outside-v0")
        looked(follower)
        env.reset(seed=0)
        looked(follower)
        for _ in range(4):
            env.step(env.action_space.sample())
            looked(follower)
        os.kill(env._simulators.launcher.pid(1), signal.SIGKILL)

        def back() -> bool:
            valid = env.step(env.action_space.sample())[4]["valid"]
            looked(follower)
            return bool(valid.all()) and follower.tape.counts.cut > 0

        assert eventually(back, timeout_s=20)
        assert follower.tape.counts.cut == 1
        follower.tape.close()


def start_recording(path: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "record", NAME, "-o", str(path), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True,
    )  # fmt: skip


@pytest.fixture
def learner():
    simulator = scene("probe --wait-us 5000")
    made = start_learner("step", simulator=simulator, num_envs=2, name=NAME)
    yield made
    kill(made)
    Path("/dev/shm", NAME).unlink(missing_ok=True)


@pytest.mark.parametrize(("option", "kind"), [("--steps", "steps"), ("--episodes", "episodes")])
def test_a_recording_ends_by_itself_when_it_has_enough(tmp_path, option, kind):
    with closing(uerl_shm.VecEnv(scene("apples"), 2, name=NAME)) as env:
        recording = start_recording(tmp_path / "a-v0", option, "6")
        number = 0
        while recording.poll() is None:  # slowly, and with short episodes: it is to see some whole
            if number % 5 == 0:
                env.reset(seed=number)
            env.step(env.action_space.sample())
            number += 1
            time.sleep(0.02)
        said, errors = recording.communicate(timeout=60)
    assert recording.returncode == 0, errors
    assert f"wrote {tmp_path}/a-v0" in said
    found = minari.MinariDataset(tmp_path / "a-v0/data")
    assert {"steps": found.total_steps, "episodes": found.total_episodes}[kind] >= 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_recording_that_stays_readable(learner, tmp_path, number):
    recording = start_recording(tmp_path / "a-v0")
    metadata = tmp_path / "a-v0/data/metadata.json"
    assert eventually(metadata.exists, timeout_s=60)
    recording.send_signal(number)
    said, errors = recording.communicate(timeout=60)
    assert recording.returncode == {signal.SIGINT: 0, signal.SIGTERM: 143}[number], errors
    assert ("wrote" in said) == (number == signal.SIGINT)
    found = minari.MinariDataset(tmp_path / "a-v0/data")
    assert len(list(found)) == found.total_episodes
    assert learner.poll() is None


def test_a_recording_ends_with_its_learner(learner, tmp_path):
    recording = start_recording(tmp_path / "a-v0")
    assert eventually((tmp_path / "a-v0/data/metadata.json").exists, timeout_s=60)
    kill(learner)
    said, errors = recording.communicate(timeout=60)
    assert recording.returncode == 0, errors
    assert f"wrote {tmp_path}/a-v0" in said


def test_a_recording_needs_a_segment_or_a_file(tmp_path):
    done = call_program("record", "-o", str(tmp_path / "a-v0"))
    assert done.returncode == 2
    assert "expected one of the two" in done.stderr
    done = call_program("record", NAME, "-o", str(tmp_path / "a-v0"))
    assert done.returncode == 2
    assert not (tmp_path / "a-v0").exists()


@pytest.mark.parametrize("words", [["record", NAME], ["replay", "a-v0"]])
def test_without_h5py_one_line_says_what_to_install(monkeypatch, words):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert done.stderr.strip().endswith("pip install 'uerl_shm[record]'")
    assert done.stderr.count("\n") == 1
