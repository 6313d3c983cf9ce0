"""Bad input: every error names what was found, what was expected and the remedy; nothing hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import gymnasium
import numpy as np
import pytest

import uerl_shm
from uerl_shm.errors import (
    LayoutMismatch,
    SegmentExists,
    SegmentFull,
    SimulatorLost,
    SpecError,
    StepTimeout,
)

PROBE = "uerl-sim probe --observation state:float32:4 --action move:float32:2"
DISCRETE = "uerl-sim basic"


@pytest.fixture
def env():
    env = uerl_shm.VecEnv(PROBE, num_envs=2)
    yield env
    env.close()


def actions(rows=2, dtype=np.float32):
    return np.zeros((rows, 2), dtype)


def leftovers(name):
    return [path for path in os.listdir("/dev/shm") if name in path]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (np.zeros((3, 2), np.float32), r"has shape \(3, 2\), expected \(2, 2\)"),
        (np.zeros((2, 3), np.float32), r"has shape \(2, 3\), expected \(2, 2\)"),
        (np.zeros(2, np.float32), r"has shape \(2,\), expected \(2, 2\)"),
        (np.array([["a", "b"]] * 2), "kind 'U', expected float32"),
        (np.zeros((2, 2), np.complex64), "kind 'c', expected float32"),
        (np.array([[0, 0], [0, np.nan]], np.float32), "is NaN in row 1, expected a number"),
        (np.array([[0, 0], [0, np.nan]]), "is NaN in row 1, expected a number"),
    ],
)
def test_wrong_actions_are_refused_and_the_next_step_works(env, bad, text):
    env.reset(seed=0)
    with pytest.raises(SpecError, match=text):
        env.step(bad)
    assert env.step(actions())[4]["step"].tolist() == [1, 1]


def test_a_scalar_action_is_a_type_error(env):
    env.reset(seed=0)
    with pytest.raises(TypeError, match="is a scalar, expected an array with 2 rows"):
        env.step(0.5)


def test_lists_and_wider_floats_are_accepted(env):
    env.reset(seed=0)
    assert env.step([[0.0, 1.0], [0.5, 0.5]])[4]["step"].tolist() == [1, 1]
    assert env.step(actions(dtype=np.float64))[4]["step"].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ([3, 0], "is 3 in row 0, expected 0 to 2"),
        ([0, -1], "is -1 in row 1, expected 0 to 2"),
        ([0.0, 1.0], "kind 'f', expected int64"),
    ],
)
def test_choices_out_of_range_are_refused(bad, text):
    env = uerl_shm.VecEnv(DISCRETE, num_envs=2)
    try:
        env.reset(seed=0)
        with pytest.raises(SpecError, match=text):
            env.step(np.array(bad))
        env.step(np.array([1, 2], np.int32))
    finally:
        env.close()


def test_a_step_before_the_first_reset_is_refused(env):
    with pytest.raises(SpecError, match="stepped before its first reset, expected reset"):
        env.step(actions())


def test_a_call_after_close_says_so(env):
    env.close()
    for call in (lambda: env.step(actions()), env.reset, env.recv, env.stats):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match="closed env"):
            call()
    env.close()


def test_a_step_on_pending_rows_is_refused_and_recv_gets_their_result(env):
    env.reset(seed=0)
    env.send(actions())
    with pytest.raises(SpecError, match=r"lane 0 is pending, expected idle rows: .*recv"):
        env.step(actions())
    assert env.recv().info["step"].tolist() == [1, 1]


def test_recv_with_nothing_pending_is_refused(env):
    env.reset(seed=0)
    with pytest.raises(SpecError, match="without a pending row, expected send"):
        env.recv()


@pytest.mark.parametrize("ids", [[0, 0], [2], [-1], []])
def test_unknown_or_repeated_env_ids_are_refused(env, ids):
    env.reset(seed=0)
    with pytest.raises(SpecError, match="expected"):
        env.send(actions(len(ids)), env_ids=ids)


def test_ids_that_split_a_simulator_are_refused():
    env = uerl_shm.VecEnv(PROBE, num_envs=4, envs_per_simulator=2)
    try:
        env.reset(seed=0)
        with pytest.raises(SpecError, match="expected all 2 of each simulator named"):
            env.send(actions(1), env_ids=[0])
    finally:
        env.close()


def test_a_spec_that_does_not_match_the_simulators_names_both_sides():
    spec = uerl_shm.EnvSpec.single(
        {"state": uerl_shm.ArraySpec.box(-1, 1, (5,), "float32")},
        {"move": uerl_shm.ArraySpec.box(-1, 1, (2,), "float32")},
    )
    with pytest.raises(LayoutMismatch, match=r"learner's spec"):
        uerl_shm.VecEnv(PROBE, num_envs=1, spec=spec)


def test_a_name_in_use_is_refused_and_its_owner_goes_on(env):
    env.reset(seed=0)
    with pytest.raises(SegmentExists, match="in use by a living learner: choose another name"):
        uerl_shm.VecEnv(PROBE, num_envs=2, name=env.segment_name)
    assert env.step(actions())[4]["step"].tolist() == [1, 1]


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "x" * 65, "sp ace", "ä"])
def test_names_that_unreal_could_not_map_are_refused(name):
    with pytest.raises(SpecError, match=r"segment name .* is not allowed, expected 1 to 64"):
        uerl_shm.VecEnv(PROBE, num_envs=1, name=name)


def test_a_segment_larger_than_dev_shm_is_refused_before_anything_starts():
    spec = uerl_shm.EnvSpec.single(
        uerl_shm.ArraySpec.image(4096, 4096, 3), uerl_shm.ArraySpec.discrete(2)
    )
    with pytest.raises(SegmentFull, match=r"needs \d+ bytes, /dev/shm has \d+ free .*sizeLimit"):
        uerl_shm.VecEnv(num_envs=4096, spec=spec, startup_timeout_s=1)


def test_a_command_that_does_not_exist_is_refused():
    with pytest.raises(SimulatorLost, match="no-such-engine"):
        uerl_shm.VecEnv("no-such-engine", num_envs=1)


def test_a_simulator_that_exits_at_once_shows_its_last_lines(tmp_path):
    script = tmp_path / "engine.sh"
    script.write_text("#!/bin/sh\necho 'cannot find the map Arena'\nexit 3\n")
    script.chmod(0o755)
    uerl_shm.VecEnv(PROBE, num_envs=1).close()
    spec = uerl_shm.EnvSpec.single(
        uerl_shm.ArraySpec.box(-1, 1, (4,), "float32"), uerl_shm.ArraySpec.discrete(2)
    )
    began = time.monotonic()
    with pytest.raises(SimulatorLost, match=r"(?s)exit code 3.*cannot find the map Arena"):
        uerl_shm.VecEnv(str(script), num_envs=2, spec=spec)
    assert time.monotonic() - began < 60


def test_simulators_that_never_attach_are_named():
    spec = uerl_shm.EnvSpec.single(
        uerl_shm.ArraySpec.box(-1, 1, (4,), "float32"), uerl_shm.ArraySpec.discrete(2)
    )
    with pytest.raises(StepTimeout, match=r"0 of 2 simulators attached .* missing: lane 0, 1"):
        uerl_shm.VecEnv(num_envs=2, spec=spec, startup_timeout_s=0.3)


def test_no_spec_and_nobody_to_ask_is_refused():
    with pytest.raises(SpecError, match="no spec and no simulator to ask"):
        uerl_shm.VecEnv(num_envs=2)


def test_a_second_simulator_on_a_taken_lane_is_refused(env):
    uerl_sim = os.path.join(os.path.dirname(uerl_shm.__file__), "bin", "uerl-sim")
    command = [uerl_sim, *PROBE.split()[1:], "--name", env.segment_name, "--lane", "1"]
    command += ["--attach-timeout-s", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "lane 1" in done.stderr and "taken by another simulator" in done.stderr
    env.reset(seed=0)
    assert env.step(actions())[4]["step"].tolist() == [1, 1]


def test_a_simulator_with_other_arrays_is_refused_and_names_the_array():
    spec = uerl_shm.EnvSpec.single(
        {"state": uerl_shm.ArraySpec.box(-1, 1, (4,), "float32")},
        {"move": uerl_shm.ArraySpec.box(-1, 1, (3,), "float32")},
    )
    with pytest.raises(LayoutMismatch, match=r"action/move is float32 \(3\).*float32 \(2\)"):
        uerl_shm.VecEnv(PROBE, num_envs=2, spec=spec)


def test_options_that_are_too_long_or_no_json_are_refused(env):
    with pytest.raises(SpecError, match=r"reset options have \d+ bytes as JSON, expected at most"):
        env.reset(options={"level": "x" * 5000})
    with pytest.raises(SpecError, match="are not JSON"):
        env.reset(options={"level": object()})
    env.reset(options={"level": "small"})


@pytest.mark.parametrize(
    ("mask", "error", "text"),
    [
        ([True, False], TypeError, "must be a numpy array, got"),
        (np.array([True]), ValueError, r"must have shape `\(2,\)`, got \(1,\)"),
        (np.array([1, 0]), TypeError, "must have `dtype=np.bool_`, got int64"),
        (np.array([False, False]), ValueError, "at least one True value"),
    ],
)
def test_wrong_reset_masks_are_refused(env, mask, error, text):
    env.reset(seed=0)
    with pytest.raises(error, match=text):
        env.reset(options={"reset_mask": mask})


@pytest.mark.parametrize("seed", ["7", 1.5, -1, [1], [1, "2"], [1, -2], 2**63])
def test_wrong_seeds_are_refused(env, seed):
    with pytest.raises(ValueError, match="expected"):
        env.reset(seed=seed)


def test_seeds_of_every_allowed_kind_reach_the_simulators(env):
    for seed, expected in (
        (5, [5, 6]),
        (np.int64(5), [5, 6]),
        ([7, 3], [7, 3]),
        (np.array([7, 3]), [7, 3]),
        ([None, 4], [7, 4]),  # probe repeats the last seed it was given
        (None, [7, 4]),
    ):
        assert env.reset(seed=seed)[1]["seed"].tolist() == expected


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_envs": 0},
        {"num_envs": 3, "envs_per_simulator": 2},
        {"num_envs": 2, "slots": 1},
        {"num_envs": 2, "autoreset_mode": "Sometimes"},
        {"num_envs": 2, "output": "jax"},
        {"num_envs": 2, "device": "cpu"},
        {"num_envs": 2, "on_death": "ignore"},
        {"num_envs": 2, "min_valid": 3},
        {"num_envs": 2, "min_valid": -1},
        {"num_envs": 2, "timeout_s": -1},
        {"num_envs": 2, "timeout_s": float("nan")},
        {"num_envs": 2, "render_mode": "human"},
        {"num_envs": 2, "render_mode": "rgb_array"},
        {"num_envs": 2, "shm_mode": 0o400},
        {"num_envs": 2, "shm_group": "no-such-group"},
        {"num_envs": 2, "run_as_user": "no-such-user"},
        {"num_envs": 2, "parameters": {"gravity": 9.8}},
    ],
)
def test_wrong_arguments_are_refused_and_leave_nothing_behind(arguments):
    before = set(os.listdir("/dev/shm"))
    with pytest.raises((SpecError, uerl_shm.UerlError), match="expected"):
        uerl_shm.VecEnv(PROBE, **arguments)
    assert set(os.listdir("/dev/shm")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_a_simulator_of_another_user_is_refused_before_it_starts():
    with pytest.raises(SpecError, match=r"cannot open a segment .* shm_group= .* shm_mode=0o660"):
        uerl_shm.VecEnv(PROBE, num_envs=1, run_as_user="nobody")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_a_simulator_of_another_user_steps_when_the_group_is_shared():
    env = uerl_shm.VecEnv(
        PROBE, num_envs=1, run_as_user="nobody", shm_group="nogroup", shm_mode=0o660
    )
    try:
        env.reset(seed=0)
        assert env.step(actions(1))[4]["step"].tolist() == [1]
        status = os.stat(f"/dev/shm/{env.segment_name}")
        assert status.st_mode & 0o777 == 0o660
    finally:
        env.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_a_simulator_that_may_not_open_the_segment_names_both_users():
    spec = uerl_shm.EnvSpec.single(
        {"state": uerl_shm.ArraySpec.box(-1, 1, (4,), "float32")},
        {"move": uerl_shm.ArraySpec.box(-1, 1, (2,), "float32")},
    )
    command = f"setpriv --reuid=65534 --regid=65534 --clear-groups {PROBE}"
    with pytest.raises(SimulatorLost, match=r"belongs to uid 0 .* uid 65534 .* shm_group="):
        uerl_shm.VecEnv(command, num_envs=1, spec=spec)


def test_ctrl_c_interrupts_a_wait_and_the_step_can_be_received_later():
    code = f"""
import os, signal, threading, time, uerl_shm, numpy as np
env = uerl_shm.VecEnv("{PROBE} --wait-us 3000000", num_envs=1)
try:
    env.send  # attached
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    try:
        env.reset(seed=0)
    except KeyboardInterrupt:
        assert time.monotonic() - began < 2.0
        print("interrupted", env.recv().info["step"].tolist())
finally:
    env.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "interrupted [0]", done.stderr
