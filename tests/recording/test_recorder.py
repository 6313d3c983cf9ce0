"""`uerl_shm.record`: what passes through an env stands in a data set that Minari opens."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import h5py
import numpy as np
import pytest
from gymnasium.wrappers.vector import ClipReward

import uerl_shm
from command_line import ENVIRONMENT
from processes import eventually
from recording.conftest import contents, folders, play, run_python, scene
from support.bundled import MODES
from uerl_shm import recording_tape
from uerl_shm.errors import SpecError

minari = pytest.importorskip("minari", reason="it opens what is recorded: pip install minari")


class Witness:
    """Keeps what passes by, in the simplest way: a list of steps for each row's episode."""

    def __init__(self, num_rows: int) -> None:
        self.episodes: list[list[tuple]] = []
        self.open: list[list[tuple] | None] = [None] * num_rows

    def begin(self, row: int, observation: np.ndarray) -> None:
        self.open[row] = [(observation.copy(),)]
        self.episodes.append(self.open[row])

    def step(self, row, observation, action, reward, terminated, truncated) -> None:
        self.open[row].append((observation.copy(), action.copy(), reward, terminated, truncated))
        if terminated or truncated:
            self.open[row] = None


def watch(env, recorded, num_steps: int) -> Witness:
    """Step with random actions while a witness looks on."""
    mode = env.metadata["autoreset_mode"].value
    witness = Witness(env.num_envs)
    env.action_space.seed(3)
    observation, _ = recorded.reset(seed=3)
    for row in range(env.num_envs):
        witness.begin(row, observation[row])
    for _ in range(num_steps):
        action = env.action_space.sample()
        observation, reward, terminated, truncated, info = recorded.step(action)
        for row in range(env.num_envs):
            if witness.open[row] is None:  # NEXT_STEP: this step was its reset
                witness.begin(row, observation[row])
                continue
            done = terminated[row] or truncated[row]
            seen = info["final_obs"] if done and mode == "SameStep" else observation
            witness.step(row, seen[row], action[row], reward[row], terminated[row], truncated[row])
            if done and mode == "SameStep":
                witness.begin(row, observation[row])
        done = np.array([episode is None for episode in witness.open])
        if mode == "Disabled" and done.any():
            observation, _ = recorded.reset(options={"reset_mask": done})
            for row in np.flatnonzero(done):
                witness.begin(row, observation[row])
    return witness


def assert_same(witness: Witness, path: Path) -> None:
    """Every episode of the witness with a step stands in the data set, and no other."""
    found = list(minari.MinariDataset(path / "data"))
    expected = [episode for episode in witness.episodes if len(episode) > 1]
    left = {episode[0][0].tobytes() + episode[1][0].tobytes(): episode for episode in expected}
    assert len(found) == len(expected) == len(left)
    for episode in found:
        key = episode.observations[0].tobytes() + episode.observations[1].tobytes()
        first, *steps = left.pop(key)
        columns = list(zip(*steps, strict=True))
        columns[0] = (first[0], *columns[0])
        names = ("observations", "actions", "rewards", "terminations", "truncations")
        for name, column in zip(names, columns, strict=True):
            stored = getattr(episode, name)
            wanted = np.array(column)
            if name == "truncations" and not (column[-1] or columns[3][-1]):
                wanted[-1] = True  # it was cut by the end of the recording
            assert np.array_equal(stored, wanted), name


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("words", ["tennis", "apples --frame 36x40"])
def test_every_step_that_passed_stands_in_the_data_set(tmp_path, words, mode):
    path = tmp_path / "seen-v0"
    env = uerl_shm.VecEnv(scene(words), 4, envs_per_simulator=2, autoreset_mode=mode)
    with closing(env):
        with uerl_shm.record(env, path) as recorded:
            witness = watch(env, recorded, 130)
        assert_same(witness, path)


def test_minari_loads_it_by_its_id_with_the_spaces_of_the_env(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    counts = play(scene("basic"), tmp_path / "basic-v3", num_envs=2)
    found = minari.load_dataset("basic-v3")
    assert list(minari.list_local_datasets()) == ["basic-v3"]
    with closing(uerl_shm.VecEnv(scene("basic"), 1)) as env:
        assert found.observation_space == env.single_observation_space
        assert found.action_space == env.single_action_space
    assert (found.total_episodes, found.total_steps) == (counts.episodes, counts.steps)
    assert sum(len(episode) for episode in found) == counts.steps
    assert found[0].infos == {}


def test_several_groups_become_data_sets_of_one_namespace(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    play(scene("gather"), tmp_path / "both-v0", num_envs=2)
    spec = uerl_shm.spec.EnvSpec.from_json(
        subprocess.run([*scene("gather"), "--describe", "/dev/stdout"], stdout=-1).stdout
    )
    ids = [f"both-v0/{group.name}-v0" for group in spec.groups]
    assert sorted(minari.list_local_datasets()) == sorted(ids)
    for dataset_id, group in zip(ids, spec.groups, strict=True):
        assert minari.load_dataset(dataset_id).observation_space == group.observation_space()


@pytest.mark.parametrize("words", ["tennis", "gather"])
def test_an_episode_longer_than_a_block_is_the_same(tmp_path, monkeypatch, words):
    options = {"num_envs": 4, "envs_per_simulator": 2}
    play(scene(words), tmp_path / "whole-v0", **options)
    monkeypatch.setattr(recording_tape, "MAX_BLOCK_STEPS", 3)
    play(scene(words), tmp_path / "parts-v0", **options)
    pairs = zip(folders(tmp_path / "whole-v0"), folders(tmp_path / "parts-v0"), strict=True)
    for whole, parts in pairs:
        assert contents(whole) == contents(parts)


def test_torch_tensors_are_recorded_as_the_same_bytes(tmp_path):
    pytest.importorskip("torch", reason="output='torch' needs it")
    play(scene("apples"), tmp_path / "numpy-v0", num_envs=2, num_steps=20)
    play(scene("apples"), tmp_path / "torch-v0", num_envs=2, num_steps=20, output="torch")
    assert contents(tmp_path / "numpy-v0/data") == contents(tmp_path / "torch-v0/data")


def test_partial_batches_and_parts_give_the_same_data_set_as_steps(tmp_path):
    def run(name, do) -> dict:
        with closing(uerl_shm.VecEnv(scene("tennis"), 8, slots=8)) as env:
            actions = np.random.default_rng(0)
            with uerl_shm.record(env, tmp_path / name) as recorded:
                recorded.reset(seed=0)
                for _ in range(60):
                    do(recorded, actions.uniform(-1, 1, (8, *env.single_action_space.shape)))
        return contents(tmp_path / name / "data")

    def in_parts(env, action) -> None:
        for part in parts.setdefault(id(env), env.split(2)):
            part.send(action[part.rows])
        for part in parts[id(env)]:
            part.recv(10)

    def whoever_is_first(env, action) -> None:
        env.send(action[:4], np.arange(4))
        env.send(action[4:], np.arange(4, 8))
        left = 8
        while left:
            left -= len(env.recv(min_envs=2, timeout_s=10).env_ids)

    parts: dict[int, list] = {}
    whole = run("steps-v0", lambda env, action: env.step(action))
    assert run("send-v0", whoever_is_first) == whole
    assert run("parts-v0", in_parts) == whole


def cuts(path: Path) -> list[tuple[int, str]]:
    """Env of each episode that was cut, and why."""
    with h5py.File(path / "data/main_data.hdf5") as file:
        episodes = [file[f"episode_{number}"] for number in range(len(file))]
        return [(int(e.attrs["env"]), e.attrs["cut"]) for e in episodes if "cut" in e.attrs]


def test_an_episode_is_cut_by_a_reset_and_by_the_end_of_the_recording(tmp_path):
    with closing(uerl_shm.VecEnv(scene("apples"), 2)) as env:
        with uerl_shm.record(env, tmp_path / "cut-v0") as recorded:
            recorded.reset(seed=0)
            for _ in range(5):
                recorded.step(env.action_space.sample())
            recorded.reset(options={"reset_mask": np.array([True, False])})
            for _ in range(3):
                recorded.step(env.action_space.sample())
        assert recorded.counts.cut == 3
    assert cuts(tmp_path / "cut-v0") == [(0, "reset"), (0, "closed"), (1, "closed")]
    found = minari.MinariDataset(tmp_path / "cut-v0/data")
    assert [len(episode) for episode in found] == [5, 3, 8]
    assert all(episode.truncations[-1] and not episode.truncations[:-1].any() for episode in found)


def test_rows_of_a_lost_simulator_are_left_out(tmp_path):
    with closing(uerl_shm.VecEnv(scene("apples"), 2, timeout_s=20)) as env:
        with uerl_shm.record(env, tmp_path / "lost-v0") as recorded:
            recorded.reset(seed=0)
            for _ in range(5):
                recorded.step(env.action_space.sample())
            os.kill(env._simulators.launcher.pid(1), signal.SIGKILL)
            valid = np.array([True, True])
            num_valid = 0
            while valid.all():  # the kill may take a step or two to be seen
                *_, info = recorded.step(env.action_space.sample())
                valid = info["valid"]
                num_valid += valid[1]
            assert not valid[1]

            def comes_back() -> bool:
                return bool(recorded.step(env.action_space.sample())[4]["valid"].all())

            assert eventually(comes_back, timeout_s=20)
            for _ in range(4):
                recorded.step(env.action_space.sample())
    assert (1, "lost") in cuts(tmp_path / "lost-v0")
    found = minari.MinariDataset(tmp_path / "lost-v0/data")
    lengths = [len(e) for e in found.iterate_episodes() if e.id in of_env(tmp_path / "lost-v0", 1)]
    assert lengths == [5 + num_valid, 4]


def of_env(path: Path, env: int) -> list[int]:
    """Numbers of the episodes of one env."""
    with h5py.File(path / "data/main_data.hdf5") as file:
        return [n for n in range(len(file)) if file[f"episode_{n}"].attrs["env"] == env]


def test_a_step_that_came_after_a_timeout_is_recorded_once(tmp_path):
    env = uerl_shm.VecEnv(scene("probe --wait-us 200000"), 2, timeout_s=0.05)
    with closing(env), uerl_shm.record(env, tmp_path / "late-v0") as recorded:
        with pytest.raises(uerl_shm.StepTimeout):
            recorded.reset(seed=0)
        recorded.recv(timeout_s=10)
        action = env.action_space.sample()
        with pytest.raises(uerl_shm.StepTimeout):
            recorded.step(action)
        recorded.recv(timeout_s=10)
    assert recorded.counts.steps == 2
    found = minari.MinariDataset(tmp_path / "late-v0/data")
    assert [episode.actions.tolist() for episode in found] == [[row.tolist()] for row in action]


def test_steps_beside_the_recorder_are_refused(tmp_path):
    with closing(uerl_shm.VecEnv(scene("basic"), 2)) as env:
        with uerl_shm.record(env, tmp_path / "a-v0") as recorded:
            recorded.reset(seed=0)
            recorded.step(env.action_space.sample())
            env.step(env.action_space.sample())
            with pytest.raises(SpecError, match="1 batches were received beside the recorder"):
                recorded.step(env.action_space.sample())


def test_a_length_of_the_learner_ends_episodes_in_the_data_set_too(tmp_path):
    with closing(uerl_shm.VecEnv(scene("apples"), 2, max_episode_steps=7)) as env:
        with uerl_shm.record(env, tmp_path / "a-v0") as recorded:
            recorded.reset(seed=0)
            for _ in range(2 * 8):
                recorded.step(env.action_space.sample())
    assert [len(episode) for episode in minari.MinariDataset(tmp_path / "a-v0/data")] == [7] * 4
    assert cuts(tmp_path / "a-v0") == []


def test_a_name_without_a_version_and_a_name_that_is_taken_are_refused(tmp_path):
    with closing(uerl_shm.VecEnv(scene("basic"), 1)) as env:
        with pytest.raises(SpecError, match="say my-run-v0"):
            uerl_shm.record(env, tmp_path / "my run")
        uerl_shm.record(env, tmp_path / "run-v0").__exit__()
        with pytest.raises(SpecError, match="exists"):
            uerl_shm.record(env, tmp_path / "run-v0")
        with pytest.raises(SpecError, match="put other wrappers around"):
            uerl_shm.record(ClipReward(env, -1, 1), tmp_path / "more-v0")


KILLED = """
import sys, uerl_shm
from uerl_shm import recording_tape
recording_tape.FLUSH_S = 0.0
env = uerl_shm.VecEnv(sys.argv[1:3], 2)
recorded = uerl_shm.record(env, sys.argv[3])
recorded.reset(seed=0)
while True:
    recorded.step(env.action_space.sample())
    if recorded.counts.episodes == 20:
        print("ready", flush=True)
        sys.stdin.read()
"""


def test_a_learner_that_is_killed_leaves_what_it_had_recorded(tmp_path):
    learner = subprocess.Popen(
        [*run_python(KILLED), *scene("basic"), str(tmp_path / "run-v0")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True,
    )  # fmt: skip
    assert learner.stdout.readline() == "ready\n"
    learner.kill()
    learner.communicate()
    found = minari.MinariDataset(tmp_path / "run-v0/data")
    assert found.total_episodes == 20
    assert sum(len(episode) for episode in found) == found.total_steps
    assert eventually(lambda: uerl_shm.segment.clean_segments() is not None)
