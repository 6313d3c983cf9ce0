"""A level as a simulator: lockstep, resets, groups, messages, learners that come and go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import uerl_shm

STEP_CM = 600.0 / 30.0  # a pawn's way in one tick at full input


@pytest.fixture
def walk(engine):
    """Two simulators of the level Walk."""
    env = uerl_shm.VecEnv(f"{engine} Walk", 2)
    yield env
    env.close()


def act(*rows):
    return np.array(rows, np.float32)


def test_an_observation_is_what_its_own_action_led_to(walk):
    walk.reset(seed=0)
    for step in range(1, 10):
        observation, reward, *_ = walk.step(act([1.0, 0.0], [0.0, -0.5]))
        location = observation["location"]
        assert np.allclose(location[0], [STEP_CM * step, 0, 0], atol=1e-3)
        assert np.allclose(location[1], [0, -STEP_CM / 2 * step, 0], atol=1e-3)
        assert np.allclose(observation["velocity"][0], [600, 0, 0], atol=1e-3)
        assert np.allclose(observation["distance"][0], 1000 - STEP_CM * step, atol=1e-2)
        assert np.isclose(reward[0], STEP_CM / 100, atol=1e-4)  # metres nearer


def test_a_reset_ticks_nothing_and_puts_the_agent_back(walk):
    walk.reset(seed=0)
    for _ in range(5):
        walk.step(act([1.0, 0.0], [1.0, 0.0]))
    observation, info = walk.reset(seed=1)
    assert np.array_equal(observation["location"], np.zeros((2, 3)))
    assert np.array_equal(observation["velocity"], np.zeros((2, 3)))
    assert np.array_equal(info["episode"], np.zeros((2, 2)))
    observation, *_ = walk.step(act([1.0, 0.0], [1.0, 0.0]))
    assert np.allclose(observation["location"][:, 0], STEP_CM, atol=1e-3)


def test_episodes_are_cut_off_by_the_counter_and_ended_by_the_volume(walk):
    walk.reset(seed=0)
    for step in range(1, 51):
        _, _, terminated, truncated, _ = walk.step(act([0.0, 0.0], [0.0, 0.0]))
        assert truncated.all() == (step == 50)
        assert not terminated.any()
    walk.step(act([0.0, 0.0], [0.0, 0.0]))  # resets
    ends = []
    for _ in range(50):
        _, _, terminated, truncated, _ = walk.step(act([0.0, -1.0], [0.0, -0.9]))
        ends.append((terminated.copy(), truncated.copy()))
    # The volume begins at y = -1500: not reached within 50 ticks of 20 cm.
    assert not any(terminated.any() for terminated, _ in ends)
    assert ends[-1][1].all()


def test_pickups_are_rewarded_once_and_come_back_with_the_reset(walk):
    def find_apple():
        rewards = [walk.step(act([0.0, 1.0], [0.0, 0.0]))[1][0] for _ in range(20)]
        return sum(reward > 0.5 for reward in rewards)

    walk.reset(seed=0)
    assert find_apple() == 1
    assert find_apple() == 0
    walk.reset(seed=0)
    assert find_apple() == 1


def test_hits_cost_what_the_rewarder_says(walk):
    walk.reset(seed=0)
    rewards = [walk.step(act([1.0, 0.0], [0.0, 0.0]))[1][0] for _ in range(49)]
    assert min(rewards) < -9
    assert min(rewards[:44]) > 0  # until the box at 900 cm is met


def test_groups_and_agents_are_rows_in_the_order_of_their_names(engine):
    env = uerl_shm.VecEnv(f"{engine} Teams", 1)
    try:
        assert [(group.name, group.agents) for group in env.spec.groups] == [
            ("blue", 1),
            ("red", 2),
        ]
        observation, _ = env.reset(seed=0)
        assert observation["red"].reshape(-1).tolist() == [0, 0, 0, 0, 1000, 0]
        assert observation["blue"]["location"].reshape(-1).tolist() == [1000, 0, 0]
        blue, red = np.zeros((1, 1, 2), np.float32), np.zeros((1, 2, 2), np.float32)
        red[0, 1] = [1, 0]
        shapes = {name: space.shape for name, space in env.action_space.items()}
        actions = {"blue": blue.reshape(shapes["blue"]), "red": red.reshape(shapes["red"])}
        observation = env.step(actions)[0]
        moved = observation["red"].reshape(2, 3)
        assert np.allclose(moved, [[0, 0, 0], [STEP_CM, 1000, 0]], atol=1e-3)
    finally:
        env.close()


def test_the_engine_s_settings_come_from_the_learner(engine):
    env = uerl_shm.VecEnv(f"{engine} Walk", 1, engine={"training": {"fixed_fps": 10}})
    env.reset(seed=0)
    observation, *_ = env.step(act([1.0, 0.0]))
    env.close()
    assert np.isclose(observation["location"][0, 0], 60.0, atol=1e-3)


@pytest.mark.parametrize(
    ("engine_text", "said"),
    [
        ({"training": {"fixed_fps": -1}}, "expected positive numbers"),
        ({"training": {"speed": 2}}, "'speed', which is unknown"),
        ({"training": 3}, "'training' of another type"),
        ({"agent_configs": {}}, "agent_configs is of another type"),
        ({"agent_configs": [1]}, "entry of another type"),
    ],
)
def test_settings_that_will_not_do_reach_the_learner(engine, engine_text, said):
    with pytest.raises(uerl_shm.errors.UerlError, match=said):
        uerl_shm.VecEnv(f"{engine} Walk", 1, engine=engine_text, startup_timeout_s=20)


def test_a_simulator_that_waits_serves_the_next_learner_too(engine):
    name = f"uerl-test-{os.getpid()}-next"
    spec = uerl_shm.describe.describe(f"{engine} Walk")
    process = subprocess.Popen(
        [engine, "Walk", f"-UerlShm={name}", "-UerlLane=0", "-UerlNextLearnerS=30"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for _ in range(2):
            env = uerl_shm.VecEnv(num_envs=1, spec=spec, name=name, startup_timeout_s=20)
            observation, _ = env.reset(seed=0)
            assert np.array_equal(observation["location"], np.zeros((1, 3)))
            env.step(act([1.0, 0.0]))
            env.close()
    finally:
        process.send_signal(signal.SIGTERM)
        out = process.communicate(timeout=10)[0]
    assert process.returncode == 128 + signal.SIGTERM
    assert out.count(f"serves {name}, lane 0") == 2


def test_a_simulator_leaves_with_its_learner_unless_told_otherwise(engine):
    name = f"uerl-test-{os.getpid()}-leaves"
    spec = uerl_shm.describe.describe(f"{engine} Walk")
    process = subprocess.Popen([engine, "Walk", f"-UerlShm={name}"], stdout=subprocess.PIPE)
    env = uerl_shm.VecEnv(num_envs=1, spec=spec, name=name, startup_timeout_s=20)
    env.reset()
    env.close()
    assert process.wait(10) == 0
    process.stdout.close()


def test_a_level_without_a_learner_plays_as_usual(engine):
    done = subprocess.run(
        [engine, "Walk", "-ShimTicks=5"], capture_output=True, text=True, timeout=20, check=True
    )
    assert "no learner is named" in done.stdout
    assert "ticks=5" in done.stdout


def pids_of(segment_name):
    """Engines that were started for a segment."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "exe").readlink().name != "shim_engine":
                continue
            if f"UERL_SHM_NAME={segment_name}\0".encode() in (folder / "environ").read_bytes():
                yield int(folder.name)


def test_a_killed_engine_is_replaced(walk):
    walk.reset(seed=0)
    pid = min(pids_of(walk.segment_name))
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    seen = False
    while time.monotonic() < deadline:
        info = walk.step(act([0.0, 0.0], [0.0, 0.0]))[4]
        seen = seen or not info["valid"].all()
        if seen and info["valid"].all():
            break
    assert seen
    assert info["valid"].all()


def test_the_spec_is_what_the_level_has(engine):
    spec = json.loads(uerl_shm.describe.describe(f"{engine} Walk").to_json())
    group = spec["groups"][0]
    assert sorted(group["observation"]) == [
        "distance",
        "location",
        "ray_fan",
        "rotation",
        "velocity",
    ]
    assert group["observation"]["ray_fan"]["high"] == 1.0
    assert sorted(group["info"]) == ["episode", "step"]
    assert spec["parameters"] == {"difficulty": 0.5}
    assert spec["name"] == "Walk"


def test_the_screen_shows_the_agent_that_is_asked_for(engine, tmp_path):
    command = [str(engine), "Walk", '-ShimConsole="Uerl.DebugAgent Walker"']
    env = uerl_shm.VecEnv(command, 1, log_dir=tmp_path, annotations=["value"])
    env.reset(seed=0)
    env.annotate(value=[2.5])
    env.step(act([1.0, 0.0]))
    env.close()
    log = "".join(path.read_text() for path in tmp_path.iterdir())
    screen = [line for line in log.splitlines() if line.startswith("Shim: screen ")]
    assert screen[0] == "Shim: screen Walker: step 1, reward 0.200, sum 0.200"
    assert "Shim: screen location 20.00 0.00 0.00" in screen
    assert "Shim: screen distance 980.00" in screen
    assert "Shim: screen movement_input 1.00 0.00" in screen
    assert "Shim: screen learner: value 2.50" in screen
