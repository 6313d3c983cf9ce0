"""The bundled scenes under gymnasium's names: ``gymnasium.make_vec("uerl_shm/Apples-v0", ...)``.

``import uerl_shm`` registers them; ``"uerl_shm:uerl_shm/Apples-v0"`` imports it on the way.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import gymnasium

if TYPE_CHECKING:
    from uerl_shm.env import Env
    from uerl_shm.vec_env import VecEnv

#: Scene to whether it can be made as a single env, too: it has one agent and obeys its seed.
SCENES = {"apples": True, "basic": True, "gather": False, "probe": False, "tennis": False}


def make_vec_env(scene: str, num_envs: int = 1, arguments: str = "", **options: Any) -> VecEnv:
    """Make a `VecEnv` of a bundled scene.

    Args:
        scene: A key of `SCENES`.
        num_envs: As of `VecEnv`.
        arguments: Further arguments of ``uerl-sim``, such as ``"--frame 84x84"``.
        **options: As of `VecEnv`.
    """
    from uerl_shm.vec_env import VecEnv

    return VecEnv(_command(scene, arguments), num_envs, **options)


def make_env(scene: str, arguments: str = "", **options: Any) -> Env:
    """Make an `Env` of a bundled scene; the arguments are those of `make_vec_env`."""
    from uerl_shm.env import Env

    return Env(_command(scene, arguments), **options)


def _command(scene: str, arguments: str) -> list[str]:
    return ["uerl-sim", scene, *shlex.split(arguments)]


def register() -> None:
    """Register every scene with gymnasium, but for those that are registered already."""
    for scene, is_single in SCENES.items():
        name = f"uerl_shm/{scene.capitalize()}-v0"
        if name not in gymnasium.registry:
            gymnasium.register(
                name,
                entry_point=f"{__name__}:make_env" if is_single else None,
                vector_entry_point=f"{__name__}:make_vec_env",
                kwargs={"scene": scene},
            )
