"""Every kind of part that UERL has, with numbers that were worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from uerl_support import LOCATION, STEP_CM, make_env, step

from uerl_shm import uerl

TURN = 75.0 / 20  # a robot's, in degrees a step
LATE = ["-ShimReadbackUs=3000"]  # pictures come so much later, at most


def test_rotation_is_sine_and_cosine(engine):
    sensors = [
        uerl.RotationSensorConfig(name="yaw", zero_centered=True),
        uerl.RotationSensorConfig(name="all", only_z=False, zero_centered=True),
        uerl.RotationSensorConfig(name="shares", only_z=False),
    ]
    with make_env(engine, *sensors, start="Tilted") as env:
        observation, _ = env.reset(seed=0)
        pitch, yaw, roll = (math.radians(angle) for angle in (30, 90, -60))
        pairs = [f(angle) for angle in (pitch, yaw, roll) for f in (math.sin, math.cos)]
        assert np.allclose(observation["yaw"][0], [1, 0], atol=1e-6)
        assert np.allclose(observation["all"][0], pairs, atol=1e-6)
        assert np.allclose(observation["shares"][0], (np.array(pairs) + 1) / 2, atol=1e-6)
        observation = step(env, "right")[0]
        yaw += math.radians(TURN)
        assert np.allclose(observation["yaw"][0], [math.sin(yaw), math.cos(yaw)], atol=1e-6)


def test_locations_are_centimetres_or_shares_of_a_room(engine):
    shares = uerl.LocationSensorConfig(
        name="shares",
        normalise=True,
        minimum_location=uerl.FVector(-60, -100, -200),
        maximum_location=uerl.FVector(60, 300, 200),
    )
    with make_env(engine, LOCATION, shares) as env:
        observation, _ = env.reset(seed=0)
        assert observation["location"][0].tolist() == [0, 0, 0]
        assert np.allclose(observation["shares"][0], [0.5, 0.25, 0.5])
        step(env, "forward")
        for share in (1.0, 1.0):  # 60 cm, and no more than 1 beyond
            observation = step(env, "forward")[0]
            assert np.allclose(observation["shares"][0], [share, 0.25, 0.5])
        assert np.allclose(observation["location"][0], [3 * STEP_CM, 0, 0], atol=1e-3)


def test_velocities_are_shares_of_the_greatest(engine):
    sensors = [
        uerl.VelocitySensorConfig(name="shares"),  # the stand-in's characters: 600 cm/s
        uerl.VelocitySensorConfig(name="of_500", max_velocity_from_cmc=False),
        uerl.VelocitySensorConfig(name="of_800", max_velocity=800, max_velocity_from_cmc=False),
        uerl.VelocitySensorConfig(name="from_0", zero_centered=False),
        uerl.VelocitySensorConfig(name="raw", should_normalise=False),
    ]
    expected = {
        "shares": [-1, 0, 0.7],  # back at 600, up at 420
        "of_500": [-1, 0, 0.84],
        "of_800": [-0.75, 0, 0.525],
        "from_0": [0, 0.5, 0.85],
        "raw": [-600, 0, 420],
    }
    with make_env(engine, *sensors) as env:
        env.reset(seed=0)
        observation = step(env, "back", "jump")[0]
        for name, values in expected.items():
            assert np.allclose(observation[name][0], values, atol=1e-5), name


def test_keys_that_oppose_each_other_do_nothing(engine):
    with make_env(engine, LOCATION, uerl.RotationSensorConfig(name="yaw")) as env:
        first, _ = env.reset(seed=0)
        first = {name: rows.copy() for name, rows in first.items()}
        last = step(env, "forward", "back", "left", "right")[0]
        for name, rows in first.items():
            assert np.array_equal(last[name], rows)


def test_jump_is_held_until_it_is_let_go_and_by_no_reset(engine):
    with make_env(engine, LOCATION) as env:
        env.reset(seed=0)
        heights = [step(env, key)[0][0, 2] for key in ("jump", "jump", "nothing")]
        assert np.allclose(heights, [21, 42, 42], atol=1e-4)  # 420 cm/s
        assert env.reset(seed=0)[0][0, 2] == 0
        assert step(env, "nothing")[0][0, 2] == 0


def wall_distance(degrees):
    """From the origin to the wall's front at x = 965 cm, which is 1000 cm wide."""
    reach = 965 / math.cos(math.radians(degrees)) if abs(degrees) < 90 else math.inf
    return reach if abs(reach * math.sin(math.radians(degrees))) <= 500 else 3700.0


def test_rays_of_a_fan_are_where_uerl_has_them(engine):
    angles = [36.0 / 5 * (ray - 2) for ray in range(5)]  # half_angle 18
    distances = np.array([wall_distance(angle) for angle in angles])
    sensors = [
        uerl.DistanceTracerSensorConfig(name="near", num_traces=5, half_angle=18),
        uerl.DistanceTracerSensorConfig(
            name="far", num_traces=5, half_angle=18, should_normalise=False, invert_values=False
        ),
        uerl.DistanceTracerSensorConfig(name="default"),
        uerl.DistanceTracerSensorConfig(
            name="moved", num_traces=1, invert_values=False, should_normalise=False,
            location=uerl.FVector(100, 0, 20), rotation=uerl.FRotator(0, 20, 0),
        ),
    ]  # fmt: skip
    with make_env(engine, *sensors) as env:
        observation, _ = env.reset(seed=0)
        assert np.allclose(observation["near"][0], 1 - distances / 3700, atol=1e-5)
        assert np.allclose(observation["far"][0], distances, atol=1e-2)
        default = [wall_distance(18.0 * (ray - 5)) for ray in range(10)]
        assert np.allclose(observation["default"][0], 1 - np.array(default) / 3700, atol=1e-5)
        moved = 865 / math.cos(math.radians(20))
        assert np.allclose(observation["moved"][0], moved, atol=1e-2)


@pytest.mark.parametrize("autoreset_mode", ["NextStep", "SameStep"])
def test_frames_are_stacked_oldest_first_and_filled_at_a_reset(engine, autoreset_mode):
    def tracer(name, frames, shaped=False):
        return uerl.DistanceTracerSensorConfig(
            name, num_traces=2, half_angle=10, should_normalise=False, invert_values=False,
            frame_stack_size=frames, output_stacked_shape=shaped,
        )  # fmt: skip

    sensors = [tracer("flat", 3), tracer("shaped", 3, True)]
    ends = [uerl.StepCounterTerminatorConfig(name="steps", max_step_count=4)]
    slant = math.cos(math.radians(10))

    def rays(step_number):
        ahead = 965 - STEP_CM * step_number
        return [ahead / slant, ahead]

    def check(flat, shaped, numbers):
        frames = np.array([rays(number) for number in numbers])
        assert np.allclose(flat, frames.reshape(-1), atol=1e-2), numbers
        assert np.allclose(shaped, frames.T, atol=1e-2), numbers

    with make_env(engine, *sensors, terminators=ends, autoreset_mode=autoreset_mode) as env:
        observation, _ = env.reset(seed=0)
        expected = [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [0, 0, 0], [0, 0, 1], [0, 1, 2]]
        if autoreset_mode == "SameStep":
            del expected[3]  # it is the final observation, and the next episode's first is there
        check(observation["flat"][0], observation["shaped"][0], [0, 0, 0])
        for index, numbers in enumerate(expected):
            observation, _, _, _, info = step(env, "forward")
            check(observation["flat"][0], observation["shaped"][0], numbers)
            if autoreset_mode == "SameStep" and index == 3:
                final = info["final_obs"]
                final = final if isinstance(final, dict) else final[0]
                flat = np.asarray(final["flat"]).reshape(-1)
                check(flat, np.asarray(final["shaped"]).reshape(2, 3), [2, 3, 4])


@pytest.mark.parametrize("use_gpu", [False, True])
def test_pictures_are_stacked_oldest_first_wherever_they_are_drawn(engine, use_gpu):
    def camera(name, frames, **more):
        size = {"width": 16, "height": 9, "use_gpu": use_gpu, "frame_stack_size": frames}
        return uerl.CameraSensorConfig(name, "CameraComp", **size, **more)

    sensors = [camera("plain", 1), camera("stack", 3), camera("gray", 2, grayscale=True)]
    ends = [uerl.StepCounterTerminatorConfig(name="steps", max_step_count=5)]
    with make_env(engine, *sensors, terminators=ends, words=LATE) as env:
        observation, _ = env.reset(seed=0)
        frames = [observation["plain"][0].copy()] * 3
        seen = {frames[0].tobytes()}
        for number in range(12):
            assert observation["stack"].shape == (1, 9, 16, 9)
            assert observation["gray"].shape == (1, 9, 16, 2)
            assert np.array_equal(observation["stack"][0], np.concatenate(frames, axis=-1))
            observation, _, _, truncated, _ = step(env, "right")
            newest = observation["plain"][0].copy()
            seen.add(newest.tobytes())
            began = number % 6 == 5  # the step after the fifth resets
            frames = [newest] * 3 if began else [*frames[1:], newest]
            assert truncated[0] == (number % 6 == 4)
        assert len(seen) > 3


def test_rewarders_pay_what_uerl_pays(engine):
    place = uerl.FVector(400, 300, 0)
    aslant = uerl.FVector(1, 1, 0)
    for rewarder, pay in [
        (
            uerl.TargetDistanceRewarderConfig(name="near", target_location=place),
            lambda n: 0.03 * (math.hypot(430 - 30 * n, 300) - math.hypot(400 - 30 * n, 300)),
        ),
        (
            uerl.WorldDirectionRewarderConfig(name="aslant", direction=aslant),
            lambda n: 0.03 * STEP_CM / math.sqrt(2),
        ),
        # The robot's front is 50 cm ahead, the apples' 185 and 395 cm away.
        (uerl.PickupRewarderConfig(name="apples"), lambda n: 1.0 if n in (5, 12) else 0.0),
    ]:
        with make_env(engine, LOCATION, rewarders=[rewarder]) as env:
            env.reset(seed=0)
            paid = [step(env, "forward")[1][0] for _ in range(14)]
            assert np.allclose(paid, [pay(number) for number in range(1, 15)], atol=1e-5)


def test_a_hit_is_paid_for_and_ends_the_episode(engine):
    hits = [uerl.OnHitRewarderConfig(name="hits", on_hit_reward=-2.5)]
    ends = [uerl.OnHitTerminatorConfig(name="ends")]
    with make_env(engine, LOCATION, rewarders=hits, terminators=ends) as env:
        env.reset(seed=0)
        for number in range(1, 32):  # the wall is met in step 31: 915 cm are free
            _, reward, terminated, truncated, _ = step(env, "forward")
            assert reward[0] == (-2.5 if number == 31 else 0)
            assert terminated[0] == (number == 31)
            assert not truncated[0]


def test_an_episode_ends_when_no_actor_of_a_class_is_left(engine):
    apples = [uerl.PickupRewarderConfig(name="apples")]
    ends = [uerl.ActorsOfClassFinishedTerminatorConfig("eaten", actors_class_to_check="GameApple")]
    with make_env(engine, LOCATION, rewarders=apples, terminators=ends) as env:
        env.reset(seed=0)
        for _ in range(2):  # a reset brings them back
            ended = [step(env, "forward")[2][0] for _ in range(13)]
            assert ended == [False] * 11 + [True, False]


def test_sensors_may_stand_among_infos(engine):
    camera = uerl.SpectatorCameraConfig("spectator", "CameraComp", width=8, height=4)
    frames = uerl.SpectatorCameraConfig("frames", "CameraComp", width=8, height=4)
    frames.frame_stack_size = 2
    with make_env(engine, LOCATION, infos=[camera, frames, LOCATION]) as env:
        _, info = env.reset(seed=0)
        assert info["spectator"].shape == (1, 4, 8, 3)
        assert info["frames"].shape == (1, 4, 8, 6)
        info = step(env, "forward")[4]
        assert np.allclose(info["location"][0], [STEP_CM, 0, 0], atol=1e-3)
        assert np.array_equal(info["frames"][0][..., 3:], info["spectator"][0])
