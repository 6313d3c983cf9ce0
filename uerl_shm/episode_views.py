"""What of a batch a video shows: views, and the arrays that they name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uerl_shm.errors import SpecError
from uerl_shm.pictures import kind_of, picture_shape, to_pictures
from uerl_shm.uerl import RendererViewConfig, UEEnvConfig, agent_groups

__all__ = ["EpisodeView", "Row", "row_of", "views_of_uerl"]


@dataclass(frozen=True)
class EpisodeView:
    """One picture of a video: what one row of the batch sees.

    Arrays go by their names in the batch: ``"camera"``, or with their role where an observation,
    an info and an action have one name: ``"observation/camera"``, ``"info/spectator"``,
    ``"action/move"``.

    Attributes:
        row: Of the batch; of its group's batch where there are several groups. With several agents
            in each world it is ``world * agents + agent``.
        image: Array of the picture, ``(height, width[, channels])`` or channels first. None: the
            observation, or the first array of it that is a picture.
        title: Written above; empty: ``"env ROW"``.
        group: Name of the row's group; needed where there are several.
        inset: Array of a second picture, drawn small in a corner; None: there is none.
        texts: Arrays whose values are written below.
    """

    row: int = 0
    image: str | None = None
    title: str = ""
    group: str | None = None
    inset: str | None = None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """The arrays of one row as a step returned them.

    Attributes:
        observation: An array, or arrays by name.
        info: Arrays by name.
        action: As observation; None where none led here.
        single: Names of the observation and of the action where they are arrays without a name.
    """

    observation: Any
    info: Mapping[str, Any]
    action: Any
    single: tuple[str, str]

    def picture(self, name: str | None) -> NDArray[np.uint8]:
        """Return a picture, ``(height, width, 3)``, a copy.

        Raises:
            SpecError: There is no such array, or it is no picture.
        """
        array = _newest(_as_numpy(self._first_picture() if name is None else self._value(name)))
        if picture_shape(array.shape) is None:
            raise SpecError(
                f"array {name or 'observation'!r} has shape {array.shape}, expected a picture: "
                "(height, width) or (height, width, channels)"
            )
        pictures, _ = to_pictures(array[None], kind_of(name or "", array.dtype, array.shape))
        return np.array(pictures[0])

    def text(self, name: str) -> str:
        """Return values in words, such as ``"speed 0.25 -1"``; empty for actions after a reset.

        Raises:
            SpecError: There is no such array; not said after a reset, when there are no actions.
        """
        try:
            values = np.ravel(_as_numpy(self._value(name)))
        except SpecError:
            if self.action is None:
                return ""
            raise
        shown = " ".join(f"{value:.3g}" for value in values[:6].tolist())
        return f"{name.rpartition('/')[2]} {shown}{' ...' if values.size > 6 else ''}"

    def _first_picture(self) -> Any:
        if not isinstance(self.observation, Mapping):
            return self.observation
        for array in self.observation.values():
            if picture_shape(_newest(_as_numpy(array)).shape) is not None:
                return array
        raise SpecError(
            f"observations {', '.join(self.observation)} hold no picture, expected one: name the "
            "array that shows one (EpisodeView(image=...))"
        )

    def _value(self, name: str) -> Any:
        found = dict(self._named())
        for role in ("observation", "info", "action"):
            for key in (name, f"{role}/{name}"):
                if key in found:
                    return found[key]
        raise SpecError(f"array {name!r} is unknown, expected one of {', '.join(found)}")

    def _named(self) -> Iterator[tuple[str, Any]]:
        parts = (self.observation, self.info, self.action)
        names = (self.single[0], "", self.single[1])
        for role, name, part in zip(("observation", "info", "action"), names, parts, strict=True):
            if isinstance(part, Mapping):
                yield from ((f"{role}/{key}", array) for key, array in part.items())
            elif part is not None:
                yield f"{role}/{name}", part


def row_of(part: Any, place: int) -> Any:
    """Return one row of an array, or of arrays by name; masks and nested dicts are left out."""
    if part is None or not isinstance(part, Mapping):
        return None if part is None else part[place]
    return {
        key: array[place]
        for key, array in part.items()
        if not key.startswith("_") and not isinstance(array, Mapping)
    }


def _as_numpy(value: Any) -> NDArray[Any]:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _newest(array: NDArray[Any]) -> NDArray[Any]:
    """Return the last picture of stacked ones, which have more channels than a picture has."""
    if array.ndim != 3 or array.shape[2] <= 4 or min(array.shape[:2]) <= 4:
        return array
    return array[..., -3:] if array.shape[2] % 3 == 0 else array[..., -1:]


def views_of_uerl(config: UEEnvConfig, world: int) -> list[EpisodeView]:
    """Return the views of UERL's ``episode_renderer_config``, for one world of the batch.

    Raises:
        SpecError: There is none; a view names an agent, or a component of a picture, that the
            agent does not have.

    Warns:
        UserWarning: A text is of a component that has no array here, such as a rewarder.
    """
    if config.episode_renderer_config is None or not config.episode_renderer_config.views:
        raise SpecError(
            "episode_renderer_config has no views, expected one: UEEnvConfig(..., "
            "EpisodeRendererConfig([RendererViewConfig(...)]))"
        )
    groups = agent_groups(config)
    return [
        _view_of(config, view, f"episode_renderer_config.views[{index}]", groups, world)
        for index, view in enumerate(config.episode_renderer_config.views)
    ]


def _view_of(
    config: UEEnvConfig,
    view: RendererViewConfig,
    path: str,
    groups: Mapping[str, list[str]],
    world: int,
) -> EpisodeView:
    group = next((name for name, ids in groups.items() if view.agent_id in ids), None)
    if group is None:
        raise SpecError(
            f"{path}.agent_id {view.agent_id!r} is unknown, expected one of "
            f"{', '.join(config.get_all_agent_ids())}"
        )
    agent = config.agent_configs[config.get_all_agent_ids().index(view.agent_id)]
    arrays = {part.name: f"observation/{part.name}" for part in agent.sensor_configs}
    arrays |= {part.name: f"info/{part.name}" for part in agent.infos_configs}
    pictures = dict(arrays)
    arrays |= {part.name: f"action/{part.name}" for part in agent.actuator_configs}
    for name in (view.base_image_comp, view.obs_image_comp):
        if name is not None and name not in pictures:
            raise SpecError(
                f"{path} shows component {name!r}, expected a sensor or an info of agent "
                f"{view.agent_id!r}: one of {', '.join(pictures)}"
            )
    texts = view.display_texts_components or []
    for name in texts:
        if name not in arrays:
            warnings.warn(
                f"{path} writes component {name!r}, expected a sensor, an info or an actuator: "
                "others have no array here, and the text is left out",
                stacklevel=4,
            )
    ids = groups[group]
    return EpisodeView(
        world * len(ids) + ids.index(view.agent_id),
        pictures[view.base_image_comp],
        view.title,
        group if len(groups) > 1 else None,
        None if view.obs_image_comp is None else pictures[view.obs_image_comp],
        tuple(arrays[name] for name in texts if name in arrays),
    )
