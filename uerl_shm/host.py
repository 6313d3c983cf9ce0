"""A simulator written in Python: it answers a learner's commands by writing rows in place.

    with Simulator(spec=SPEC) as simulator:
        for command in simulator:
            for env in range(simulator.num_envs):
                if command.control(env) == STEP:
                    command.observation["camera"][env] = ...
                    command.outcome(env, reward, terminated, truncated)

It makes the calls of uerl_shm.h, as Unreal and C do. examples/simulator.py is a whole one.
"""

from __future__ import annotations

import json
import os
import sys
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from uerl_shm._simulator import ffi, lib
from uerl_shm.bridge_engine import BridgeEngine, bridge_engine
from uerl_shm.errors import LearnerClosed, SpecError, UerlError
from uerl_shm.host_arrays import Arrays, Memory, Rows, call_error
from uerl_shm.host_attach import attach, check, detach
from uerl_shm.segment import AUTORESET_MODES
from uerl_shm.spec import EnvSpec

__all__ = ["RESET", "SKIP", "STEP", "Command", "Simulator", "describe_if_asked"]

#: What a command asks of an env: leave it alone, step it, begin an episode.
SKIP, STEP, RESET = lib.UERL_CONTROL_SKIP, lib.UERL_CONTROL_STEP, lib.UERL_CONTROL_RESET

_SLICE_NS = 100_000_000  # of waiting, between two looks for Python's signals
_MODES = {number: mode for mode, number in AUTORESET_MODES.items()}


def describe_if_asked(spec: EnvSpec) -> None:
    """Write the spec and end this process with exit code 0, if it was started to be asked for it.

    `Simulator` does this by itself. Call it where a simulator has slow work to do before that.
    """
    code = lib.uerl_describe(spec.to_json().encode())
    if code < 0:
        raise call_error(code)
    if code == 1:
        sys.exit(0)


class ClosedSimulator:
    """Stands for the handle of a closed simulator: a call with it is a TypeError that says so."""


class Command:
    """What the learner asks now. Its arrays belong to this command: write them, do not keep them.

    The result is sent when the loop asks for the next command, or by `send`. There is one object of
    this class for each simulator, used again for every command.
    """

    def __init__(self, simulator: Simulator, handle: Any, names: list[str]) -> None:
        self._simulator = simulator  # which must not end before its command
        self._handle = handle
        self._names = names
        self._received = ffi.new("struct uerl_received *")
        self._rows: list[Rows] | None = None

    @property
    def sequence(self) -> int:
        """Number of the command of this lane, from 1."""
        return self._received.sequence  # type: ignore[no-any-return]

    @property
    def slot(self) -> int:
        """Where the rows stand that this command writes."""
        return self._received.slot  # type: ignore[no-any-return]

    @property
    def action_slot(self) -> int:
        """Where the actions stand that this command reads."""
        return self._received.action_slot  # type: ignore[no-any-return]

    def _first(self) -> Rows:
        if self._rows is None:
            raise UerlError(
                "a command was used that has been answered, expected the one in hand: use its "
                "arrays before the next command, or before close()"
            )
        return self._rows[0]

    @property
    def observation(self) -> dict[str, np.ndarray]:
        """Name to array ``(rows, *shape)`` of the first group: what the agents see; write it."""
        return self._first().observation

    @property
    def action(self) -> dict[str, np.ndarray]:
        """Name to array ``(rows, *shape)`` of the first group: what the agents do; read-only."""
        return self._first().action

    @property
    def info(self) -> dict[str, np.ndarray]:
        """Name to array ``(rows, *shape)`` of the first group; write it."""
        return self._first().info

    @property
    def final_observation(self) -> dict[str, np.ndarray]:
        """As ``observation``, of the step that ended an episode; mode ``"SameStep"`` only."""
        return self._first().final_observation

    @property
    def final_info(self) -> dict[str, np.ndarray]:
        """As ``info``, of the step that ended an episode; mode ``"SameStep"`` only."""
        return self._first().final_info

    @property
    def parameter(self) -> dict[str, np.ndarray]:
        """Name to array ``(rows,)``, float64: what the learner set; to be read at a reset."""
        return self._first().parameter

    @property
    def groups(self) -> dict[str, Rows]:
        """Group name to its `Rows`, where there are several groups."""
        self._first()
        return dict(zip(self._names, self._rows or [], strict=True))

    def control(self, env: int) -> int:
        """Return what is asked of env ``env`` of this lane: `SKIP`, `STEP` or `RESET`."""
        return lib.uerl_simulator_control(self._handle, env)  # type: ignore[no-any-return]

    def seed(self, env: int) -> int | None:
        """Return the seed of a reset; None: go on with the env's own generator."""
        seed: int = lib.uerl_simulator_seed(self._handle, env)
        return seed if seed >= 0 else None

    @property
    def message(self) -> Any:
        """What came with the command: a dict (the options of a reset), bytes, or None."""
        kind, num_bytes = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        data = lib.uerl_simulator_message(self._handle, kind, num_bytes)
        if data == ffi.NULL:
            return None
        received = bytes(ffi.buffer(data, num_bytes[0]))
        return json.loads(received) if kind[0] == lib.UERL_MESSAGE_OPTIONS else received

    def outcome(
        self, row: int, reward: float, terminated: bool, truncated: bool, group: int = 0
    ) -> None:
        """Write what a step brought to one row (0, False, False for a row that was reset).

        Args:
            row: Of this lane: env times agents plus agent.
            reward: Of the step.
            terminated: Whether the episode ended by its own rules.
            truncated: Whether it was cut off.
            group: Number of the group.
        """
        lib.uerl_simulator_outcome(self._handle, group, row, reward, terminated, truncated)

    def present(self, row: int, present: bool, group: int = 0) -> None:
        """Say whether the agent of a row is there, where the group's spec has a mask."""
        lib.uerl_simulator_present(self._handle, group, row, present)

    def send(self) -> None:
        """Send the result now: the learner may read the rows, this process may not write them."""
        self._first()
        self._rows = None
        code = self._simulator._call(lib.uerl_simulator_send, self._handle)
        if code < 0:
            raise call_error(code)


class Simulator:
    """One simulator: holds a lane of a learner's segment and answers its commands.

    A context manager, and an iterator over commands that ends when the learner is finished or dead.
    An exception that leaves the ``with`` block is reported to the learner. After `close`, and in a
    forked child, arrays that are still referenced are zeros of the process's own, which nobody else
    sees; over a bridge they keep their values.

    Args:
        name: Name of the segment; None: the environment's ``UERL_SHM_NAME``.
        lane: Number of the lane; None: the environment's ``UERL_SHM_LANE``, else the first that is
            free.
        timeout_s: Longest wait for the learner to make the segment, in seconds.
        spec: What this simulator reads and writes. It is compared with the learner's spec, and
            written when a learner asks for it (then this process ends here, see
            `describe_if_asked`). None: whatever the learner's spec says.
        bridge: ``host:port`` of a learner's ``uerl-shm bridge`` on another machine, in place of
            ``name``; None: the environment's ``UERL_SHM_BRIDGE``, if no name is given either.
        token: What both ends of the bridge know; None: the file that the environment's
            ``UERL_SHM_BRIDGE_TOKEN_FILE`` names.
        certificate: File with the certificates that vouch for the bridge, whose connection then is
            TLS; None: the environment's ``UERL_SHM_BRIDGE_CERTIFICATE``, else no TLS.

    Attributes:
        spec: The learner's `EnvSpec`.
        num_envs: Envs of this lane.
        first_env: Number of its first env in the whole segment.
        lane: Number of the lane.
        autoreset_mode: ``"NextStep"``, ``"SameStep"`` or ``"Disabled"``.

    Raises:
        SegmentNotFound: No learner came in time. SegmentExists: The lane is taken.
        LayoutMismatch: The learner has another layout or spec; it is told, too.
        LearnerClosed: Nobody answers at the bridge's address. SpecError: Its token is another.
    """

    def __init__(
        self,
        name: str | None = None,
        lane: int | None = None,
        timeout_s: float = 300.0,
        *,
        spec: EnvSpec | None = None,
        bridge: str | None = None,
        token: bytes | None = None,
        certificate: str | None = None,
    ) -> None:
        if spec is not None:
            describe_if_asked(spec)
        elif os.environ.get("UERL_SHM_DESCRIBE"):
            raise SpecError("a learner asks for the spec, expected one: give Simulator(spec=...)")
        wanted = -1 if lane is None else lane
        address = os.environ.get("UERL_SHM_BRIDGE") if bridge is None and name is None else bridge
        memory: Memory
        if address:
            way = bridge_engine(address, token, certificate, wanted, timeout_s)
            self._handle, memory = way.handle, way.memory
            self._call, self._wait_for_command = way.call, way.receive
            self._finalizer: weakref.finalize[..., Simulator] = weakref.finalize(
                self, _leave_bridge, way, os.getpid()
            )
        else:
            self._handle, memory = attach(name, wanted, timeout_s)
            self._call = _call_directly
            self._wait_for_command = partial(lib.uerl_simulator_receive, self._handle)
            self._finalizer = weakref.finalize(self, detach, self._handle, memory, os.getpid())
        self._ready = False
        try:
            self.lane: int = lib.uerl_simulator_lane(self._handle)
            self.num_envs: int = lib.uerl_simulator_num_envs(self._handle)
            self.first_env: int = lib.uerl_simulator_first_env(self._handle)
            self.autoreset_mode = _MODES[lib.uerl_simulator_autoreset_mode(self._handle)]
            text = ffi.string(lib.uerl_simulator_text(self._handle))
            self.spec = EnvSpec.from_json(json.loads(text)["spec"])
            self._arrays = Arrays(self._handle, memory, spec)
            self._command = Command(self, self._handle, self._arrays.groups)
        except BaseException as error:
            self.refuse(_said(error))
            self.close()
            raise

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, Exception) and self._finalizer.alive:
            if not self._ready:
                self.refuse(_said(error))
            elif self._command._rows is not None:
                self.fail(_said(error))
        self.close()

    def __iter__(self) -> Iterator[Command]:
        return self

    def __next__(self) -> Command:
        try:
            if self._ready and self._command._rows is not None:
                self._command.send()
            command = None
            while command is None:
                command = self._receive(_SLICE_NS)
        except LearnerClosed:
            raise StopIteration from None
        return command

    def receive(self, timeout_s: float) -> Command | None:
        """Wait for the next command, for simulators with a loop of their own.

        Args:
            timeout_s: Longest wait in seconds; 0 only looks. Python's signals are served after it.

        Returns:
            The command, to be answered by `Command.send`; None when there is none yet.

        Raises:
            LearnerClosed: The learner is finished or dead.
        """
        return self._receive(int(timeout_s * 1e9))

    def _receive(self, timeout_ns: int) -> Command | None:
        if not self._finalizer.alive:
            raise UerlError("the simulator is closed, expected an open one: attach again")
        if not self._ready:
            check(self._call(lib.uerl_simulator_ready, self._handle))
            self._ready = True
        command = self._command
        code = self._wait_for_command(command._received, timeout_ns)
        if code == lib.UERL_E_TIMEOUT:
            return None
        check(code)
        command._rows = self._arrays.rows(command._received.slot, command._received.action_slot)
        return command

    def write_message(self, data: bytes | str, kind: int = lib.UERL_MESSAGE_CUSTOM) -> None:
        """Leave a message that the learner sees with the next result.

        Args:
            data: At most the spec's ``message_bytes``; text is sent as UTF-8.
            kind: ``enum uerl_message_kind``.
        """
        payload = data.encode() if isinstance(data, str) else bytes(data)
        write = lib.uerl_simulator_write_message
        check(self._call(write, self._handle, kind, payload, len(payload)))

    def fail(self, text: str) -> None:
        """Answer the command in hand by saying that this simulator cannot go on, and why."""
        self._command._first()
        self._command._rows = None
        said = text.encode(errors="replace")
        check(self._call(lib.uerl_simulator_fail, self._handle, said))

    def refuse(self, text: str) -> None:
        """Tell the learner, before the first command, why this simulator cannot serve it."""
        said = text.encode(errors="replace")
        check(self._call(lib.uerl_simulator_refuse, self._handle, said))

    def close(self) -> None:
        """Leave the lane. Nothing when called again."""
        self._finalizer()
        self._handle = ClosedSimulator()
        if hasattr(self, "_command"):
            self._command._rows = None
            self._command._handle = self._handle


def _call_directly(function: Callable[..., int], *args: Any) -> int:
    return function(*args)


def _leave_bridge(way: BridgeEngine, pid: int) -> None:
    if os.getpid() == pid:  # a forked child has not got its thread
        way.close()


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, UerlError) else f"{type(error).__name__}: {error}"
