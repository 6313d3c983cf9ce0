"""Calls that are begun and waited for: their order, their results, their timeouts."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
import time
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError

from support.gym_envs import Counter, Misbehaving, Speaker, Words
from support.vector_envs import OURS, logged
from uerl_shm import HostedVectorEnv, SpecError, StepTimeout

SLEEP = Misbehaving.SLEEP


def test_call_returns_what_methods_return_and_attributes_are(make):
    envs = make("hosted", [Counter] * 3)
    envs.reset()
    envs.step([0, 0, 0])
    assert envs.call("add", 10, second=5) == (16, 16, 16)
    assert envs.call("last") == envs.get_attr("last") == (3, 3, 3)
    assert len({os.getpid(), *envs.call("pid")}) == 4


def test_set_attr_takes_one_value_or_one_for_each_env(make):
    envs = make("hosted", [Counter] * 3)
    envs.set_attr("last", [4, 5, 6])
    assert envs.get_attr("last") == (4, 5, 6)
    envs.set_attr("last", 9)
    assert envs.get_attr("last") == (9, 9, 9)
    with pytest.raises(ValueError, match="Got `2` values for 3"):
        envs.set_attr("last", [1, 2])


def test_render_returns_a_picture_of_each_env(make):
    envs = make("hosted", [partial(Counter, render_mode="rgb_array")] * 2)
    assert envs.render_mode == "rgb_array"
    envs.reset()
    envs.step([0, 0])
    pictures = envs.render()
    assert isinstance(pictures, tuple)
    assert [picture.shape for picture in pictures] == [(4, 6, 3)] * 2
    assert (pictures[0] == 1).all()


def test_large_arguments_and_results_of_calls_arrive_whole(make):
    envs = make("hosted", [Counter] * 2)
    numbers = np.arange(500_000)
    envs.set_attr("numbers", [numbers, numbers + 1])
    first, second = envs.get_attr("numbers")
    assert (first == numbers).all()
    assert (second == numbers + 1).all()


@pytest.mark.parametrize("name", ["reset", "step", "close", "_setattr", "_check_spaces"])
def test_what_has_a_method_of_its_own_cannot_be_called(make, name):
    envs = make("hosted", [Counter])
    text = f"Trying to call function `{name}` with `call`, use `{name}` directly instead."
    with pytest.raises(ValueError, match=re.escape(text)):
        envs.call(name)
    assert envs.call("last") == (3,)


def test_calls_between_begin_and_end_are_refused_by_gymnasiums_errors(make):
    envs = make("hosted", [Counter] * 2)
    begin = {
        "reset": envs.reset_async,
        "step": lambda: envs.step_async([0, 0]),
        "call": lambda: envs.call_async("last"),
    }
    end = {"reset": envs.reset_wait, "step": envs.step_wait, "call": envs.call_wait}
    for name in begin:
        text = f"Calling `{name}_wait` without any prior call to `{name}_async`."
        with pytest.raises(NoAsyncCallError, match=text) as error:
            end[name]()
        assert error.value.name == name
    for pending in begin:
        begin[pending]()
        for name in begin:
            text = f"Calling `{name}_async` while waiting for a pending call to `{pending}`"
            with pytest.raises(AlreadyPendingCallError, match=text) as raised:
                begin[name]()
            assert raised.value.name == pending
            if name != pending:
                with pytest.raises(NoAsyncCallError):
                    end[name]()
        with pytest.raises(AlreadyPendingCallError, match="`set_attr` while waiting"):
            envs.set_attr("last", 1)
        end[pending]()


def test_every_call_after_close_is_a_closed_environment_error(make):
    envs = make("hosted", [Counter] * 2)
    envs.reset()
    envs.close()
    envs.close()
    calls = [
        envs.reset,
        envs.reset_async,
        envs.reset_wait,
        envs.step_wait,
        envs.call_wait,
        envs.render,
        envs.stats,
        partial(envs.step, [0, 0]),
        partial(envs.step_async, [0, 0]),
        partial(envs.call, "last"),
        partial(envs.set_attr, "last", 1),
        partial(getattr, envs, "np_random"),
    ]
    for call in calls:
        with pytest.raises(ClosedEnvironmentError, match=r"after a call to `close\(\)`"):
            call()


# Timeouts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OURS)
def test_a_step_that_timed_out_is_waited_for_again_and_nothing_shifts(make, kind):
    envs = make(kind, [Misbehaving] * 3)
    envs.reset()
    for count in range(1, 4):
        envs.step_async([0, SLEEP, 0])
        for _ in range(3):
            with pytest.raises(multiprocessing.TimeoutError) as error:
                envs.step_wait(timeout=0.02)
            assert isinstance(error.value, StepTimeout)
            assert isinstance(error.value, TimeoutError)
            assert str(error.value) == "The call to `step_wait` has timed out after 0.02 second(s)."
        observation, rewards, *_ = envs.step_wait(timeout=20)
        assert observation.tolist() == [count] * 3
        assert rewards.tolist() == [count] * 3
    assert envs.step([0, 0, 0])[0].tolist() == [4, 4, 4]


def test_a_reset_that_timed_out_is_waited_for_again(make):
    envs = make("hosted", [Misbehaving] * 2)
    envs.reset_async(options={"sleep_s": 0.3})
    with pytest.raises(StepTimeout, match="`reset_wait` has timed out"):
        envs.reset_wait(timeout=0)
    assert envs.reset_wait()[0].tolist() == [0, 0]


def test_a_call_that_timed_out_is_waited_for_again(make):
    envs = make("hosted", [Misbehaving] * 2)
    envs.call_async("sleep", 0.3)
    with pytest.raises(StepTimeout, match="`call_wait` has timed out"):
        envs.call_wait(timeout=0.01)
    assert envs.call_wait() == (0.3, 0.3)
    assert envs.call("count") == (0, 0)


@pytest.mark.parametrize("kind", OURS)
def test_a_reset_gives_up_a_step_that_timed_out(make, kind):
    envs = make(kind, [Misbehaving] * 2)
    envs.reset()
    envs.step_async([SLEEP, 0])
    with pytest.raises(StepTimeout):
        envs.step_wait(timeout=0.02)
    with pytest.raises(AlreadyPendingCallError):
        envs.step_async([0, 0])
    assert envs.reset()[0].tolist() == [0, 0]
    assert envs.get_attr("count") == (0, 0)
    assert envs.step([0, 0])[0].tolist() == [1, 1]


def test_a_reset_gives_up_a_call_that_timed_out(make):
    envs = make("hosted", [Misbehaving] * 2)
    envs.call_async("sleep", 0.3)
    with pytest.raises(StepTimeout):
        envs.call_wait(timeout=0.01)
    assert envs.reset()[0].tolist() == [0, 0]
    assert envs.call("sleep", 0.0) == (0.0, 0.0)


class Talkative(Misbehaving):
    """Reports more at each step than a socket holds."""

    def step(self, action):
        return (*super().step(action)[:4], {"count": self.count, "much": np.zeros(400_000)})


def test_a_large_info_that_nobody_waited_for_is_dropped_and_blocks_nothing(make):
    envs = make("hosted", [Talkative] * 2)
    envs.reset()
    envs.step_async([SLEEP, SLEEP])
    with pytest.raises(StepTimeout):
        envs.step_wait(timeout=0.02)
    assert envs.reset()[1] == {}
    info = envs.step([0, 0])[4]
    assert info["count"].tolist() == [1, 1]


def test_an_interrupt_leaves_the_step_pending_and_the_envs_alive(make):
    envs = make("hosted", [Misbehaving] * 2)
    envs.reset()
    envs.step_async([SLEEP, SLEEP])
    threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        envs.step_wait()
    assert envs.step_wait()[0].tolist() == [1, 1]


# Making -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver", None])
def test_env_functions_may_be_closures_in_every_context(make, context):
    length = 0.75

    def with_pole():
        env = gym.make("CartPole-v1")
        env.unwrapped.length = length
        return env

    envs = make("hosted", [with_pole, lambda: gym.make("CartPole-v1")], context=context)
    assert envs.reset(seed=1)[0].shape == (2, 4)
    assert envs.get_attr("length") == (0.75, 0.5)
    assert envs.step([0, 1])[1].tolist() == [1.0, 1.0]


def test_a_custom_space_goes_as_messages(make):
    envs = make("hosted_pickled", [Speaker] * 3)
    assert isinstance(envs.single_action_space, Words)
    assert envs.reset()[0] == ("begin",) * 3
    observation, rewards, terminated, *_ = envs.step(("one", "end", "three"))
    assert observation == ("heard one", "heard end", "heard three")
    assert rewards.tolist() == [1.0] * 3
    assert terminated.tolist() == [False, True, False]
    assert envs.step(("x", "y", "z"))[0] == ("heard x", "begin", "heard z")


def test_a_custom_space_raises_gymnasiums_error_with_shared_memory(make):
    said = []
    for kind in ("async", "hosted"):
        with pytest.raises(ValueError, match="you can disable this feature") as error:
            make(kind, [Speaker])
        said.append(str(error.value))
    assert said[0] == said[1]


class Busy(Misbehaving):
    """Notes when its steps began and ended."""

    def step(self, action):
        begin = time.monotonic()
        time.sleep(0.05)
        return (*super().step(action)[:4], {"begin": begin, "end": time.monotonic()})


@pytest.mark.parametrize("most", [1, 2])
def test_max_concurrency_limits_how_many_envs_step_at_once(make, most):
    envs = make("hosted", [Busy] * 4, max_concurrency=most)
    envs.reset()
    info = envs.step([0] * 4)[4]
    overlaps = [
        sum(
            begin <= info["begin"][i] < end
            for begin, end in zip(info["begin"], info["end"], strict=True)
        )
        for i in range(4)
    ]
    assert max(overlaps) <= most
    assert envs.max_concurrency == most


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.5, "must be an integer or None, got"),
        ("2", "must be an integer or None, got"),
        (0, "must be a positive or None, got 0"),
        (-1, "must be a positive or None, got -1"),
    ],
)
def test_a_wrong_max_concurrency_raises_gymnasiums_error(value, text):
    with pytest.raises(ValueError, match=text):
        HostedVectorEnv([Counter], max_concurrency=value)


def test_a_worker_is_refused(make):
    with pytest.raises(SpecError, match=r"worker .* expected None: .* wrap the envs instead"):
        HostedVectorEnv([Counter], worker=lambda *args: None)


def test_close_warns_of_a_pending_call_as_gymnasium_does(make):
    envs = make("hosted", [Counter] * 2)
    envs.reset()
    envs.step_async([0, 0])
    with logged() as said:
        envs.close()
    assert len(said) == 1
    assert "Calling `close` while waiting for a pending call to `step` to complete." in said[0]
