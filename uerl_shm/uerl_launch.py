"""From UERL's launch settings to a command line."""

from __future__ import annotations

import shlex
from pathlib import Path

from uerl_shm import spec_checks as checks
from uerl_shm.errors import SpecError
from uerl_shm.uerl_configs import RenderType, UELaunchSettings

#: The bundled simulator takes a scene as its map, and none of the engine's arguments.
BUNDLED = "uerl-sim"


def launch_arguments(settings: UELaunchSettings) -> list[str]:
    """Return the engine's arguments: UERL's without its websocket, with a fixed time step.

    UERL sets the time step through its websocket; here it stands in the arguments, so that it holds
    from the first frame on.

    Raises:
        SpecError: ``tickfps`` or the window is less than 1, or there is no such render type.
    """
    render_type = settings.render_type
    if not isinstance(render_type, RenderType):
        known = ", ".join(kind.name for kind in RenderType)
        raise SpecError(
            f"launch_settings.render_type {render_type!r}, expected a RenderType: {known}"
        )
    width = checks.checked_integer("launch_settings.window_res_x", settings.window_res_x, 1, 65535)
    height = checks.checked_integer("launch_settings.window_res_y", settings.window_res_y, 1, 65535)
    tickfps = checks.checked_integer("launch_settings.tickfps", settings.tickfps, 1, 1_000_000)
    arguments = ["-unattended"]
    if render_type is RenderType.NO_RENDER:
        arguments += ["-nullrhi", "-onethread", "-NoVSync", "-ReduceThreadUsage"]
    else:
        arguments += ["-WINDOWED", f"-ResX={width}", f"-ResY={height}"]
    if render_type is RenderType.GPU_OFF_SCREEN:
        arguments.append("-RenderOffscreen")
    if settings.no_sound:
        arguments.append("-nosound")
    return [*arguments, "-UseFixedTimeStep", f"-FPS={tickfps}"]


def command(settings: UELaunchSettings) -> list[str] | None:
    """Return the argv of one engine; None where engines attach by themselves.

    Raises:
        SpecError: A setting is wrong, or names a websocket.
    """
    address = settings.specific_ip_port
    if address and address[1] != -1:
        raise SpecError(
            f"launch_settings.specific_ip_port {address!r}, expected ('', -1): "
            "engines share memory with the learner; for one that runs already leave "
            "executable_path empty, give vec_env(..., name=NAME) and start it with -UerlShm=NAME"
        )
    if not settings.executable_path:
        return None
    try:
        program = shlex.split(settings.executable_path)
    except ValueError as error:
        raise SpecError(
            f"launch_settings.executable_path {settings.executable_path!r} is no command line: "
            f"{error}"
        ) from None
    level = [settings.map_name] if settings.map_name else []
    if program and Path(program[0]).name == BUNDLED:
        return [*program, *level]
    return [*program, *level, *launch_arguments(settings)]
