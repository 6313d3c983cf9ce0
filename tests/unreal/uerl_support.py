"""What tests of UERL's configurations share: one robot with parts, and the keys it is moved by."""

from __future__ import annotations

import contextlib

import numpy as np

import uerl_shm
from uerl_shm import uerl

ROBOT = "/CybertoothML/Agents/RobotAgent/BP_RobotAgent.BP_RobotAgent_C"
STEP_CM = 600.0 / 20  # a pawn's way in a tick of 20 a second
KEYS = {"nothing": [0, 0, 0, 0, 0], "forward": [1, 0, 0, 0, 0], "back": [0, 1, 0, 0, 0]}
KEYS |= {"right": [0, 0, 1, 0, 0], "left": [0, 0, 0, 1, 0], "jump": [0, 0, 0, 0, 1]}
LOCATION = uerl.LocationSensorConfig(name="location", normalise=False)


def make_env(
    engine, *sensors, rewarders=(), terminators=(), infos=(), start="Agent1", words=(), **options
):
    """One robot with keys and these parts; ``words`` are for the stand-in."""
    agent = uerl.AgentConfig(
        "Agent1", uerl.UEAgent, ROBOT, start, None, None, list(sensors),
        [uerl.RobotMovementActuatorConfig(name="keys")], list(rewarders), list(terminators),
        list(infos),
    )  # fmt: skip
    settings = uerl.UELaunchSettings("CollectApplesMap", uerl.RenderType.GPU_OFF_SCREEN)
    settings.executable_path = str(engine)
    config = uerl.UEEnvConfig(settings, [agent], None)
    options |= {"spec": uerl.env_spec(config), "engine": uerl.engine_config(config)}
    command = [*uerl.command(settings), *words]
    return contextlib.closing(uerl_shm.VecEnv(command, 1, startup_timeout_s=20, **options))


def step(env, *keys):
    """Hold keys for one step."""
    return env.step(np.array([np.sum([KEYS[key] for key in keys], axis=0)]))
