"""EpisodeRenderer: videos of episodes, while training goes on."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper

from uerl_shm import episode_drawing as drawing
from uerl_shm.episode_clip import Board, Clip
from uerl_shm.episode_tracks import Batch, Recording, Track
from uerl_shm.episode_video import Video
from uerl_shm.episode_views import EpisodeView, Row, row_of, views_of_uerl
from uerl_shm.errors import SpecError
from uerl_shm.uerl import UEEnvConfig

__all__ = ["EpisodeRenderer"]

DEFAULT_FPS = 30.0


class EpisodeRenderer(VectorWrapper[Any, Any, Any, Any, Any]):
    """Makes a video of every n-th episode; a wrapper of any `gymnasium.vector.VectorEnv`.

    A video shows one picture for each of ``views``, side by side, with the number of the episode,
    the step, reward and return. It begins and ends with an episode of the first view's row; the
    others show what their rows do meanwhile. Frames go to ffmpeg as they come, so that no episode
    is kept in memory. Steps of an episode without a video cost nothing but counting.

    What a `VecEnv` has beside the contract, such as ``send``, ``rollout`` and ``stats``, is found
    through this wrapper; rows that ``recv`` brings are seen as well.

    Args:
        env: Steps of it are watched; nothing that it returns is changed.
        directory: Of the mp4 files ``episode-000000.mp4``; None: none are written. A file that an
            end of the learner, or its reset, cut short is called ``episode-000000-cut.mp4``.
        tensorboard: A run of TensorBoard, to which each episode is written as an animated GIF
            (TensorBoard shows no videos) of at most 64 frames, with return and length; None: none.
        views: `EpisodeView`, or numbers of rows.
        every_nth_episode: 1 makes a video of each episode, 10 of the first, the 11th, ...
        track_rewards: Whether reward and return are written below pictures.
        size: Height and width in pixels in which each picture is shown.
        fps: Frames (steps) per second; None: ``env.metadata["render_fps"]``, else 30.

    Raises:
        ImportError: A package of the extra ``video`` is missing.
        SpecError: An argument is wrong; a view names an array that the batch does not hold (said
            by the first `step` or `reset` that is recorded).
    """

    def __init__(
        self,
        env: Any,
        directory: str | os.PathLike[str] | None = "videos",
        *,
        tensorboard: str | os.PathLike[str] | None = None,
        views: Sequence[EpisodeView | int] = (0,),
        every_nth_episode: int = 1,
        track_rewards: bool = True,
        size: tuple[int, int] = (256, 256),
        fps: float | None = None,
    ) -> None:
        super().__init__(env)
        if every_nth_episode < 1:
            raise SpecError(f"every_nth_episode {every_nth_episode}, expected at least 1")
        if directory is None and tensorboard is None:
            raise SpecError("no place for videos, expected directory= or tensorboard=")
        if min(size) < 16:
            raise SpecError(f"size {size}, expected a height and a width of at least 16 pixels")
        _check_packages("PIL", *(["imageio_ffmpeg"] if directory is not None else []))
        _check_packages(*(["tensorboard"] if tensorboard is not None else []))
        self._directory = None if directory is None else Path(directory)
        self._board = None if tensorboard is None else Board(Path(tensorboard))
        self._tracks = [Track(v if isinstance(v, EpisodeView) else EpisodeView(v)) for v in views]
        self._every, self._tells_rewards, self._size = every_nth_episode, track_rewards, size
        self._fps = float(fps or env.metadata.get("render_fps") or DEFAULT_FPS)
        self._recording: Recording | None = None
        self._check_views()

    @classmethod
    def of_uerl(
        cls,
        env: Any,
        config: UEEnvConfig,
        directory: str | os.PathLike[str] | None = "videos",
        *,
        world: int = 0,
    ) -> EpisodeRenderer:
        """Wrap ``uerl_shm.uerl.vec_env(config)`` as its ``episode_renderer_config`` asks.

        ``step_count`` is left aside: steps are counted here, and TensorBoard's step is the number
        of the episode.

        Args:
            env: Of `uerl_shm.uerl.vec_env`, or a wrapper of it.
            config: The same configuration.
            directory: As of this class.
            world: Which of the engines is shown.

        Raises:
            SpecError: There are no views, or one names what is not there.
        """
        views = views_of_uerl(config, world)
        asked = config.episode_renderer_config
        assert asked is not None
        board = None
        if asked.tensorboard_logdir is not None:
            board = Path(asked.tensorboard_logdir, asked.tensorboard_trial_name or "")
        return cls(
            env,
            directory,
            tensorboard=board,
            views=views,
            every_nth_episode=asked.render_every_nth_episode,
            track_rewards=asked.track_rewards,
            size=asked.base_image_shape[:2],
            fps=config.launch_settings.tickfps,
        )

    def _check_views(self) -> None:
        spec = getattr(self.env.unwrapped, "_spec", None)  # of a VecEnv
        groups = {group.name: group for group in getattr(spec, "groups", ())}
        if not self._tracks:
            raise SpecError("views are empty, expected at least one")
        for view in (track.view for track in self._tracks):
            if (len(groups) > 1 or view.group is not None) and view.group not in groups:
                raise SpecError(
                    f"view of row {view.row} names group {view.group!r}, expected one of "
                    f"{', '.join(groups) or 'none: this env has no groups'}"
                )
            agents = groups[view.group].agents if view.group and len(groups) > 1 else 1
            if not 0 <= view.row < self.num_envs * agents:
                raise SpecError(
                    f"view of row {view.row}, expected a row from 0 to {self.num_envs * agents - 1}"
                )
        self._groups = groups if len(groups) > 1 else {}
        self._names = {
            name: (next(iter(group.observation)), next(iter(group.action)))
            for name, group in groups.items()
        }

    def __getattr__(self, name: str) -> Any:
        """Return what the env has beside the contract of Gymnasium."""
        if name.startswith("_") or name == "env":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.env, name)

    # Stepping -----------------------------------------------------------------------------------

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset as the env does; episodes begin in the rows that are reset."""
        mask = (options or {}).get("reset_mask")  # which Gymnasium's own envs take out
        observation, info = self.env.reset(seed=seed, options=options)
        batch = Batch(observation, None, None, None, info)
        is_reset = [self._was_reset(track, mask) for track in self._tracks]
        if is_reset[0]:
            self._finish(cut=not self._tracks[0].ended)
        for track, reset in zip(self._tracks, is_reset, strict=True):
            if reset:
                track.begin()
        if is_reset[0]:
            self._record(batch, begins=True)
        return observation, info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step as the env does."""
        result = self.env.step(actions)
        self._follow(Batch(*result, action=actions))
        return result  # type: ignore[no-any-return]

    def recv(self, *args: Any, **kwargs: Any) -> Any:
        """Receive as `VecEnv.recv` does."""
        result = cast(Any, self.env).recv(*args, **kwargs)
        where = {int(env_id): place for place, env_id in enumerate(result.env_ids)}
        self._follow(
            Batch(
                result.observation,
                result.reward,
                result.terminated,
                result.truncated,
                result.info,
                where=where,
            )
        )
        return result

    def close(self, **kwargs: Any) -> None:
        """Finish the video, and close the env."""
        self._finish(cut=True)
        if self._board is not None:
            self._board.close()
            self._board = None
        super().close(**kwargs)

    def _was_reset(self, track: Track, mask: Any) -> bool:
        if mask is None:
            return True
        agents = self._groups[track.view.group].agents if track.view.group in self._groups else 1
        return bool(mask[track.view.row // agents])

    def _place(self, track: Track, batch: Batch) -> int | None:
        """Return where a view's row stands in a batch; None if it is not part of it."""
        row = track.view.row
        if batch.where is None:
            return row
        agents = self._groups[track.view.group].agents if track.view.group in self._groups else 1
        place = batch.where.get(row // agents)
        return None if place is None else place * agents + row % agents

    def _part(self, track: Track, value: Any) -> Any:
        """Return the part of a view's group."""
        if value is None or track.view.group not in self._groups:
            return value
        return value[track.view.group]

    def _follow(self, batch: Batch) -> None:
        """Count a step of every view's row; add a frame where the first one is recorded."""
        first_ends = False
        begins = False
        for track in self._tracks:
            place = self._place(track, batch)
            if place is None:
                continue
            done = any(
                bool(self._part(track, flag)[place]) for flag in (batch.terminated, batch.truncated)
            )
            valid = self._part(track, batch.info).get("valid")
            if valid is not None and not valid[place]:
                track.ended |= done
            elif track.ended:
                track.begin()
                begins |= track is self._tracks[0]
            else:
                track.count(float(self._part(track, batch.reward)[place]))
                track.ended = done
            first_ends |= done and track is self._tracks[0]
        if self._place(self._tracks[0], batch) is not None:
            self._record(batch, begins)
        if first_ends:
            self._finish(cut=False)
        if self.metadata.get("autoreset_mode") == AutoresetMode.SAME_STEP:
            self._begin_at_once(batch)

    def _begin_at_once(self, batch: Batch) -> None:
        """Begin the episodes whose first observation came with the last step of others."""
        for track in self._tracks:
            place = self._place(track, batch)
            if track.ended and place is not None and "final_obs" in self._part(track, batch.info):
                mask = self._part(track, batch.info)["_final_obs"]
                if mask[place]:
                    track.begin()
                    if track is self._tracks[0]:
                        self._record(batch, begins=True)

    # Recording ----------------------------------------------------------------------------------

    def _record(self, batch: Batch, begins: bool) -> None:
        """Add a frame; begin a video before it where one is due."""
        episode = self._tracks[0].episode
        if begins and episode % self._every == 0:
            self._recording = Recording(
                episode,
                None if self._directory is None else Video(self._path(episode, ""), self._fps),
                None if self._board is None else Clip(),
            )
        if self._recording is None:
            return
        for track in self._tracks:
            place = self._place(track, batch)
            if place is not None or track.panel is None:
                track.panel = self._panel(track, batch, place)
        panels = [track.panel for track in self._tracks if track.panel is not None]
        self._add(drawing.compose(panels, self._size))

    def _path(self, episode: int, ending: str) -> Path:
        assert self._directory is not None
        return self._directory / f"episode-{episode:06d}{ending}.mp4"

    def _panel(self, track: Track, batch: Batch, place: int | None) -> drawing.Panel:
        """Return what a frame shows of a view whose row stands at ``place``, if anywhere."""
        view = track.view
        title = view.title or f"env {view.row}"
        lines = [f"episode {max(track.episode, 0)}   step {track.steps}"]
        if self._tells_rewards:
            lines.append(f"reward {track.reward:+.3g}   return {track.total:.4g}")
        if place is None:
            black = np.zeros((*self._size, 3), np.uint8)
            return drawing.Panel(title, black, None, (*lines, *("" for _ in view.texts)))
        row = self._row(track, batch, place)
        inset = None if view.inset is None else row.picture(view.inset)
        lines += [row.text(name) for name in view.texts]
        return drawing.Panel(title, row.picture(view.image), inset, tuple(lines))

    def _row(self, track: Track, batch: Batch, place: int) -> Row:
        info = self._part(track, batch.info)
        observation = row_of(self._part(track, batch.observation), place)
        seen = row_of(info, place)
        if track.ended and "final_obs" in info and info["_final_obs"][place]:
            observation = row_of(info["final_obs"], place)  # the other one is of the next episode
            seen |= row_of(info.get("final_info", {}), place)
        single = self._names.get(track.view.group or next(iter(self._names), ""))
        action = row_of(self._part(track, batch.action), place)
        return Row(observation, seen, action, single or ("observation", "action"))

    def _add(self, frame: Any) -> None:
        recording = self._recording
        assert recording is not None
        if recording.clip is not None:
            recording.clip.add(frame)
        if recording.video is not None:
            try:
                recording.video.add(frame)
            except OSError as error:
                self._give_up(recording, error)

    def _give_up(self, recording: Recording, error: OSError) -> None:
        """Go on without this video: training is worth more."""
        assert recording.video is not None
        warnings.warn(
            f"video {recording.video.path} is given up, expected ffmpeg to write it: {error}",
            stacklevel=5,
        )
        recording.video.discard()
        recording.video = None

    def _finish(self, cut: bool) -> None:
        """End the video of the first view's episode, if there is one."""
        recording, self._recording = self._recording, None
        if recording is None:
            return
        for track in self._tracks:
            track.panel = None
        if recording.video is not None:
            try:
                recording.video.close()
                if cut:
                    recording.video.path.replace(self._path(recording.episode, "-cut"))
            except OSError as error:
                self._give_up(recording, error)
        if recording.clip is not None and self._board is not None and not cut:
            first = self._tracks[0]
            numbers = {"episode/return": first.total, "episode/length": float(first.steps)}
            self._board.add(recording.clip, self._fps, numbers, recording.episode)


def _check_packages(*names: str) -> None:
    """Raise ImportError if a package is missing, before the first episode needs it."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ImportError(
                f"package {name} is not installed, expected by EpisodeRenderer: "
                'pip install "uerl_shm[video]"'
            )
