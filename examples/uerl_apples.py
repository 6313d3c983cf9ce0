"""UERL's configuration, PPO's learner, and shared memory between them: collect apples.

    python examples/uerl_apples.py                 # options as of train_ppo.py

A configuration as UERL has it; what is new are the imports and the last line. It trains the bundled
scene, whose arrays are a camera and two numbers; in a packaged game of yours, executable_path and
map_name are the game's, and the actuator is RobotMovementActuatorConfig or your own.
"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass

import episodes
import gymnasium
import numpy as np
import torch
import train_ppo

import uerl_shm
from uerl_shm import uerl
from uerl_shm.uerl import (
    ActuatorConfig,
    AgentConfig,
    CameraSensorConfig,
    PickupRewarderConfig,
    RenderType,
    StepCounterTerminatorConfig,
    UEAgent,
    UEEnvConfig,
    UELaunchSettings,
)

OUT = "runs/uerl_apples"


class RobotAgent(UEAgent):
    """The robot that collects apples."""


@dataclass
class MoveActuatorConfig(ActuatorConfig):
    """Speed and turn, each from -1 to 1: the agent's action_space is its array."""

    ue_class_name = "move"


camera = CameraSensorConfig(
    name="camera", attach_to_comp_name="CameraComp", width=42, height=42, fov=70
)
agent = AgentConfig(
    agent_id="Agent1",
    python_class=RobotAgent,
    agent_ue_class="/CybertoothML/Agents/RobotAgent/BP_RobotAgent.BP_RobotAgent_C",
    spawn_point_name="Agent1",
    observation_space=gymnasium.spaces.Box(0, 255, (42, 42, 3), np.uint8),
    action_space=gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32),
    sensor_configs=[camera],
    actuator_configs=[MoveActuatorConfig(name="move")],
    rewarder_configs=[PickupRewarderConfig(name="apples_reward")],
    terminator_configs=[StepCounterTerminatorConfig(name="my_step_terminator", max_step_count=350)],
    infos_configs=[],
)
launch_settings = UELaunchSettings(
    map_name="apples", render_type=RenderType.NO_RENDER, executable_path="uerl-sim"
)
ue_conf = UEEnvConfig(launch_settings, [agent], None)


def main(argv: list[str] | None = None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    args = train_ppo.parse_args(["--scene", "apples", "--out", OUT, *given])
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    print(f"to play it yourself, in the engine's console: {ue_conf.get_ue_human_mode_command()}")
    options = {"output": "torch", "slots": 2 * args.num_steps + 2}
    result: dict[str, float] = {}
    with closing(uerl.vec_env(ue_conf, args.num_envs, **options)) as env:
        run = train_ppo.Run(args, env)
        try:
            print(f"training under UERL's configuration, writing to {run.out}", flush=True)
            run.train()
            print(run.describe())
            result = train_ppo.evaluate(run)
        except KeyboardInterrupt:
            print(f"interrupted: go on with --resume {run.out / 'checkpoint.pt'}")
        finally:
            run.close(result)
    if not result:
        return 130
    missed = episodes.shortfalls(args.scene, result)
    sys.stderr.writelines(f"{text}\n" for text in missed)
    numbers = [f"{n}={v:.2f}" if isinstance(v, float) else f"{n}={v}" for n, v in result.items()]
    print("RESULT", *numbers, flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except uerl_shm.UerlError as error:
        sys.exit(f"uerl_apples.py: {error}")
