"""Every vector wrapper of gymnasium, over VecEnv and over HostedVectorEnv, in every autoreset mode.

What a wrapper returns is compared with what it returns over gymnasium's own SyncVectorEnv, whose
envs are the same worlds as single envs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import transform_action, transform_observation, transform_reward
from gymnasium.wrappers import vector as wrappers

from support.gym_envs import Sampler
from support.vector_envs import MODES, assert_same
from uerl_shm import Env, HostedVectorEnv, VecEnv

# Gymnasium's remarks about what its wrappers do.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Box (low|high)'s precision lowered"),
    pytest.mark.filterwarnings("ignore:.*Overwriting existing videos"),
    pytest.mark.filterwarnings("ignore:.*Recorded episodes will not contain the last frame"),
]

NUM_ENVS = 2
NUM_STEPS = 12
SCENES = {
    "vector": "uerl-sim basic --episode-steps 5",
    "picture": "uerl-sim apples --frame 16x12 --episode-steps 5",
    "dict": "uerl-sim apples --frame 16x12 --depth --episode-steps 5",
}
PICTURE = spaces.Box(0, 255, (12, 16, 3), np.uint8)
SAMPLED = {
    "vector": spaces.Box(-1, 1, (4,)),
    "picture": PICTURE,
    "dict": spaces.Dict(camera=PICTURE, depth=spaces.Box(0, 9, (12, 16))),
}


class Pair(NamedTuple):
    """The env under test, and gymnasium's own over the same worlds."""

    kind: str
    mode: str
    ours: VectorEnv
    theirs: VectorEnv


def make_pair(kind: str, scene: str, mode: str) -> Pair:
    render_mode = None if scene == "vector" else "rgb_array"
    if kind == "vec":
        env_fn: Callable[[], gym.Env] = partial(Env, SCENES[scene], render_mode=render_mode)
        ours: VectorEnv = VecEnv(
            SCENES[scene], NUM_ENVS, autoreset_mode=mode, render_mode=render_mode
        )
    else:
        actions = spaces.Box(-1, 1, (2,))
        env_fn = partial(Sampler, SAMPLED[scene], actions, last=5, render_mode=render_mode)
        ours = HostedVectorEnv([env_fn] * NUM_ENVS, autoreset_mode=mode)
    return Pair(kind, mode, ours, SyncVectorEnv([env_fn] * NUM_ENVS, autoreset_mode=mode))


@pytest.fixture(scope="module", params=list(product(("vec", "hosted"), MODES)), ids=str)
def pairs(request: pytest.FixtureRequest) -> Iterator[dict[str, Pair]]:
    """Scene to pair, of one kind in one mode; wrappers come and go over the same envs."""
    kind, mode = request.param
    made = {scene: make_pair(kind, scene, mode) for scene in SCENES}
    yield made
    for pair in made.values():
        pair.ours.close()
        pair.theirs.close()


def run(envs: VectorEnv, seed: int = 3) -> list[Any]:
    """Observation, reward and both flags of a reset and some steps; ended envs are reset."""
    observation, _ = envs.reset(seed=seed)
    assert observation in envs.observation_space
    results: list[Any] = [np_copy(observation)]
    envs.action_space.seed(seed)
    for _ in range(NUM_STEPS):
        *step, _info = envs.step(envs.action_space.sample())
        assert step[0] in envs.observation_space
        assert len(step[1]) == len(step[2]) == len(step[3]) == NUM_ENVS
        results.append([np_copy(part) for part in step])
        done = step[2] | step[3]
        if envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED and done.any():
            results.append(np_copy(envs.reset(options={"reset_mask": np.array(done)})[0]))
    return results


def np_copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: np_copy(part) for key, part in value.items()}
    return np.array(value)


def halved(array: Any) -> Any:
    return (np.asarray(array) * 0.5).astype(array.dtype)


# Scene, and the wrapper over it; observation wrappers do not know the mode SAME_STEP.
REWARD = {
    "ClipReward": ("vector", partial(wrappers.ClipReward, min_reward=-0.5, max_reward=0.5)),
    "TransformReward": ("vector", partial(wrappers.TransformReward, func=halved)),
    "VectorizeTransformReward": (
        "vector",
        partial(
            wrappers.VectorizeTransformReward,
            wrapper=transform_reward.ClipReward,
            min_reward=-0.5,
            max_reward=0.5,
        ),
    ),
    "NormalizeReward": ("picture", wrappers.NormalizeReward),
}
ACTION = {
    "ClipAction": ("picture", wrappers.ClipAction),
    "RescaleAction": (
        "picture",
        partial(wrappers.RescaleAction, min_action=-2.0, max_action=np.float32([3.0, 4.0])),
    ),
    "TransformAction": ("picture", partial(wrappers.TransformAction, func=halved)),
    "VectorizeTransformAction": (
        "picture",
        partial(wrappers.VectorizeTransformAction, wrapper=transform_action.ClipAction),
    ),
}
OBSERVATION = {
    "TransformObservation": ("vector", partial(wrappers.TransformObservation, func=halved)),
    "VectorizeTransformObservation": (
        "picture",
        partial(
            wrappers.VectorizeTransformObservation,
            wrapper=transform_observation.FlattenObservation,
        ),
    ),
    "FilterObservation": ("dict", partial(wrappers.FilterObservation, filter_keys=["depth"])),
    "FlattenObservation": ("dict", wrappers.FlattenObservation),
    "GrayscaleObservation": ("picture", wrappers.GrayscaleObservation),
    "ResizeObservation": ("picture", partial(wrappers.ResizeObservation, shape=(6, 8))),
    "ReshapeObservation": ("picture", partial(wrappers.ReshapeObservation, shape=(16, 36))),
    "RescaleObservation": (
        "vector",
        partial(wrappers.RescaleObservation, min_obs=-3.0, max_obs=3.0),
    ),
    "DtypeObservation": ("picture", partial(wrappers.DtypeObservation, dtype=np.float64)),
}


@pytest.mark.parametrize("name", [*REWARD, *ACTION])
def test_reward_and_action_wrappers_work_in_every_mode(pairs, name):
    scene, wrap = {**REWARD, **ACTION}[name]
    pair = pairs[scene]
    assert_same(run(wrap(pair.ours)), run(wrap(pair.theirs)))


@pytest.mark.parametrize("name", OBSERVATION)
def test_observation_wrappers_work_where_gymnasium_lets_them(pairs, name):
    if name == "ResizeObservation":
        pytest.importorskip("cv2")
    scene, wrap = OBSERVATION[name]
    pair = pairs[scene]
    if pair.mode == "SameStep":
        for envs in (pair.ours, pair.theirs):
            with pytest.raises(ValueError, match="autoreset"):
                wrap(envs)
    else:
        assert_same(run(wrap(pair.ours)), run(wrap(pair.theirs)))


def test_normalized_observations_are_the_same_where_gymnasium_lets_them(pairs):
    pair = pairs["vector"]
    if pair.mode != "NextStep":
        for envs in (pair.ours, pair.theirs):
            with pytest.raises(ValueError, match="autoreset"):
                wrappers.NormalizeObservation(envs)
    else:
        wrapped = [wrappers.NormalizeObservation(envs) for envs in (pair.ours, pair.theirs)]
        assert_same(*map(run, wrapped))


def test_episode_statistics_are_the_same_and_partial_resets_keep_those_of_the_others(pairs):
    pair = pairs["picture"]
    found = []
    for envs in (pair.ours, pair.theirs):
        wrapped = wrappers.RecordEpisodeStatistics(envs)
        wrapped.reset(seed=1)
        wrapped.action_space.seed(1)
        episodes = []
        for _ in range(NUM_STEPS):
            *_, terminated, truncated, info = wrapped.step(wrapped.action_space.sample())
            if "episode" in info:
                told = info["episode"]
                episodes.append([told["r"].tolist(), told["l"].tolist(), info["_episode"].tolist()])
            done = terminated | truncated
            if pair.mode == "Disabled" and done.any():
                wrapped.reset(options={"reset_mask": done})
        found.append(episodes)
    assert len(found[0]) >= 2
    assert found[0] == found[1]


def test_statistics_of_an_env_outlive_the_reset_of_another():
    for make in (
        lambda: VecEnv("uerl-sim basic", 2, autoreset_mode="Disabled"),
        lambda: HostedVectorEnv([Sampler] * 2, autoreset_mode="Disabled"),
    ):
        envs = wrappers.RecordEpisodeStatistics(make())
        envs.reset(seed=0)
        envs.step(envs.action_space.sample())
        envs.step(envs.action_space.sample())
        envs.reset(options={"reset_mask": np.array([True, False])})
        assert envs.episode_lengths.tolist() == [0, 2]
        envs.close()


def test_infos_become_lists(pairs):
    pair = pairs["vector"]
    envs = wrappers.DictInfoToList(pair.ours)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    num_final = 0
    for _ in range(NUM_STEPS):
        *_, terminated, truncated, infos = envs.step(envs.action_space.sample())
        assert [type(info) for info in infos] == [dict] * NUM_ENVS
        done = terminated | truncated
        if pair.mode == "Disabled" and done.any():
            envs.reset(options={"reset_mask": done})
        if pair.mode == "SameStep":
            num_final += int(done.sum())
            for info, ended in zip(infos, done, strict=True):
                assert ("final_obs" in info) == ended
                if ended:
                    assert info["final_obs"] in pair.ours.single_observation_space
    assert num_final > 0 or pair.mode != "SameStep"


def test_a_wrapper_that_writes_in_place_needs_copies():
    """Gymnasium's VectorizeTransformObservation does, where the space stays the same."""
    for copy in (False, True):
        envs = wrappers.FlattenObservation(VecEnv(SCENES["vector"], NUM_ENVS, copy=copy))
        if copy:
            assert envs.reset(seed=0)[0].shape == (NUM_ENVS, 20)
        else:
            with pytest.raises(ValueError, match="read-only"):
                envs.reset(seed=0)
        envs.close()


@pytest.mark.parametrize("name", ["NumpyToTorch", "ArrayConversion"])
def test_arrays_become_tensors_over_the_same_memory(pairs, name):
    pytest.importorskip("array_api_compat")
    torch = pytest.importorskip("torch")
    pair = pairs["picture"]
    wrap = wrappers.NumpyToTorch
    if name == "ArrayConversion":
        wrap = partial(wrappers.ArrayConversion, env_xp=np, target_xp=torch)
    envs = wrap(pair.ours)
    assert isinstance(envs.reset(seed=0)[0], torch.Tensor)
    action = torch.zeros(NUM_ENVS, 2)
    for _ in range(NUM_STEPS):
        # gymnasium's own final observations are objects, which no tensor holds.
        if (pair.kind, pair.mode) == ("hosted", "SameStep") and ends_next(pair):
            with pytest.raises((BufferError, TypeError)):
                envs.step(action)
            return
        observation, reward, terminated, truncated, _ = envs.step(action)
        assert observation.shape == (NUM_ENVS, 12, 16, 3)
        assert reward.shape == terminated.shape == (NUM_ENVS,)
        assert (reward.dtype, terminated.dtype) == (torch.float64, torch.bool)
        done = terminated | truncated
        if pair.mode == "Disabled" and done.any():
            envs.reset(options={"reset_mask": done.numpy()})
    if pair.kind == "vec":
        core = pair.ours._core
        assert core.address <= observation.data_ptr() < core.address + core.segment_bytes


def ends_next(pair: Pair) -> bool:
    return pair.ours.get_attr("count")[0] == 4


def test_videos_are_recorded(pairs, tmp_path: Path):
    pytest.importorskip("moviepy")
    pair = pairs["picture"]
    envs = wrappers.RecordVideo(
        pair.ours,
        str(tmp_path),
        video_aspect_ratio=(2, 1),
        step_trigger=lambda step: step == 0,
        video_length=4,
    )
    envs.reset(seed=0)
    for _ in range(5):
        envs.step(np.zeros((NUM_ENVS, 2), np.float32))
    (video,) = tmp_path.glob("*.mp4")
    assert video.stat().st_size > 500
    assert not envs.recording


def test_pictures_are_shown_to_people(pairs, monkeypatch):
    pytest.importorskip("cv2")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    pygame = pytest.importorskip("pygame")
    pair = pairs["picture"]
    envs = wrappers.HumanRendering(pair.ours, screen_size=(32, 24))
    envs.reset(seed=0)
    envs.step(np.zeros((NUM_ENVS, 2), np.float32))
    shown = pygame.surfarray.array3d(envs.window)
    assert shown.shape == (32, 24, 3)
    assert shown.max() > 0
    pygame.display.quit()
    pygame.quit()
