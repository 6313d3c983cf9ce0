"""A simulator whose frames say which way is up, which env this is, and which step.

    python marker_simulator.py [NUM_STEPS [WAIT_S]]

Episodes of lane l have NUM_STEPS + l steps (12 by default), each worth a reward of 0.5; a step
takes WAIT_S seconds.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 32, 48
RED, GREEN, BLUE = (220, 30, 30), (30, 200, 30), (40, 60, 230)
BAR = (250, 240, 90)
GROUNDS = ((90, 90, 90), (150, 110, 60), (60, 120, 130), (120, 60, 120))


def frame(env: int, step: int) -> np.ndarray:
    """Red is up left, green up right, blue down left; a bar moves right by 3 pixels a step."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = GROUNDS[env % len(GROUNDS)]
    picture[:10, :12] = RED
    picture[:10, -12:] = GREEN
    picture[-10:, :12] = BLUE
    left = step % 16 * 3
    picture[14:18, left : left + 3] = BAR
    return picture


def spec():
    from uerl_shm import ArraySpec, EnvSpec

    camera = ArraySpec.image(HEIGHT, WIDTH, 3)
    place = ArraySpec.box(-1000, 1000, (2,))
    return EnvSpec.single(
        {"camera": camera, "place": place},
        {"move": ArraySpec.box(-1, 1, (2,))},
        info={"spectator": camera, "speed": ArraySpec.box(0, 10, ())},
        name="marker",
        render_fps=20,
    )


def run(num_steps: int, wait_s: float) -> None:
    from uerl_shm import Simulator
    from uerl_shm.host import RESET

    step = 0
    with Simulator(spec=spec()) as simulator:
        lane = int(os.environ["UERL_SHM_LANE"])
        for command in simulator:
            if wait_s:
                time.sleep(wait_s)
            step = 0 if command.control(0) == RESET else step + 1
            ended, reward = step == num_steps + lane, 0.5 if step else 0.0
            if ended and simulator.autoreset_mode == "SameStep":
                write(command.final_observation, command.final_info, lane, step)
                step = 0
            write(command.observation, command.info, lane, step)
            command.outcome(0, reward, ended, False)


def write(observation, info, lane: int, step: int) -> None:
    observation["camera"][0] = frame(lane, step)
    observation["place"][0] = (lane, step)
    info["spectator"][0] = 255 - frame(lane, step)
    info["speed"][0] = step / 4


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    given = sys.argv[1:]
    run(int(given[0]) if given else 12, float(given[1]) if len(given) > 1 else 0.0)
