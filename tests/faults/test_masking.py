"""A simulator that is lost or late costs its own rows, once truncated, and nobody else's."""

from __future__ import annotations

import logging
import signal

import numpy as np
import pytest

from faults.conftest import hurt, pid_of, step, step_until_valid, valid_of
from processes import eventually, is_alive
from support.bundled import MODES, UERL_SIM, random_actions
from uerl_shm import SimulatorLost

LOST = 2  # the lane that is hurt
OTHERS = [0, 1, 3]


@pytest.mark.parametrize("mode", MODES)
def test_lost_rows_repeat_the_last_valid_ones_and_the_others_go_on(make, mode):
    env = make(on_death="mask", autoreset_mode=mode)
    env.reset(seed=0)
    before = step(env)[0].copy()
    hurt(env, LOST, signal.SIGKILL)
    for number in range(5):
        observation, reward, terminated, truncated, info = step(env)
        assert valid_of(info) == [True, True, False, True]
        assert np.array_equal(observation[LOST], before[LOST])
        assert not np.array_equal(observation[OTHERS], before[OTHERS])
        assert (reward[LOST], terminated[LOST]) == (0, False)
        assert truncated.tolist() == [False, False, number == 0, False]
        assert ("lost" in info) == (number == 0)
        assert (info["step"][OTHERS] == number + 2).all()
        if number == 0:
            assert info["_lost"].tolist() == [False, False, True, False]
            assert "simulator of lane 2 (env 2) is gone" in info["lost"][LOST]
            if mode == "SameStep":
                assert np.array_equal(info["final_obs"][LOST], before[LOST])
    stats = env.stats()
    assert (stats["lost"], stats["copied_batches"], stats["gathered_rows"]) == (1, 0, 0)


@pytest.mark.parametrize("mode", MODES)
def test_restarted_simulator_is_taken_back_and_its_envs_are_reset(make, mode):
    env = make(autoreset_mode=mode)
    env.reset(seed=0)
    for _ in range(10):
        step(env)
    old = pid_of(env, LOST)
    hurt(env, LOST, signal.SIGKILL)
    _, _, _, truncated, info = step(env)
    assert truncated[LOST]
    _, reward, terminated, truncated, info = step_until_valid(env)
    assert (reward[LOST], terminated[LOST], truncated[LOST]) == (0, False, False)
    assert info["step"][LOST] == 0
    assert (info["step"][OTHERS] > 10).all()
    assert step(env)[4]["step"][LOST] == 1
    assert pid_of(env, LOST) != old


@pytest.mark.parametrize("mode", MODES)
def test_late_simulator_is_masked_at_the_deadline_and_taken_back(make, mode):
    env = make(autoreset_mode=mode, step_deadline_s=0.3)
    env.reset(seed=0)
    before = step(env)[0].copy()
    hurt(env, LOST, signal.SIGSTOP)
    for number in range(20):
        observation, _, _, truncated, info = step(env)
        assert valid_of(info) == [True, True, False, True]
        assert np.array_equal(observation[LOST], before[LOST])
        assert truncated.tolist() == [False, False, number == 0, False]
    hurt(env, LOST, signal.SIGCONT)
    info = step_until_valid(env)[4]
    assert info["episode"].tolist() == [0, 0, 1, 0]
    stats = env.stats()
    assert (stats["late"], stats["lost"], stats["discarded"]) == (1, 0, 1)


def test_batch_of_the_step_in_which_one_is_late_does_not_change_when_it_writes(make):
    env = make(step_deadline_s=0.2, slots=8)
    env.reset(seed=0)
    step(env)
    hurt(env, LOST, signal.SIGSTOP)
    kept = [step(env)[0] for _ in range(3)]
    copies = [batch.copy() for batch in kept]
    hurt(env, LOST, signal.SIGCONT)
    step_until_valid(env)
    for _ in range(20):
        step(env)
    for batch, copy in zip(kept, copies, strict=True):
        assert np.array_equal(batch, copy)


def test_all_envs_and_agents_of_a_lost_simulator_are_masked(make):
    env = make(
        8, f"{UERL_SIM} probe --agents 2 --episode-steps 0", envs_per_simulator=2, on_death="mask"
    )
    env.reset(seed=0)
    step(env)
    hurt(env, 1, signal.SIGKILL)
    _, _, _, truncated, info = step(env)
    assert valid_of(info) == [True] * 4 + [False] * 4
    assert truncated.tolist() == [False] * 4 + [True] * 4
    assert "(envs 2 to 3)" in info["lost"][4]


def test_lost_simulator_in_send_and_recv(make):
    env = make(on_death="mask")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    env.send(random_actions(env, rng))
    hurt(env, LOST, signal.SIGKILL)
    seen = set()

    def lost_is_seen() -> bool:
        batch = env.recv(min_envs=1)
        seen.update(zip(batch.env_ids.tolist(), valid_of(batch.info), strict=True))
        env.send(random_actions(env, rng)[: len(batch.env_ids)], batch.env_ids)
        return (LOST, False) in seen

    assert eventually(lost_is_seen)
    env.recv()
    assert seen >= {(0, True), (1, True), (3, True)}


def test_rollout_leaves_out_what_no_simulator_made(make):
    env = make(on_death="restart", slots=2 * 8 + 2)
    env.reset(seed=0)
    for _ in range(3):
        with env.rollout(8) as rollout:
            for number in range(8):
                if number == 3:
                    hurt(env, LOST, signal.SIGKILL)
                step(env)
        assert rollout.in_segment
        valid = rollout.valid[:, LOST]
        assert not valid[3]
        assert valid[:3].all()
        assert rollout.valid[:, OTHERS].all()
        assert rollout.truncated[3, LOST] or not rollout.valid[2, LOST]
        assert (rollout.reward[~rollout.valid] == 0).all()
        del rollout, valid
        step_until_valid(env)


def test_raise_raises_and_names_lane_exit_and_log(make):
    env = make(on_death="raise")
    env.reset(seed=0)
    hurt(env, LOST, signal.SIGKILL)
    with pytest.raises(
        SimulatorLost, match=r"lane 2 is gone[\s\S]*signal 9 \(SIGKILL\)[\s\S]*log:"
    ):
        step(env)


def test_warning_names_lane_envs_command_exit_step_and_log(make, caplog):
    env = make(on_death="mask")
    env.reset(seed=0)
    step(env)
    hurt(env, LOST, signal.SIGKILL)
    with caplog.at_level(logging.WARNING, "uerl_shm"):
        step(env)
        assert eventually(lambda: "lane-2.log" in caplog.text)
    for part in ("lane 2 (env 2)", "command 3", "SIGKILL", "uerl-sim probe", "lane-2.log"):
        assert part in caplog.text


def test_too_few_valid_rows_raise_when_nobody_comes_back(make):
    env = make(2, on_death="mask", min_valid=2)
    env.reset(seed=0)
    hurt(env, 0, signal.SIGKILL)
    step(env)
    with pytest.raises(SimulatorLost, match="1 rows have a living simulator, expected at least"):
        step(env)


def test_a_step_waits_for_a_restart_when_too_few_rows_are_valid(make):
    env = make(1)
    env.reset(seed=0)
    for _ in range(3):
        hurt(env, 0, signal.SIGKILL)
        assert valid_of(step(env)[4]) == [False]
        assert valid_of(step(env)[4]) == [True]


def test_reset_waits_for_a_restart_when_nobody_is_there(make):
    env = make(1)
    env.reset(seed=0)
    hurt(env, 0, signal.SIGKILL)
    assert valid_of(env.reset(seed=1)[1]) == [True]


def test_restarts_end_after_max_restarts(make, caplog):
    env = make(2, max_restarts=2)
    env.reset(seed=0)
    for _ in range(2):
        hurt(env, 1, signal.SIGKILL)
        step(env)
        step_until_valid(env)
    hurt(env, 1, signal.SIGKILL)
    step(env)
    assert eventually(lambda: "started 2 times in 10 minutes" in caplog.text)
    assert not eventually(lambda: valid_of(step(env)[4])[1], 1.0)


def test_late_simulator_is_killed_after_kill_after_s_and_started_again(make):
    env = make(step_deadline_s=0.1, kill_after_s=0.2)
    env.reset(seed=0)
    old = pid_of(env, LOST)
    hurt(env, LOST, signal.SIGSTOP)
    step(env)
    step_until_valid(env)
    assert not is_alive(old)
    assert pid_of(env, LOST) != old


def test_reset_of_a_masked_row_brings_its_last_observation(make):
    env = make(on_death="mask", autoreset_mode="Disabled")
    env.reset(seed=0)
    before = step(env)[0].copy()
    hurt(env, LOST, signal.SIGKILL)
    _, _, _, truncated, _ = step(env)
    observation, info = env.reset(options={"reset_mask": truncated})
    assert valid_of(info) == [True, True, False, True]
    assert np.array_equal(observation[LOST], before[LOST])
    assert valid_of(env.reset(seed=3)[1]) == [True, True, False, True]
    assert valid_of(step(env)[4]) == [True, True, False, True]
