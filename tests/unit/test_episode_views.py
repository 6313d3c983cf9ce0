"""Views of an EpisodeRenderer: what they find, and what is refused; clips for TensorBoard."""

from __future__ import annotations

from contextlib import closing

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from support import uerl_configs
from support.marker_simulator import frame
from uerl_shm import EpisodeRenderer, EpisodeView, SpecError, VecEnv, uerl

pytest.importorskip("imageio_ffmpeg", reason="videos need imageio-ffmpeg (uerl_shm[video])")
pytest.importorskip("PIL", reason="captions need pillow (uerl_shm[video])")


class Still(gymnasium.Env):
    """One frame, for ever."""

    observation_space = gymnasium.spaces.Box(0, 255, (32, 48, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return frame(0, 0), {}

    def step(self, action):
        return frame(0, 1), 0.0, False, False, {}


def test_views_of_uerls_configuration_find_rows_arrays_and_texts():
    config = uerl_configs.config(
        uerl_configs.agent("Walker", [uerl_configs.camera(), uerl_configs.camera("eye")]),
        uerl_configs.agent("Helper", [uerl_configs.camera(), uerl_configs.camera("eye")]),
    )
    view = uerl.RendererViewConfig("Top", "Walker", "camera", "eye", ["keys"])
    config.episode_renderer_config = uerl.EpisodeRendererConfig([view])
    from uerl_shm.episode_views import views_of_uerl

    (found,) = views_of_uerl(config, world=3)  # rows: Helper, Walker, by name
    assert found == EpisodeView(
        7, "observation/camera", "Top", None, "observation/eye", ("action/keys",)
    )
    view.display_texts_components = ["apples"]
    with pytest.warns(UserWarning, match=r"views\[0\] writes component 'apples'"):
        assert views_of_uerl(config, world=0)[0].texts == ()
    view.base_image_comp = "lens"
    with pytest.raises(SpecError, match=r"views\[0\] shows component 'lens', .* camera, eye"):
        views_of_uerl(config, world=0)
    view.agent_id = "Nobody"
    with pytest.raises(SpecError, match=r"agent_id 'Nobody' is unknown, .* Walker, Helper"):
        views_of_uerl(config, world=0)
    config.episode_renderer_config = None
    with pytest.raises(SpecError, match="has no views"):
        views_of_uerl(config, world=0)


def test_wrong_arguments_are_refused_with_what_is_there(tmp_path):
    with closing(SyncVectorEnv([Still] * 2)) as inner:
        for arguments, text in (
            ({"every_nth_episode": 0}, "every_nth_episode 0, expected at least 1"),
            ({"directory": None}, "no place for videos"),
            ({"views": [2]}, "view of row 2, expected a row from 0 to 1"),
            ({"views": []}, "views are empty"),
            ({"views": [EpisodeView(0, group="team")]}, "names group 'team'"),
            ({"size": (8, 8)}, r"size \(8, 8\)"),
        ):
            with pytest.raises(SpecError, match=text):
                EpisodeRenderer(inner, **{"directory": tmp_path, **arguments})
        env = EpisodeRenderer(inner, tmp_path, views=[EpisodeView(0, texts=("move", "lens"))])
        env.reset()
        with pytest.raises(SpecError, match="array 'move' is unknown, expected one of observation"):
            env.step(env.action_space.sample())
        env._finish(cut=True)
        env = EpisodeRenderer(inner, tmp_path, views=[EpisodeView(0, image="lens")])
        with pytest.raises(SpecError, match="array 'lens' is unknown, expected one of observation"):
            env.reset()
    with closing(VecEnv("uerl-sim basic", num_envs=1)) as inner:
        env = EpisodeRenderer(inner, tmp_path)
        with pytest.raises(SpecError, match=r"has shape \(20,\), expected a picture"):
            env.reset()


@pytest.mark.parametrize("count", [1, 63, 64, 65, 128, 129, 1000])
def test_clip_keeps_frames_at_equal_distances(count):
    from uerl_shm.episode_clip import MAX_FRAMES, Clip

    clip = Clip()
    for number in range(count):
        clip.add(np.full((4, 4, 3), number // 4, np.uint8))
    kept = [int(kept[0, 0, 0]) for kept in clip._frames]
    stride = clip._stride
    assert kept == [number // 4 for number in range(0, count, stride)]
    assert MAX_FRAMES // 2 < len(kept) <= MAX_FRAMES or stride == 1
