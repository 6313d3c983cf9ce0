"""EpisodeRenderer: what its videos show, frame by frame, and when they begin and end."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import uerl_shm
from support import marker_simulator, uerl_configs
from support.marker_simulator import BAR, BLUE, GREEN, GROUNDS, RED, frame
from uerl_shm import EpisodeRenderer, EpisodeView, HostedVectorEnv, SpecError, VecEnv, uerl

pytest.importorskip("imageio_ffmpeg", reason="videos need imageio-ffmpeg (uerl_shm[video])")
pytest.importorskip("PIL", reason="captions need pillow (uerl_shm[video])")

COMMAND = [sys.executable, marker_simulator.__file__]
MODES = ("NextStep", "SameStep", "Disabled")
SIZE = (128, 192)  # of each picture: four times that of the frames
LOSSY = 40  # a video's colours differ by less


class Marked(gymnasium.Env):
    """The marker simulator's frames in this process."""

    observation_space = gymnasium.spaces.Box(0, 255, (32, 48, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, number: int, num_steps: int = 6) -> None:
        self.number, self.num_steps, self.now = number, num_steps, 0

    def reset(self, *, seed=None, options=None):
        self.now = 0
        return frame(self.number, 0), {}

    def step(self, action):
        self.now += 1
        ended = self.now == self.num_steps
        return frame(self.number, self.now), 0.5, ended, False, {}


def sync(num_envs: int = 2, mode: str = "NextStep", num_steps: int = 6) -> SyncVectorEnv:
    makers = [lambda i=i: Marked(i, num_steps + i) for i in range(num_envs)]
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode(mode))


def decoded(path: Path) -> np.ndarray:
    """Read all frames of a video, ``(frames, height, width, 3)``."""
    import imageio_ffmpeg

    as_ppm = ("-fps_mode", "passthrough", "-c:v", "ppm", "-f", "image2pipe", "-")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), *as_ppm]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    width, height = map(int, data.split(maxsplit=3)[1:3])
    header = data.index(b"255\n") + 4
    frames = np.frombuffer(data, np.uint8).reshape(-1, header + height * width * 3)
    return frames[:, header:].reshape(-1, height, width, 3)


def picture(seen: np.ndarray, column: int = 0) -> np.ndarray:
    """Cut the picture of one view out of a frame, in the size of the original."""
    from uerl_shm.episode_drawing import GAP, LINE

    left = GAP + column * (SIZE[1] + GAP)
    return seen[GAP + LINE :, left:][: SIZE[0], : SIZE[1]][2::4, 2::4]


def line(seen: np.ndarray, number: int) -> np.ndarray:
    """Cut a line below the first picture out of a frame."""
    from uerl_shm.episode_drawing import GAP, LINE

    top = GAP + LINE + SIZE[0] + number * LINE
    return seen[top : top + LINE, GAP : GAP + SIZE[1]].astype(int)


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(pixels.reshape(-1, 3).mean(axis=0) - colour) < LOSSY).all())


def bar_of(shown: np.ndarray) -> int:
    """Where the bar stands in a picture: the step, up to 15."""
    strip = shown[14:18].astype(int).mean(axis=0).reshape(16, 3, 3).mean(axis=1)
    return int(np.abs(strip - BAR).sum(axis=1).argmin())


def assert_upright(shown: np.ndarray, env: int) -> None:
    assert near(shown[2:8, 2:10], RED) and near(shown[2:8, -10:-2], GREEN)
    assert near(shown[-8:-2, 2:10], BLUE) and near(shown[-8:-2, -10:-2], GROUNDS[env])


def play(env, num_steps: int) -> None:
    """Reset, and step; ended envs are reset where that is the caller's part."""
    env.reset(seed=0)
    for _ in range(num_steps):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        ended = terminated | truncated
        if env.metadata["autoreset_mode"] == AutoresetMode.DISABLED and ended.any():
            env.reset(options={"reset_mask": ended})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_video_shows_chosen_envs_upright_side_by_side_at_every_step(tmp_path):
    views = [1, EpisodeView(0, image="spectator", title="from above")]
    with closing(VecEnv(COMMAND, num_envs=2)) as inner:
        env = EpisodeRenderer(inner, tmp_path, views=views, size=SIZE)
        play(env, 13)  # env 1 ends with the last one
        assert names(tmp_path) == ["episode-000000.mp4"]
        env.close()
    video = decoded(tmp_path / "episode-000000.mp4")
    assert len(video) == 14
    assert video.shape[1] % 2 == video.shape[2] % 2 == 0
    for step, seen in enumerate(video):
        assert_upright(picture(seen, 0), env=1)
        assert bar_of(picture(seen, 0)) == step
        # The other env's 12th step is its last; the next one resets it.
        assert bar_of(255 - picture(seen, 1)) == step % 13
        assert near(255 - picture(seen, 1)[2:8, 2:10], RED)


def test_captions_tell_episode_step_reward_and_return(tmp_path):
    from uerl_shm.episode_drawing import caption

    env = EpisodeRenderer(sync(1), tmp_path, size=SIZE, every_nth_episode=2)
    play(env, 20)
    env.close()
    for episode in (0, 2):
        video = decoded(tmp_path / f"episode-{episode:06d}.mp4")
        told = [caption(f"episode {episode}   step {k}", SIZE[1]).astype(int) for k in range(7)]
        for step, seen in enumerate(video):
            differences = [np.abs(line(seen, 0) - text).sum() for text in told]
            assert int(np.argmin(differences)) == step
        totals = [caption(f"reward +0.5   return {k / 2:g}", SIZE[1]) for k in range(1, 7)]
        differences = [np.abs(line(video[4], 1) - text.astype(int)).sum() for text in totals]
        assert int(np.argmin(differences)) == 3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", [sync, "hosted", "marker"])
def test_videos_begin_with_a_reset_and_end_with_the_last_frame_in_every_mode(tmp_path, make, mode):
    if make == "marker":
        inner = VecEnv([*COMMAND, "6"], num_envs=2, autoreset_mode=mode)
    elif make == "hosted":
        makers = [lambda i=i: Marked(i, 6 + i) for i in range(2)]
        inner = HostedVectorEnv(makers, autoreset_mode=AutoresetMode(mode))
    else:
        inner = make(2, mode)
    env = EpisodeRenderer(inner, tmp_path, views=[0, 1], size=SIZE)
    try:
        play(env, 25)
    finally:
        env.close()
    ended = [name for name in names(tmp_path) if not name.endswith("-cut.mp4")]
    assert len(ended) == (25 // 7 if mode == "NextStep" else 25 // 6)
    for name in ended:
        video = decoded(tmp_path / name)
        assert [bar_of(picture(seen)) for seen in video] == [0, 1, 2, 3, 4, 5, 6]
    second = decoded(tmp_path / ended[1])  # the other env has begun its second episode later
    beside = [bar_of(picture(seen, 1)) for seen in second]
    assert beside[:3] == ([7, 0, 1] if mode == "NextStep" else [6, 7, 1]), beside


def test_every_nth_episode_is_recorded(tmp_path):
    env = EpisodeRenderer(sync(2), tmp_path, every_nth_episode=3)
    play(env, 7 * 7)
    env.close()
    assert names(tmp_path) == [
        *("episode-000000.mp4", "episode-000003.mp4", "episode-000006.mp4"),
    ]


def test_what_a_close_or_a_reset_cuts_short_is_called_cut(tmp_path):
    env = EpisodeRenderer(sync(2), tmp_path)
    play(env, 3)
    env.reset()
    env.step(env.action_space.sample())
    env.reset(options={"reset_mask": np.array([False, True])})  # not the first view's env
    env.step(env.action_space.sample())
    assert names(tmp_path) == [".episode-000001.part.mp4", "episode-000000-cut.mp4"]
    env.close()
    assert names(tmp_path) == ["episode-000000-cut.mp4", "episode-000001-cut.mp4"]
    assert len(decoded(tmp_path / "episode-000000-cut.mp4")) == 4
    assert len(decoded(tmp_path / "episode-000001-cut.mp4")) == 3


def test_no_episode_is_kept_in_memory(tmp_path):
    env = EpisodeRenderer(
        sync(1, num_steps=10_000), tmp_path, tensorboard=tmp_path / "board", size=SIZE
    )
    play(env, 50)
    tracemalloc.start()
    for _ in range(1000):
        env.step(env.action_space.sample())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    env.close()
    video = decoded(tmp_path / "episode-000000-cut.mp4")
    assert len(video) == 1051
    clip_bytes = 65 * 320 * 320 * 3
    assert peak < clip_bytes + 8 * video[0].nbytes < video.nbytes / 5


def test_tensorboard_gets_a_small_gif_of_the_whole_episode(tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is absent"
    )
    from PIL import Image

    env = EpisodeRenderer(
        sync(2, num_steps=150), None, tensorboard=tmp_path, size=SIZE, every_nth_episode=2, fps=10
    )
    play(env, 310)
    env.close()
    board = accumulators.EventAccumulator(str(tmp_path))
    board.Reload()
    assert board.Tags()["images"] == ["episode/video"]
    (shown,) = board.Images("episode/video")
    assert shown.step == 0
    gif = Image.open(io.BytesIO(shown.encoded_image_string))
    assert (gif.format, gif.size) == ("GIF", (shown.width, shown.height))
    assert max(gif.size) <= 320 and 32 <= gif.n_frames <= 64
    seconds = sum(_durations(gif)) / 1000
    assert seconds == pytest.approx(151 / 10, rel=0.1)
    gif.seek(0)
    scale = gif.size[0] / (SIZE[1] + 12)
    corner = np.asarray(gif.convert("RGB"))[int(40 * scale) : int(50 * scale), int(20 * scale) :]
    assert near(corner[:, : int(20 * scale)], RED)
    assert [(e.step, e.value) for e in board.Scalars("episode/return")] == [(0, 75.0)]
    assert [(e.step, e.value) for e in board.Scalars("episode/length")] == [(0, 150.0)]


def _durations(gif) -> list[int]:
    found = []
    for number in range(gif.n_frames):
        gif.seek(number)
        found.append(gif.info["duration"])
    return found


def test_uerls_configuration_makes_its_video(tmp_path):
    agent = uerl_configs.agent(sensors=[uerl_configs.camera(width=24, height=12)])
    agent.actuator_configs = [uerl.DroneMovementActuatorConfig(name="move")]
    agent.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    config = uerl_configs.config(agent, executable_path="uerl-sim apples --frame 24x12", tickfps=25)
    config.launch_settings.map_name = ""
    config.episode_renderer_config = uerl.EpisodeRendererConfig(
        [uerl.RendererViewConfig("Top", "Agent1", "camera", None, ["move"])],
        base_image_shape=(96, 192, 3),
        tensorboard_logdir=str(tmp_path),
        tensorboard_trial_name="trial",
    )
    with pytest.warns(UserWarning, match=r"expected EpisodeRenderer\.of_uerl"):
        inner = uerl.vec_env(config, num_envs=2)
    env = EpisodeRenderer.of_uerl(inner, config, tmp_path / "videos", world=1)
    with closing(env):
        observation, _ = env.reset(seed=0)
        env.step(env.action_space.sample())
    (path,) = (tmp_path / "videos").iterdir()
    video = decoded(path)
    assert len(video) == 2
    shown = video[0][26 : 26 + 96, 6 : 6 + 192][4::8, 4::8].astype(int)
    assert np.abs(shown - observation[1]).mean() < 12
    assert (tmp_path / "trial").is_dir()


def test_rows_of_recv_are_seen_and_tensors_are_shown(tmp_path):
    pytest.importorskip("torch", reason="output='torch' needs torch")
    with closing(VecEnv(COMMAND, num_envs=2, output="torch")) as inner:
        env = EpisodeRenderer(inner, tmp_path, views=[1, 0], size=SIZE)
        env.reset(seed=0)
        env.send(np.zeros((1, 2), np.float32), env_ids=[0])
        env.recv()  # not the first view's row: no frame
        env.send(np.zeros((1, 2), np.float32), env_ids=[1])
        env.recv()
        env.close()
    video = decoded(tmp_path / "episode-000000-cut.mp4")
    assert [(bar_of(picture(f, 0)), bar_of(picture(f, 1))) for f in video] == [(0, 0), (1, 0)]


def test_masked_rows_are_not_counted_and_the_episode_ends_with_its_simulator(tmp_path):
    class Faulty(gymnasium.vector.VectorEnv):
        num_envs, metadata = 1, {"autoreset_mode": AutoresetMode.NEXT_STEP}
        script = iter([(True, 0), (False, 1), (False, 0), (False, 0), (True, 0), (True, 0)])

        def reset(self, *, seed=None, options=None):
            return frame(0, 0)[None], {"valid": np.array([True])}

        def step(self, actions):
            valid, truncated = next(self.script)
            flags = np.array([False]), np.array([bool(truncated)])
            return frame(0, 5)[None], np.array([1.0]), *flags, {"valid": np.array([valid])}

    env = EpisodeRenderer(Faulty(), tmp_path)
    env.reset()
    for _ in range(6):
        env.step(None)
    track = env._tracks[0]
    assert (track.episode, track.steps, track.total) == (1, 1, 1.0)
    env.close()
    assert len(decoded(tmp_path / "episode-000000.mp4")) == 3  # reset, step, the one that was lost
    assert len(decoded(tmp_path / "episode-000001-cut.mp4")) == 2


def test_training_goes_on_when_ffmpeg_does_not(tmp_path, monkeypatch):
    import imageio_ffmpeg

    def broken(*args, **kwargs):
        yield
        yield
        raise OSError("disk is full")

    monkeypatch.setattr(imageio_ffmpeg, "write_frames", broken)
    env = EpisodeRenderer(sync(1), tmp_path)
    env.reset()
    with pytest.warns(UserWarning, match=r"episode-000000.mp4 is given up, .*disk is full"):
        env.step(env.action_space.sample())
    env.step(env.action_space.sample())
    env.close()
    assert names(tmp_path) == []


def test_several_groups_have_views_of_their_own(tmp_path):
    with closing(VecEnv("uerl-sim probe --groups 2 --agents 2", num_envs=2)) as inner:
        names_of = [group.name for group in inner._spec.groups]
        assert len(names_of) > 1
        views = [EpisodeView(3, "camera", group=name) for name in names_of]
        env = EpisodeRenderer(inner, tmp_path, views=views, size=SIZE)
        env.reset(seed=0)
        for _ in range(3):
            env.step(env.action_space.sample())
        env.close()
        with pytest.raises(SpecError, match=r"names group None, expected one of"):
            EpisodeRenderer(inner, tmp_path)
    assert len(decoded(tmp_path / "episode-000000-cut.mp4")) == 4


def test_missing_package_is_named_before_the_first_episode(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with closing(sync(1)) as inner, pytest.raises(ImportError, match=r"uerl_shm\[video\]"):
        EpisodeRenderer(inner, tmp_path)


def test_names_are_found_in_the_package():
    assert uerl_shm.EpisodeRenderer is EpisodeRenderer and uerl_shm.EpisodeView is EpisodeView
