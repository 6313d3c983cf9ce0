"""What a HostedVectorEnv waits for: rows of its segment, and the messages that go with them.

A call that was waited for in vain stays pending, and waiting can go on where it stopped: no answer
is ever taken for that of another call.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, TypeVar

from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError
from gymnasium.vector import VectorEnv
from gymnasium.vector.async_vector_env import AsyncState

from uerl_shm.errors import SegmentCorrupt, SimulatorLost, StepTimeout, UerlError
from uerl_shm.hosted_family import Family, raise_failures
from uerl_shm.hosted_process import SIDE_CHANNEL, Failure
from uerl_shm.hosted_segment import HostedSegment

_NOTE_S = 60.0  # from a row to the message that goes with it, which was sent before the row was

T = TypeVar("T")


class HostedTimeout(StepTimeout, multiprocessing.TimeoutError):
    """An env did not answer in time. Nothing is lost: wait again for the same answer."""


class HostedWaiting(VectorEnv[Any, Any, Any]):
    """The half of HostedVectorEnv that waits.

    Attributes:
        num_envs: Envs.
    """

    _segment: HostedSegment
    _family: Family

    def _begin_idle(self) -> None:
        self._error: UerlError | None = None  # what has ended this env
        self._tag = 0  # of the last request
        self._elsewhere: list[Any] = [None] * self.num_envs  # observations that no array holds
        self._begin_waiting(AsyncState.DEFAULT)

    def _assert_is_running(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError(
                f"Trying to operate on `{type(self).__name__}`, after a call to `close()`."
            )
        if self._error is not None:
            raise self._error.with_traceback(None)

    def _assert_idle(self, what: str) -> None:
        self._assert_is_running()
        if self._state != AsyncState.DEFAULT:
            self._raise_pending(what)

    def _raise_pending(self, what: str) -> NoReturn:
        state = str(self._state.value)
        raise AlreadyPendingCallError(
            f"Calling `{what}` while waiting for a pending call to `{state}` to complete.", state
        )

    def _assert_waiting(self, state: AsyncState) -> None:
        self._assert_is_running()
        if self._state != state:
            raise NoAsyncCallError(
                f"Calling `{state.value}_wait` without any prior call to `{state.value}_async`.",
                str(state.value),
            )

    def _begin_waiting(self, state: AsyncState) -> None:
        self._state = state
        self._late = False  # somebody has given up waiting for the pending call
        self._batch: Any = None  # of the pending call, while messages are still missing
        self._messages: dict[int, Any] = {}  # of the pending call, by env

    def _waited(self, finish: Callable[[float], T], timeout: float | None) -> T:
        """Return ``finish(deadline)``; a call that it does not finish stays pending."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        try:
            result = finish(deadline)
        except TimeoutError:
            self._late = True
            raise HostedTimeout(
                f"The call to `{self._state.value}_wait` has timed out after {timeout} second(s)."
            ) from None
        except (SimulatorLost, SegmentCorrupt) as error:
            self._error = error
            lanes = getattr(error, "lanes", [])
            if lanes and isinstance(error, SimulatorLost):
                self._error = self._family.lost(lanes, "it had answered")
            raise self._error from None
        except BaseException:
            self._late = True
            raise
        self._state = AsyncState.DEFAULT
        return result

    def _rows(self, deadline: float) -> Any:
        """Take in the pending rows and the messages that go with them, from where it stopped."""
        if self._batch is None:
            receive = self._segment.core.recv
            self._batch = self._family.wait_beside(partial(receive, None, None), deadline)
            self._notes_deadline = time.monotonic() + _NOTE_S
        numbers, envs = self._batch[4][SIDE_CHANNEL], self._batch[5]
        for number, env in zip(numbers.tolist(), envs.tolist(), strict=True):
            while number and env not in self._messages:
                found, note = self._note(env, number, deadline)
                if found == number:
                    self._messages[env] = note
        batch, self._batch = self._batch, None
        return batch

    def _note(self, env: int, number: int, deadline: float) -> tuple[int, Any]:
        try:
            until = min(deadline, self._notes_deadline)
            found, note = self._family.message(env, until, "its info had come")
            if found <= number:
                return found, note
        except TimeoutError:
            if time.monotonic() < self._notes_deadline:
                raise
            found = 0
        raise SegmentCorrupt(
            f"simulator of env {env} says that message {number} goes with its row, expected a "
            f"message that it has sent (the last one was {found}): make a new env"
        )

    def _infos(self) -> dict[str, Any]:
        """Merge what came with the rows; raise what envs raised."""
        messages, self._messages = self._messages, {}
        self._raise_failures(messages)
        infos: dict[str, Any] = {}
        for env, note in messages.items():
            infos = self._add_info(infos, note.info, env)
            if self._segment.observation is None:
                self._elsewhere[env] = note.observation
        return infos

    def _raise_failures(self, messages: dict[int, Any]) -> None:
        failures = {env: found for env, found in messages.items() if isinstance(found, Failure)}
        if failures:
            raise_failures(failures)

    def _replies(self, deadline: float) -> None:
        self._family.wait_beside(self._segment.core.recv_skip, deadline)
        for env in range(self.num_envs):
            while env not in self._messages:
                _, message = self._family.message(env, deadline, "it had answered")
                if getattr(message, "tag", None) == self._tag:
                    self._messages[env] = message
