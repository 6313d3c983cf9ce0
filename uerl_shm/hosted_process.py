"""What runs in each simulator process of a HostedVectorEnv: one gymnasium.Env behind one lane."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from uerl_shm.errors import SpecError
from uerl_shm.host import RESET, SKIP, Command, Simulator
from uerl_shm.hosted_channel import Channel, ChannelClosed, packed, unpacked
from uerl_shm.hosted_spaces import FlatSpace, write

SIDE_CHANNEL = "side_channel"  # array that says whether a message goes with the row
_WATCH_S = 1.0  # between two looks whether the learner lives
_GRACE_S = 5.0  # for an env to end by itself when the learner is dead


class Hello(NamedTuple):
    """First message of a simulator: what its env is."""

    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    metadata: dict[str, Any]
    render_mode: str | None


class Attach(NamedTuple):
    """First message to a simulator: where its lane is, and what goes through it."""

    name: str
    lane: int
    observation_in_segment: bool
    action_in_segment: bool


class Request(NamedTuple):
    """A call of the env's method or attribute, or an assignment; goes with a command to skip."""

    tag: int
    kind: str  # "call" or "set"
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Reply(NamedTuple):
    """What came of a request."""

    tag: int
    value: Any


class Note(NamedTuple):
    """What goes with the rows of a step or reset: an observation that no array holds, an info."""

    observation: Any
    info: dict[str, Any]


class Failure(NamedTuple):
    """An exception of the env, and the text of its traceback."""

    error: Exception
    text: str
    tag: int = 0  # of the request


def failure(error: Exception, tag: int = 0) -> Failure:
    """Return an exception in a form that survives the way to the other process."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        if type(unpacked(packed(error))) is not type(error):
            raise TypeError(error)
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    return Failure(error.with_traceback(None), text, tag)


def serve(
    env_fn: Callable[[], gymnasium.Env[Any, Any]],
    sock: socket.socket,
    inherited: Sequence[socket.socket],
    permit: AbstractContextManager[Any] | None,
) -> None:
    """Make an env and answer a learner's commands with it until that one is finished or dead.

    Args:
        env_fn: Makes the env.
        sock: This process's end of the channel.
        inherited: Sockets that a fork brought along and that are not for this process.
        permit: Held while the env steps or resets; None: no limit.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the learner, who ends this process
    for other in inherited:
        other.close()
    learner_lives = _learner_watch()
    threading.Thread(target=_leave_with_learner, args=(learner_lives,), daemon=True).start()
    channel = Channel(sock, learner_lives)
    env = None
    try:
        env = env_fn()
        hello = Hello(env.observation_space, env.action_space, env.metadata, env.render_mode)
        channel.send(packed(hello))
        channel.flush()
        _, attach = channel.wait()
        HostedEnv(env, channel, attach, permit).run()
    except ChannelClosed:
        pass
    except Exception as error:
        with contextlib.suppress(ChannelClosed):
            channel.send(packed(failure(error)))
            channel.flush()
    finally:
        if env is not None:
            env.close()


def _learner_watch() -> Callable[[], bool]:
    learner, parent = multiprocessing.parent_process(), os.getppid()

    def lives() -> bool:
        return os.getppid() == parent and (learner is None or learner.is_alive())

    return lives


def _leave_with_learner(lives: Callable[[], bool]) -> None:
    """End this process some time after the learner, even if the env never returns."""
    while lives():
        time.sleep(_WATCH_S)
    time.sleep(_GRACE_S)
    os._exit(1)


class HostedEnv:
    """Answers the commands of one lane with one env."""

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        channel: Channel,
        attach: Attach,
        permit: AbstractContextManager[Any] | None,
    ) -> None:
        self._env = env
        self._channel = channel
        self._attach = attach
        self._permit = contextlib.nullcontext() if permit is None else permit
        self._observation: FlatSpace | None = None
        self._action: FlatSpace | None = None
        if attach.observation_in_segment:
            self._observation = FlatSpace(env.observation_space, "observation")
        if attach.action_in_segment:
            self._action = FlatSpace(env.action_space, "action")
        self._rows_of_slot: dict[int, list[np.ndarray]] = {}
        self._last_rows: list[np.ndarray] = []

    def run(self) -> None:
        """Answer commands until the learner is finished."""
        with Simulator(self._attach.name, self._attach.lane) as simulator:
            self._same_step = simulator.autoreset_mode == "SameStep"
            for command in simulator:
                if command.control(0) == SKIP:
                    self._answer_request(command)
                else:
                    self._answer(command)

    def _answer(self, command: Command) -> None:
        rows = self._rows(command)
        try:
            note, outcome = self._advance(command, rows)
            payload = b"" if note is None else packed(note)
        except Exception as error:
            for row, last in zip(rows, self._last_rows, strict=False):
                if row is not last:
                    row[...] = last  # the env still is where it was
            payload, outcome = packed(failure(error)), (0.0, False, False)
        command.outcome(0, *outcome)
        command.info[SIDE_CHANNEL][0] = self._channel.num_sent + 1 if payload else 0
        self._last_rows = rows
        if payload:
            self._channel.send(payload)
        command.send()
        # Only now may it block: the learner reads the channel once it has the result.
        self._channel.flush()

    def _advance(
        self, command: Command, rows: list[np.ndarray]
    ) -> tuple[Note | None, tuple[float, bool, bool]]:
        env = self._env
        outcome = (0.0, False, False)
        if command.control(0) == RESET:
            how = {} if command.message is None else self._channel.wait()[1]
            with self._permit:
                observation, info = env.reset(**how)
        else:
            action = self._read_action(command)
            with self._permit:
                observation, reward, terminated, truncated, info = env.step(action)
                outcome = (float(reward), bool(terminated), bool(truncated))
                if self._same_step and (terminated or truncated):
                    final = {"final_info": info, "final_obs": observation}
                    observation, info = env.reset()
                    info = {**final, **info}
        if self._observation is None:
            return Note(observation, info), outcome
        for row, part in zip(rows, self._observation.flat(observation), strict=True):
            write(row, part)
        return (Note(None, info) if info else None), outcome

    def _rows(self, command: Command) -> list[np.ndarray]:
        if self._observation is None:
            return []
        rows = self._rows_of_slot.get(command.slot)
        if rows is None:
            rows = [command.observation[name][0, ...] for name in self._observation.names]
            self._rows_of_slot[command.slot] = rows
        return rows

    def _read_action(self, command: Command) -> Any:
        if self._action is None or command.action[SIDE_CHANNEL][0]:
            return self._channel.wait()[1]
        # A scalar comes out as one; of a row the env gets a copy, which it may keep.
        parts = [command.action[name][0] for name in self._action.names]
        return self._action.nested([np.copy(p) if p.ndim else p for p in parts])

    def _answer_request(self, command: Command) -> None:
        _, request = self._channel.wait()
        try:
            if request.kind == "set":
                self._env.set_wrapper_attr(request.name, request.args[0])
                value = None
            else:
                value = self._env.get_wrapper_attr(request.name)
                if callable(value):
                    value = value(*request.args, **request.kwargs)
            payload = packed(Reply(request.tag, value))
        except Exception as error:
            payload = packed(failure(error, request.tag))
        command.send()
        self._channel.send(payload)
        self._channel.flush()


def check_flat(space: gymnasium.Space[Any], name: str) -> FlatSpace | None:
    """Return the space's arrays, or None when a segment cannot hold it."""
    try:
        return FlatSpace(space, name)
    except SpecError:
        return None
