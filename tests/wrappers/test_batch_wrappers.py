"""Wrappers of whole batches do what Gymnasium's do env by env; episodes are counted and cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from support.bundled import random_actions
from uerl_shm import SpecError, VecEnv
from uerl_shm.wrappers import FrameSkip, FrameStack, Grayscale, Resize

NUM_ENVS = 3
MODES = ["NextStep", "SameStep"]


class Noise(gymnasium.Env):
    """Random pictures; episodes of 3, 4, ... steps."""

    def __init__(self, number: int = 0, shape: tuple[int, ...] = (12, 20, 3)) -> None:
        self.observation_space = gymnasium.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.number = number

    def _look(self) -> np.ndarray:
        return self.np_random.integers(0, 256, self.observation_space.shape, np.uint8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.left = 3 + self.number
        return self._look(), {}

    def step(self, action: int) -> Any:
        self.left -= 1
        return self._look(), 1.0, self.left == 0, False, {}


def batched(wrap: Any, mode: str, **options: Any) -> SyncVectorEnv:
    """Gymnasium's envs, each behind a wrapper of its own."""
    makers = [lambda number=number: wrap(Noise(number, **options)) for number in range(NUM_ENVS)]
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode(mode))


def same_play(one: Any, other: Any, tolerance: int = 0, num_steps: int = 40) -> None:
    """Step both alike; observations, also final ones, are equal."""
    a, b = one.reset(seed=5)[0], other.reset(seed=5)[0]
    finals = 0
    for _ in range(num_steps):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert np.abs(a.astype(int) - b.astype(int)).max() <= tolerance
        actions = np.zeros(NUM_ENVS, np.int64)
        (a, *_, info), (b, *_, expected) = one.step(actions), other.step(actions)
        for row in np.flatnonzero(expected.get("_final_obs", ())):
            finals += 1
            left, right = info["final_obs"][row], expected["final_obs"][row]
            assert np.abs(np.asarray(left).astype(int) - right.astype(int)).max() <= tolerance
    assert one.single_observation_space == other.single_observation_space
    if one.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP:
        assert finals > 5


def dense(env: SyncVectorEnv) -> Any:
    """Gymnasium's final observations stand in an array of objects, VecEnv's in one batch."""

    class Dense(gymnasium.vector.VectorWrapper):
        def step(self, actions: Any) -> Any:
            result = self.env.step(actions)
            info = result[-1]
            if "final_obs" in info:
                shape = self.env.single_observation_space.shape
                rows = [np.zeros(shape, np.uint8) if r is None else r for r in info["final_obs"]]
                info["final_obs"] = np.stack(rows)
            return result

    return Dense(env)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("keep_dim", [True, False])
def test_grayscale_is_gymnasiums(mode, keep_dim):
    ours = Grayscale(dense(batched(lambda env: env, mode)), keep_dim=keep_dim)
    theirs = batched(
        lambda env: gymnasium.wrappers.GrayscaleObservation(env, keep_dim=keep_dim), mode
    )
    same_play(ours, theirs)


def test_grayscale_of_gray_is_gymnasiums():
    frame = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    wrapper = Grayscale(batched(lambda env: env, "NextStep"))
    theirs = np.sum(frame * np.array([0.2125, 0.7154, 0.0721]), axis=-1).astype(np.uint8)
    np.testing.assert_array_equal(wrapper._map(frame[None])[0, ..., 0], theirs)


@pytest.mark.parametrize("shape", [(6, 10), (5, 7), (12, 20)])
def test_resize_is_gymnasiums_within_a_grey_level(shape):
    pytest.importorskip("cv2", reason="gymnasium resizes by opencv")
    ours = Resize(batched(lambda env: env, "NextStep"), shape)
    theirs = batched(lambda env: gymnasium.wrappers.ResizeObservation(env, shape), "NextStep")
    same_play(ours, theirs, tolerance=1)


@pytest.mark.parametrize("mode", MODES)
def test_frame_stack_is_gymnasiums(mode):
    ours = FrameStack(dense(batched(lambda env: env, mode)), 4)
    theirs = batched(
        lambda env: gymnasium.wrappers.FrameStackObservation(env, 4, padding_type="reset"), mode
    )
    same_play(ours, theirs)


def test_frame_stack_of_rows_that_are_reset_alone():
    makers = [Noise] * NUM_ENVS
    env = FrameStack(SyncVectorEnv(makers, autoreset_mode=AutoresetMode.DISABLED), 3)
    env.reset(seed=1)
    before = env.step(np.zeros(NUM_ENVS, np.int64))[0].copy()
    mask = np.array([False, True, False])
    after, _ = env.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert (after[1] == after[1][0]).all() and not (after[1] == before[1]).all()


@pytest.fixture
def make() -> Iterator[Any]:
    made: list[VecEnv] = []

    def make(command: str = "uerl-sim probe", **options: Any) -> VecEnv:
        made.append(VecEnv(command, options.pop("num_envs", NUM_ENVS), **options))
        return made[-1]

    yield make
    for env in made:
        env.close()


def test_one_array_of_several_is_changed(make):
    env = Resize(Grayscale(make(), "camera"), (42, 42), "camera")
    observation, _ = env.reset(seed=0)
    assert observation["camera"].shape == (NUM_ENVS, 42, 42, 1)
    assert observation["state"].shape == (NUM_ENVS, 64)
    assert env.observation_space.contains(observation)


def test_wrong_arrays_are_refused(make):
    env = make()
    with pytest.raises(SpecError, match="'kamera' is unknown, expected one of"):
        Grayscale(env, "kamera")
    with pytest.raises(SpecError, match="float32"):
        Grayscale(env, "state")
    with pytest.raises(SpecError, match="at most"):
        Resize(env, (85, 84), "camera")
    with pytest.raises(SpecError, match="num_frames 0"):
        FrameStack(env, 0, "camera")
    with pytest.raises(SpecError, match="num_frames 0"):
        FrameSkip(env, 0)


def plain_rewards(env: VecEnv, actions: np.ndarray, num_steps: int) -> Any:
    return [[np.array(part) for part in env.step(actions)[1:4]] for _ in range(num_steps)]


def test_frame_skip_adds_rewards_and_stops_at_an_end(make):
    """Each decision is four of the plain steps, or those that were left of an episode."""
    plain, skipping = make(), FrameSkip(make(), 4)
    plain.reset(seed=3)
    skipping.reset(seed=3)
    actions = random_actions(plain, np.random.default_rng(0))
    steps = plain_rewards(plain, actions, 400)
    at = np.zeros(NUM_ENVS, int)  # the next plain step of each env
    ended = np.zeros(NUM_ENVS, bool)
    ends = 0
    for _ in range(60):
        _, reward, terminated, truncated, _ = skipping.step(actions)
        for env in range(NUM_ENVS):
            total, over = 0.0, False
            for _ in range(1 if ended[env] else 4):
                total += steps[at[env]][0][env]
                over = bool(steps[at[env]][1][env] or steps[at[env]][2][env])
                at[env] += 1
                if over:
                    break
            assert reward[env] == pytest.approx(total)
            assert bool(terminated[env] or truncated[env]) == over
            ended[env] = over
            ends += over
    assert ends > 3


def test_frame_skip_needs_one_env_a_simulator(make):
    with pytest.raises(SpecError, match="one env of one agent"):
        FrameSkip(make(num_envs=4, envs_per_simulator=2), 4)


@pytest.mark.parametrize("envs_per_simulator", [1, 3])
def test_episodes_end_at_their_longest(make, envs_per_simulator):
    env = make("uerl-sim probe --episode-steps 0", max_episode_steps=5,
               envs_per_simulator=envs_per_simulator)  # fmt: skip
    env.reset(seed=0)
    actions = random_actions(env, np.random.default_rng(0))
    np.testing.assert_array_equal(env.elapsed_steps(), 0)
    assert env.is_first().all()
    for step in range(1, 24):
        _, reward, terminated, truncated, _ = env.step(actions)
        in_episode = step % 6  # five steps and the one that resets
        np.testing.assert_array_equal(env.elapsed_steps(), in_episode)
        np.testing.assert_array_equal(env.is_first(), in_episode == 0)
        np.testing.assert_array_equal(truncated, in_episode == 5)
        assert not terminated.any() and (in_episode > 0 or not reward.any())


def test_an_end_at_the_longest_step_is_the_simulators(make):
    env = make("uerl-sim probe --episode-steps 5", max_episode_steps=5)
    free = make("uerl-sim probe --episode-steps 5")
    for each in (env, free):
        each.reset(seed=0)
    actions = random_actions(env, np.random.default_rng(0))
    for _ in range(20):
        one, other = env.step(actions), free.step(actions)
        np.testing.assert_array_equal(one[2], other[2])
        np.testing.assert_array_equal(one[2] | one[3], other[2] | other[3])


def test_steps_are_counted_in_every_mode(make):
    for mode in MODES:
        env = make("uerl-sim probe --episode-steps 4", autoreset_mode=mode)
        env.reset(seed=0)
        actions = random_actions(env, np.random.default_rng(0))
        length = 5 if mode == "NextStep" else 4
        for step in range(1, 15):
            env.step(actions)
            np.testing.assert_array_equal(env.elapsed_steps(), step % length)


def test_longest_episodes_need_a_mode_in_which_the_learner_resets(make):
    with pytest.raises(SpecError, match="SameStep"):
        make(max_episode_steps=5, autoreset_mode="SameStep")
    for wrong in (0, 1 << 40):
        with pytest.raises(SpecError, match=f"max_episode_steps {wrong}"):
            make(max_episode_steps=wrong)


@pytest.mark.parametrize("output", ["numpy", "torch"])
def test_frames_of_a_simulator_that_came_back_begin_anew(make, output):
    plain = make(output=output)
    env = FrameStack(plain, 3, "state")
    env.reset(seed=0)
    actions = random_actions(plain, np.random.default_rng(0))
    for _ in range(3):
        env.step(actions)
    plain._simulators.launcher.kill(1)
    for _ in range(10_000):
        observation, *_ = env.step(actions)
        if plain.is_first()[1]:
            break
    frames = observation["state"][1]
    assert plain.is_first()[1] and (frames == frames[0]).all()
