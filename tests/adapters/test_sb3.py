"""SB3VecEnv beside Stable-Baselines3's own DummyVecEnv; its wrappers, algorithms and buffers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
import torch
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)

from adapters.conftest import APPLES, BASIC, DICTS, PROBE, kill
from support.gym_envs import Sampler
from support.vector_envs import assert_same
from uerl_shm import Env, HostedVectorEnv, SpecError
from uerl_shm.integrations.sb3 import LeaveOutInvalid, SB3VecEnv, ValidReplayBuffer

NUM_STEPS = 25


@pytest.fixture
def adapt(make):
    """A function that makes an SB3VecEnv of three simulators."""

    def adapt(simulator: str, num_envs: int = 3, output: str = "torch", **options: Any):
        return SB3VecEnv(
            make(simulator, num_envs, autoreset_mode="SameStep", output=output, **options)
        )

    return adapt


def run(envs: Any) -> list[Any]:
    """What a VecEnv of Stable-Baselines3 returns: a reset and steps."""
    envs.seed(3)
    envs.action_space.seed(3)
    found: list[Any] = [np_copy(envs.reset())]
    for _ in range(NUM_STEPS):
        actions = np.stack([envs.action_space.sample() for _ in range(envs.num_envs)])
        observation, reward, done, infos = envs.step(actions)
        told = [
            {key: np_copy(info[key]) for key in ("terminal_observation", "TimeLimit.truncated")}
            if key_ended
            else {}
            for info, key_ended in zip(infos, done, strict=True)
        ]
        found.append([np_copy(observation), np.round(reward, 5), done.tolist(), told])
    return found


def np_copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: np_copy(part) for key, part in value.items()}
    return np.array(value)


def dummy(simulator: str, num_envs: int = 3, **options: Any) -> DummyVecEnv:
    return DummyVecEnv([partial(Env, simulator, **options)] * num_envs)


WRAPPERS = {
    "none": lambda envs: envs,
    "VecMonitor": VecMonitor,
    "VecNormalize": VecNormalize,
    "VecFrameStack": partial(VecFrameStack, n_stack=3),
    "VecTransposeImage": VecTransposeImage,
}


@pytest.mark.parametrize("output", ["torch", "numpy"])
@pytest.mark.parametrize(
    ("simulator", "wrapper"),
    [
        (BASIC, "none"), (APPLES, "none"), (DICTS, "none"), (BASIC, "VecMonitor"),
        (BASIC, "VecNormalize"), (APPLES, "VecFrameStack"), (APPLES, "VecTransposeImage"),
    ],
)  # fmt: skip
def test_it_does_what_dummy_vec_env_does(adapt, simulator, wrapper, output):
    theirs = WRAPPERS[wrapper](dummy(simulator))
    ours = WRAPPERS[wrapper](adapt(simulator, output=output))
    found, expected = run(ours), run(theirs)
    theirs.close()
    assert any(any(step[2]) for step in expected[1:])
    assert_same(found, expected)


def test_episodes_that_are_cut_off_and_such_that_end_are_told_apart(adapt):
    envs = adapt(BASIC, 1)
    for action, cut_off in ((0, None), (2, False)):  # neither left nor right; to the large goal
        envs.reset()
        for _ in range(12):
            _, _, done, infos = envs.step(np.array([action]))
            if done[0]:
                break
        assert done[0]
        if cut_off is not None:
            assert infos[0]["TimeLimit.truncated"] == cut_off


def test_observations_are_the_segment_where_the_env_gives_tensors(adapt):
    envs = adapt(BASIC)
    observation = envs.reset()
    assert observation.flags.writeable and not observation.flags.owndata
    assert observation.ctypes.data == envs.env._current()[0].data_ptr()
    copied = adapt(BASIC, output="numpy").reset()
    assert copied.flags.writeable and copied.flags.owndata


def test_what_it_returned_before_does_not_change(adapt):
    envs = adapt(APPLES)
    kept = [envs.reset()]
    copies = [kept[0].copy()]
    for _ in range(10):
        kept.append(envs.step(np.ones((3, 2), np.float32))[0])
        copies.append(kept[-1].copy())
        kept, copies = kept[-2:], copies[-2:]
        assert all(map(np.array_equal, kept, copies))


def test_what_stands_in_infos_keeps_no_batch(adapt):
    envs = adapt(
        f"{PROBE} --info speed:float32:3".replace("--episode-steps 0", "--episode-steps 3")
    )
    envs.reset()
    actions = np.zeros((3, *envs.action_space.shape), np.float32)
    kept = [envs.step(actions)[3] for _ in range(12)]
    assert sum("terminal_observation" in info for infos in kept for info in infos) == 12
    assert all("speed" in info for infos in kept for info in infos)
    assert envs.env.stats()["copied_batches"] == 0


@pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
def test_they_learn_without_copies_of_batches(adapt, algorithm):
    envs = VecMonitor(adapt(BASIC, 4))
    if algorithm == "PPO":
        PPO("MlpPolicy", envs, n_steps=16, batch_size=32, device="cpu").learn(128)
    else:
        DQN("MlpPolicy", envs, learning_starts=16, replay_buffer_class=ValidReplayBuffer).learn(64)
    stats = envs.unwrapped.env.stats()
    assert (stats["copied_batches"], stats["gathered_rows"], stats["copied_rows"]) == (0, 0, 0)


def test_cnn_policy_takes_pictures_and_multi_input_policy_dicts(adapt):
    picture = adapt(APPLES.replace("16x12", "40x40"), 2)
    model = PPO("CnnPolicy", picture, n_steps=8, batch_size=16, device="cpu").learn(16)
    assert model.predict(model.get_env().reset())[0].shape == (2, 2)
    dicts = adapt(DICTS.replace("16x12", "40x40"), 2)
    PPO("MultiInputPolicy", dicts, n_steps=8, batch_size=16, device="cpu").learn(
        16, callback=LeaveOutInvalid()
    )


def test_seeds_repeat_episodes_and_count_for_one_reset(adapt):
    envs = adapt(APPLES)
    assert envs.seed(7) == [7, 8, 9]
    first, later = envs.reset(), envs.reset()
    envs.seed(7)
    assert np.array_equal(envs.reset(), first)
    assert np.array_equal(envs.reset(), later)
    assert not np.array_equal(first, later)
    assert len({picture.tobytes() for picture in first}) == 3


def test_options_reach_the_next_reset_and_must_be_the_same_for_all(adapt):
    envs = adapt(APPLES)
    pictures = []
    for num_apples in (0, 40):
        envs.seed(1)
        envs.set_options({"parameters": {"num_apples": num_apples}})
        pictures.append(envs.reset())
    assert not np.array_equal(*pictures)
    envs.set_options([{}, {"parameters": {"num_apples": 0}}, {}])
    with pytest.raises(SpecError, match="options differ between envs, expected the same for all"):
        envs.reset()


def test_render_tiles_the_pictures(adapt):
    envs = adapt(APPLES, 4, render_mode="rgb_array")
    observation = envs.reset()
    assert envs.render_mode == "rgb_array"
    assert envs.get_attr("render_mode") == ["rgb_array"] * 4
    picture = envs.render()
    assert picture.shape == (24, 32, 3)
    assert np.array_equal(picture[:12, :16], observation[0])
    assert np.array_equal(picture[12:, 16:], observation[3])


def test_attributes_of_simulators_are_the_vector_envs(adapt):
    envs = adapt(BASIC)
    assert envs.get_attr("num_worlds", indices=[0, 2]) == [3, 3]
    assert not envs.has_attr("action_masks")
    for call in (lambda: envs.env_method("close"), lambda: envs.set_attr("x", 1)):
        with pytest.raises(SpecError, match="has no Python object, expected a HostedVectorEnv"):
            call()
    assert envs.env_is_wrapped(Monitor) == [False] * 3


def test_wrappers_around_the_vector_env_are_found(make):
    env = RecordEpisodeStatistics(make(BASIC, autoreset_mode="SameStep"))
    envs = SB3VecEnv(env)
    assert envs.env_is_wrapped(RecordEpisodeStatistics, indices=1) == [True]
    assert envs.env_is_wrapped(Monitor) == [False] * 3
    run(envs)


def test_hosted_envs_keep_their_attributes_and_methods():
    envs = SB3VecEnv(HostedVectorEnv([Sampler] * 2, autoreset_mode="SameStep"))
    dummies = DummyVecEnv([Sampler] * 2)
    try:
        assert_same(run(envs), run(dummies))
        envs.set_attr("here", 5)
        assert envs.get_attr("here", indices=1) == [5]
        assert envs.env_method("get_wrapper_attr", "here") == [5, 5]
        with pytest.raises(SpecError, match=r"for the envs \[0\], expected all"):
            envs.set_attr("here", 6, indices=0)
    finally:
        envs.close()
        dummies.close()


def test_steps_without_a_simulator_are_told_not_to_be_valid(adapt):
    envs = adapt(PROBE)
    envs.reset()
    actions = np.zeros((3, *envs.action_space.shape), envs.action_space.dtype)
    assert [info["valid"] for info in envs.step(actions)[3]] == [True] * 3
    kill(envs.env, 1)
    seen = []
    while not seen or not (seen[-1][0] and seen[-2][0]):
        _, _, done, infos = envs.step(actions)
        assert infos[0]["valid"] and infos[2]["valid"]
        seen.append((infos[1]["valid"], bool(done[1]), infos[1]["step"]))
        assert len(seen) < 10_000
    valid, done, steps = zip(*seen, strict=True)
    assert done == (True, *[False] * (len(done) - 1))
    # The step in which it is back only resets: its first valid one is the one after.
    assert steps[valid.index(True) - 1] == 0 and steps[valid.index(True)] == 1


class Killer(BaseCallback):
    """Kills a simulator in step 5; keeps what is left of a rollout when it is complete."""

    def _on_step(self) -> bool:
        if self.n_calls == 5:
            kill(self.training_env.env, 1)
        valid = [info["valid"] for info in self.locals["infos"]]
        self.valid = [*getattr(self, "valid", []), valid]
        return True

    def _on_rollout_end(self) -> None:
        self.columns = {
            name: getattr(self.locals["rollout_buffer"], name).copy()
            for name in ("observations", "values", "advantages", "returns", "log_probs")
        }


@pytest.mark.parametrize("leave_out", [True, False])
def test_ppo_leaves_invalid_rows_out(adapt, leave_out):
    torch.manual_seed(0)
    envs = adapt(PROBE, on_death="mask")
    killer = Killer()
    model = PPO("MlpPolicy", envs, n_steps=16, batch_size=16, device="cpu")
    model.learn(48, callback=[LeaveOutInvalid(), killer] if leave_out else killer)
    valid = np.array(killer.valid)
    assert (valid[:, 1] == (np.arange(16) < 5)).all() and valid[:, [0, 2]].all()
    advantages = killer.columns["advantages"]
    among = np.isin(advantages[~valid], advantages[valid])
    assert among.all() if leave_out else not among.any()
    if leave_out:
        for values in zip(*(column[~valid] for column in killer.columns.values()), strict=True):
            rows = [column[valid] for column in killer.columns.values()]
            same = [np.isclose(row, value).reshape(len(row), -1).all(1)
                    for row, value in zip(rows, values, strict=True)]  # fmt: skip
            assert np.logical_and.reduce(same).any(), "columns of different rows were mixed"


def test_replay_buffer_takes_valid_rows_only(adapt):
    envs = adapt(BASIC)
    buffer = ValidReplayBuffer(60, envs.observation_space, envs.action_space, n_envs=3)
    for number in range(10):
        valid = [number % 2 == 0, True, number % 3 == 0]
        rows = np.full((3, 20), 0.5, np.float32) * np.array(valid)[:, None]
        infos = [{"valid": flag, "TimeLimit.truncated": False} for flag in valid]
        reward = np.where(valid, np.arange(3), -1)
        buffer.add(rows, rows, np.zeros(3, int), reward, np.zeros(3, bool), infos)
    gone = [{"valid": False}] * 3
    buffer.add(rows * 0, rows * 0, np.zeros(3, int), reward, np.zeros(3, bool), gone)
    assert buffer.size() == 10
    assert (buffer.observations[:10] == 0.5).all() and (buffer.next_observations[:10] == 0.5).all()
    assert (buffer.rewards[:10] >= 0).all()
    assert buffer.rewards[0].tolist() == [0, 1, 2]


def test_other_modes_and_several_groups_are_refused(make):
    with pytest.raises(SpecError, match="autoreset_mode 'NextStep', SB3VecEnv expected 'SameStep'"):
        SB3VecEnv(make(BASIC))
    gather = make("uerl-sim gather", 1, autoreset_mode="SameStep")
    with pytest.raises(SpecError, match="has the groups red, blue, SB3VecEnv expected one"):
        SB3VecEnv(gather)
