"""`uerl-shm replay`: what was recorded comes back byte for byte, without its simulator."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest

import uerl_shm
from command_line import ENVIRONMENT, call_program
from recording.conftest import contents, folders, play, replay, scene
from support.bundled import MODES
from uerl_shm.errors import SpecError
from uerl_shm.minari_data import DataSet
from uerl_shm.recording_replay import Replay

ENVIRON = {"PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}


@pytest.mark.parametrize(
    ("words", "mode"),
    [*(("tennis", mode) for mode in MODES), ("gather", "Disabled"), ("probe", "NextStep")],
)
def test_a_recording_of_a_replay_is_the_recording(tmp_path, words, mode):
    options = {"num_envs": 4, "envs_per_simulator": 2, "autoreset_mode": mode}
    recorded = play(scene(words), tmp_path / "a-v0", **options)
    replayed = play(replay(tmp_path / "a-v0"), tmp_path / "b-v0", **options)
    assert recorded.steps == replayed.steps > 0
    for one, other in zip(folders(tmp_path / "a-v0"), folders(tmp_path / "b-v0"), strict=True):
        assert contents(one) == contents(other)


def test_what_is_delivered_is_what_was_delivered(tmp_path):
    def run(simulator, path=None) -> list:
        with closing(uerl_shm.VecEnv(simulator, 2, environ=ENVIRON)) as env:
            stepped = env if path is None else uerl_shm.record(env, path)
            env.action_space.seed(0)
            seen = [stepped.reset(seed=5)[0].tobytes()]
            for _ in range(60):
                *batch, _ = stepped.step(env.action_space.sample())
                seen.append([array.tobytes() for array in batch])
            if path is not None:
                stepped.__exit__()
            return seen

    recorded = run(scene("apples --frame 36x40"), tmp_path / "a-v0")
    # The recording ended amid an episode, which counts as truncated: all but the last are equal.
    assert run(replay(tmp_path / "a-v0"))[:60] == recorded[:60]


def test_a_seed_plays_the_episode_that_began_with_it(tmp_path):
    play(scene("tennis"), tmp_path / "a-v0", num_envs=4, num_steps=400, seed=7)
    data = DataSet(tmp_path / "a-v0")
    firsts = {
        recorded.place.seed: data.read(recorded).observation
        for recorded in data.episodes
        if recorded.place.seed is not None and recorded.place.agent == 0
    }
    data.close()
    assert sorted(firsts) == [7, 8]
    with closing(uerl_shm.VecEnv(replay(tmp_path / "a-v0"), 2, environ=ENVIRON)) as env:
        for seed in (8, 7, 8):
            observation, _ = env.reset(seed=seed)
            name, array = next(iter(firsts[seed].items()))
            found = observation[name] if isinstance(observation, dict) else observation
            assert np.array_equal(found[0], array[0])


def test_episodes_go_round_and_on_to_those_of_the_next_world(tmp_path):
    play(scene("tennis"), tmp_path / "a-v0", num_envs=4, num_steps=300)
    data = DataSet(tmp_path / "a-v0")
    order = sorted(
        (recorded.place.env, recorded.place.episode, recorded.key)
        for recorded in data.episodes
        if recorded.place.agent == 0
    )
    by_key = {recorded.key: recorded for recorded in data.episodes}
    starts = [data.read(by_key[key]).observation for _, _, key in order]
    data.close()
    with closing(uerl_shm.VecEnv(replay(tmp_path / "a-v0"), 2, environ=ENVIRON)) as env:
        for expected in [*starts, *starts[:2]]:
            observation, _ = env.reset()
            name, array = next(iter(expected.items()))
            found = observation[name] if isinstance(observation, dict) else observation
            assert np.array_equal(found[0], array[0])


def test_other_actions_change_nothing_and_are_counted(tmp_path):
    play(scene("basic"), tmp_path / "a-v0", num_envs=1, num_steps=40)
    logs = tmp_path / "logs"
    with closing(
        uerl_shm.VecEnv(replay(tmp_path / "a-v0"), 1, environ=ENVIRON, log_dir=logs)
    ) as env:
        env.action_space.seed(0)
        env.reset(seed=0)
        actions = [env.action_space.sample() for _ in range(10)]
        for number, action in enumerate(actions):
            env.step((action + 1) % 3 if number in (4, 6, 7) else action)
    said = "".join(log.read_text() for log in logs.iterdir())
    assert "step 4 of episode 0 (env 0, agent 0): the action is another one" in said
    assert "replayed 10 steps, 3 of them with another action than the recorded one" in said


def test_describe_writes_the_spec_that_was_recorded(tmp_path):
    play(scene("tennis"), tmp_path / "a-v0", num_envs=2, num_steps=20)
    done = call_program("replay", tmp_path / "a-v0", "--describe", tmp_path / "spec.json")
    assert done.returncode == 0, done.stderr
    described = json.loads((tmp_path / "spec.json").read_text())
    assert described == json.loads(uerl_shm.VecEnv(scene("tennis"), 2).spec.to_json())


def test_what_is_no_recording_is_refused(tmp_path):
    done = call_program("replay", str(tmp_path / "none-v0"))
    assert done.returncode == 2
    assert "has no data/main_data.hdf5, expected what `uerl-shm record` wrote" in done.stderr
    with closing(uerl_shm.VecEnv(scene("basic"), 1)) as env:
        uerl_shm.record(env, tmp_path / "empty-v0").__exit__()
    with pytest.raises(SpecError, match="has no episode"):
        Replay(tmp_path / "empty-v0", print)
    metadata = tmp_path / "empty-v0/data/metadata.json"
    text = json.loads(metadata.read_text())
    del text["uerl_shm"]
    metadata.write_text(json.dumps(text))
    with pytest.raises(SpecError, match="has no spec in its metadata"):
        Replay(tmp_path / "empty-v0", print)
