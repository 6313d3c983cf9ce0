"""HostedVectorEnv: gymnasium envs, each in a simulator process of its own, over one segment.

A drop-in for gymnasium's AsyncVectorEnv: docs/gymnasium.md lists where it differs.
"""

from __future__ import annotations

import multiprocessing
import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import Space, logger
from gymnasium.vector import AutoresetMode
from gymnasium.vector.async_vector_env import AsyncState
from gymnasium.vector.utils import concatenate, create_empty_array, iterate

from uerl_shm.errors import SpecError
from uerl_shm.hosted_channel import packed
from uerl_shm.hosted_family import Family
from uerl_shm.hosted_process import Request
from uerl_shm.hosted_segment import HostedSegment
from uerl_shm.hosted_setup import Spaces, checked_concurrency, seeds_of
from uerl_shm.hosted_waiting import HostedTimeout, HostedWaiting
from uerl_shm.options import reset_mask_of

__all__ = ["HostedTimeout", "HostedVectorEnv"]

_PENDING_S = 10.0  # close() waits so long for a call that nobody has waited for
_NOT_CALLED = ("reset", "step", "close", "_setattr", "_check_spaces")
_EXPLICIT = b'{"explicit": true}'  # marks a reset that was asked for; autoresets have no message


class HostedVectorEnv(HostedWaiting):
    """Steps gymnasium envs in parallel, each in a simulator process of its own.

    Observations, actions, rewards and flags go through a segment, without being pickled; infos,
    exceptions and calls go through a socketpair that each process inherits, and only when there are
    any. After a timeout the same call can be waited for again, or given up by `reset`. After an
    exception of an env, it and the others go on. A process that dies is named, with its exit code.

    Args:
        env_fns: Each makes one env.
        shared_memory: Whether a space that fixed-size memory cannot hold is an error. If not, its
            values go through the socketpairs.
        copy: Whether observations are plain copies. If not, they are views of the segment that do
            not change while they are referenced.
        context: Of multiprocessing: ``"fork"``, ``"spawn"``, ``"forkserver"`` or None, the default.
        daemon: Whether the processes are daemons, which may have no children.
        worker: Not supported: the process of an env is a simulator of the segment.
        observation_mode: ``"same"``, ``"different"`` or a tuple of the batched and the single
            space.
        autoreset_mode: As of `VecEnv`.
        max_concurrency: How many envs may step or reset at once; None: all.

    Raises:
        SpecError: ``worker`` was given. Else what AsyncVectorEnv raises, and what an env raises.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], gymnasium.Env[Any, Any]]],
        shared_memory: bool = True,
        copy: bool = True,
        context: str | None = None,
        daemon: bool = True,
        worker: Callable[..., None] | None = None,
        observation_mode: str | tuple[Space[Any], Space[Any]] = "same",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_concurrency: int | None = None,
    ) -> None:
        if worker is not None:
            raise SpecError(
                f"worker {worker!r}, expected None: the processes of HostedVectorEnv answer "
                "commands of a segment, not of a pipe; wrap the envs instead"
            )
        self.env_fns = env_fns
        self.num_envs = len(env_fns)
        self.copy = copy
        self.shared_memory = shared_memory
        self.observation_mode = observation_mode
        self.autoreset_mode = AutoresetMode(getattr(autoreset_mode, "value", autoreset_mode))
        self.max_concurrency = checked_concurrency(max_concurrency)
        self._begin_idle()
        ctx = multiprocessing.get_context(context)
        self._family = Family(env_fns, ctx, daemon, self.max_concurrency, type(self).__name__)
        try:
            self._begin(ctx)
        except BaseException:
            self._family.close(0.0)
            raise

    def _begin(self, context: Any) -> None:
        hellos = self._family.hellos()
        found = Spaces(type(self).__name__, hellos, self.observation_mode)
        self.single_observation_space = found.single_observation
        self.observation_space = found.observation
        self.single_action_space = found.single_action
        self.action_space = found.action
        self.metadata = {**hellos[0].metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = hellos[0].render_mode
        if self.shared_memory:
            found.check_memory(context)
        self._segment = HostedSegment(
            found, self.num_envs, self.autoreset_mode.value, copy=self.copy
        )
        self._finalizer = weakref.finalize(self, _end, self._segment, self._family)
        self.segment_name = self._segment.name
        self._family.attach(
            self.segment_name,
            self._segment.observation is not None,
            self._segment.action is not None,
            self._segment.core.look_for_simulators,
        )

    # Stepping ------------------------------------------------------------------------------------

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Send every env its action and wait for every env's step; see `step_wait`."""
        self.step_async(actions)
        return self.step_wait()

    def step_async(self, actions: Any) -> None:
        """Send every env its action.

        Args:
            actions: Of ``action_space``. Those that are not of its dtype or shape reach the envs as
                they are, as messages.
        """
        self._assert_idle("step_async")
        if not self._segment.send_arrays(actions):
            items = list(iterate(self.action_space, actions))
            if len(items) != self.num_envs:
                raise ValueError(
                    f"{len(items)} actions, expected {self.num_envs}: give one for each env"
                )
            payloads = [packed(item) for item in items]
            self._segment.send_elsewhere()
            for channel, payload in zip(self._family.channels, payloads, strict=True):
                channel.send(payload)
        self._begin_waiting(AsyncState.WAITING_STEP)

    def step_wait(
        self, timeout: float | None = None
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Wait for the step that `step_async` began.

        Args:
            timeout: Longest wait in seconds; None: no limit.

        Returns:
            ``(observations, rewards, terminations, truncations, infos)``; rewards float64, flags
            bool, shape ``(num_envs,)``.

        Raises:
            HostedTimeout: An env took longer. Call again for the same step, or `reset`.
            SimulatorLost: A process ended; its env and exit code are named.
            Exception: What an env raised; the other envs have made their step.
        """
        self._assert_waiting(AsyncState.WAITING_STEP)
        batch = self._waited(self._rows, timeout)
        infos = self._infos()
        return self._observed(batch[0]), batch[1], batch[2], batch[3], infos

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every env, or in those of ``options["reset_mask"]``."""
        self.reset_async(seed=seed, options=options)
        return self.reset_wait()

    def reset_async(self, seed: Any = None, options: dict[str, Any] | None = None) -> None:
        """Have envs begin an episode. A step or call that timed out is given up.

        Args:
            seed: Int (env i gets ``seed + i``), a sequence with one int or None for each env, None.
            options: ``"reset_mask"``: bool, shape ``(num_envs,)``. The rest goes to every env.
        """
        self._assert_is_running()
        seeds, held = seeds_of(seed, self.num_envs)
        rest = None if options is None else dict(options)
        mask = reset_mask_of({} if rest is None else rest, self.num_envs, 1)
        idle = self._state == AsyncState.DEFAULT
        given_up = self._late and self._state != AsyncState.WAITING_RESET and mask.all()
        if not idle and not given_up:
            self._raise_pending("reset_async")
        payloads = {
            env: packed({"seed": seeds[env], "options": rest}) for env in np.flatnonzero(mask)
        }
        self._segment.core.send_reset(mask, held, _EXPLICIT, -1.0)
        for env, payload in payloads.items():
            self._family.channels[env].send(payload)
        self._begin_waiting(AsyncState.WAITING_RESET)

    def reset_wait(self, timeout: float | None = None) -> tuple[Any, dict[str, Any]]:
        """Wait for the reset that `reset_async` began; timeouts and errors as of `step_wait`."""
        self._assert_waiting(AsyncState.WAITING_RESET)
        observation, *_, envs = self._waited(self._rows, timeout)
        infos = self._infos()
        whole = len(envs) == self.num_envs
        return self._observed(observation if whole else self._segment.core.current()[0]), infos

    def _observed(self, observation: Any) -> Any:
        if self._segment.observation is not None:
            return self._segment.nested(observation)
        single = self.single_observation_space
        empty = create_empty_array(single, n=self.num_envs, fn=np.zeros)
        return concatenate(single, self._elsewhere, empty)  # type: ignore[arg-type]

    # Calling -------------------------------------------------------------------------------------

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return, for each env, the attribute `name`, or what it returns if it is a method."""
        self.call_async(name, *args, **kwargs)
        return self.call_wait()

    def call_async(self, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Have every env call its method `name`, or look up its attribute."""
        if name in _NOT_CALLED:
            raise ValueError(
                f"Trying to call function `{name}` with `call`, use `{name}` directly instead."
            )
        self._request("call_async", "call", name, [(args, kwargs)] * self.num_envs)

    def call_wait(self, timeout: float | None = None) -> tuple[Any, ...]:
        """Wait for the call that `call_async` began; timeouts and errors as of `step_wait`."""
        self._assert_waiting(AsyncState.WAITING_CALL)
        self._waited(self._replies, timeout)
        messages, self._messages = self._messages, {}
        self._raise_failures(messages)
        return tuple(messages[env].value for env in range(self.num_envs))

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return the attribute `name` of each env."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set the attribute `name` of each env.

        Args:
            name: Of the attribute.
            values: A list or tuple with one value for each env, or one value for all.
        """
        self._assert_is_running()
        if not isinstance(values, (list, tuple)):
            values = [values] * self.num_envs
        if len(values) != self.num_envs:
            raise ValueError(
                "Values must be a list or tuple with length equal to the number of environments. "
                f"Got `{len(values)}` values for {self.num_envs} environments."
            )
        self._request("set_attr", "set", name, [((value,), {}) for value in values])
        self.call_wait()

    def render(self) -> tuple[Any, ...] | None:
        """Return what each env renders."""
        return self.call("render")

    def _request(
        self, what: str, kind: str, name: str, arguments: list[tuple[tuple[Any, ...], Any]]
    ) -> None:
        self._assert_idle(what)
        tag = self._tag + 1
        payloads = [packed(Request(tag, kind, name, *both)) for both in arguments]
        self._segment.core.send_skip()
        self._tag = tag
        for channel, payload in zip(self._family.channels, payloads, strict=True):
            channel.send(payload)
        self._begin_waiting(AsyncState.WAITING_CALL)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each env's generator."""
        return self.get_attr("np_random_seed")

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """A copy of each env's generator."""
        return self.get_attr("np_random")

    def stats(self) -> dict[str, Any]:
        """Return counters since the start; see `VecEnv.stats`."""
        self._assert_is_running()
        core = self._segment.core
        return {**core.stats(), "segment_bytes": core.segment_bytes}

    # Ending --------------------------------------------------------------------------------------

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """End the processes and remove the segment; arrays that are still held stay readable.

        Args:
            timeout: Longest wait in seconds for a pending call and for the envs' own ``close``;
                then the processes are terminated. None: 10 s and 60 s.
            terminate: Whether to terminate the processes at once.
        """
        timeout = 0.0 if terminate else timeout
        try:
            if self._state != AsyncState.DEFAULT and self._error is None:
                timeout = self._end_pending(timeout)
        finally:
            if self._finalizer.detach() is not None:
                _end(self._segment, self._family, timeout)

    def _end_pending(self, timeout: float | None) -> float | None:
        """Wait for the pending call; return how long to wait for the processes then."""
        name = self._state.value
        if not self._late:
            logger.warn(
                f"Calling `close` while waiting for a pending call to `{name}` to complete."
            )
        try:
            getattr(self, f"{name}_wait")(_PENDING_S if timeout is None else timeout)
        except HostedTimeout:
            return 0.0
        except Exception as error:
            logger.error("%s", f"The pending call raised {type(error).__name__}: {error}")
        return timeout


def _end(segment: HostedSegment, family: Family, timeout_s: float | None = 1.0) -> None:
    if os.getpid() == family.owner:  # not a fork of the learner
        segment.core.close()
        family.close(timeout_s)
