"""The trainer's side of Learning Agents' shared-memory protocol, as of Unreal Engine 5.6.

Learning Agents keeps the policy in the engine. What crosses shared memory is a replay buffer of
finished episodes one way, and networks the other: a source of episodes and a mailbox of weights,
not an environment that is stepped. `Trainer` stands where Epic's Python trainer stands; the engine
needs no plugin but Epic's own. ``docs/howto/learning_agents.md`` has a complete loop.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from uerl_shm.errors import LayoutMismatch, SegmentCorrupt, SimulatorLost, SpecError, UerlError
from uerl_shm.learning_agents_cleanup import Remains
from uerl_shm.learning_agents_config import Config, NetworkPlace, configs_of, read_config
from uerl_shm.learning_agents_controls import (
    BUFFER_ID,
    COMPLETE,
    CONFIG,
    EPISODE_NUM,
    EXPERIENCE,
    IDLE,
    NETWORK,
    NETWORK_ID,
    PING,
    STEP_NUM,
    STOP,
    Controls,
)
from uerl_shm.learning_agents_engine import Engine, EngineProcess
from uerl_shm.learning_agents_experience import Episode, Experience, ReplayBuffer
from uerl_shm.learning_agents_regions import attach
from uerl_shm.learning_agents_snapshots import checked_snapshot, fault_of
from uerl_shm.options import Access, checked_seconds
from uerl_shm.region_mapping import Mapping

__all__ = ["Episode", "Experience", "Trainer"]

BYTES = np.dtype(np.uint8)
ENGINE_TIMEOUT_S = 10.0  # what the engine itself allows before it gives up


class Trainer:
    """The external trainer of one engine process.

    Creates the controls; then start the engine with `engine_arguments`, and call
    `wait_for_engine`. After that, an iteration is: `experience`, then `push_network` for every
    network in the order of their ids. `ping` may be called from any thread, the rest from one.

    Args:
        task_dir: Folder of the training; ``Configs`` in it is made if missing, and the engine must
            be allowed to write there.
        shm_mode: Permission bits of the controls: 0o600, or 0o660 or 0o666 for an engine of
            another user. This process must be allowed to write the engine's regions, too, which
            the engine makes with 0o666 less its umask.
        shm_group: Name or number of the controls' group.

    Attributes:
        guid: Name of the controls.
        config: What the engine said about itself; None before `wait_for_engine`.

    Raises:
        SpecError: An argument is wrong, or the machine is not x86-64.
        SegmentFull: There is no room in ``/dev/shm``.
        SystemCallFailed: The kernel refused the group or the mode.
    """

    def __init__(
        self,
        task_dir: str | os.PathLike[str],
        *,
        shm_mode: int = 0o600,
        shm_group: str | int | None = None,
    ) -> None:
        access = Access(shm_mode, shm_group, None, starts=False)
        self._configs = configs_of(task_dir)
        self.config: Config | None = None
        self._words = Controls(access)
        self.guid = self._words.guid
        self._engine = Engine()
        self._remains = Remains(self._configs, self.guid, self._engine)
        self._clean_at_exit = weakref.finalize(self, self._remains.clean)
        self._networks: dict[int, Mapping] = {}
        self._buffers: dict[int, ReplayBuffer] = {}
        self._initial: dict[int, bytes] = {}
        self._asked: int | None = None  # network that the engine was asked for
        self._awaited: list[int] = []  # networks that the engine waits for, in its order
        self._given: Experience | None = None
        self._stopped = self._completed = self._closed = False

    @property
    def engine_arguments(self) -> list[str]:
        """What to add to the engine's command line."""
        return [
            "-LearningAgentsUseExternalTrainingProcess",
            f"-LearningAgentsControlsGuid={self.guid}",
            f"-LearningAgentsConfigPath={self._configs}",
        ]

    @property
    def stop_requested(self) -> bool:
        """Whether the engine has asked to stop; stays true."""
        if not self._closed and self._words[STOP]:
            self._words[STOP] = 0
            self._stopped = True
        return self._stopped

    def wait_for_engine(
        self, engine: EngineProcess | None = None, *, timeout_s: float
    ) -> dict[int, bytes]:
        """Wait until the engine has attached, said what it has, and sent its initial networks.

        Args:
            engine: Process id or ``subprocess.Popen`` of the engine, so that its end is noticed
                before it has attached, or where /proc does not show its memory.
            timeout_s: Longest wait in seconds. After a `StepTimeout` call again to go on waiting.

        Returns:
            The snapshot of every network by its id: 24 bytes of header, then the engine's own
            file. Owned by the caller.

        Raises:
            StepTimeout: The engine has not done so in time.
            SimulatorLost: The engine ended, or asked to stop.
            SegmentNotFound: A JSON file or a region is missing.
            LayoutMismatch: The engine speaks another generation of the protocol, a region is
                smaller than described, or a snapshot is not of this kind.
            SystemCallFailed: This user may not open the engine's regions.
        """
        self._check_open()
        deadline = time.monotonic() + checked_seconds("timeout_s", timeout_s)
        if engine is not None and self.config is None:
            self._engine.watch(engine)
        if self.config is None:
            self._wait(self._is_attached, deadline, "attached to the controls")
            self._engine.see(self.guid)
            self._wait(lambda: bool(self._words[CONFIG]), deadline, "written its Configs")
            config = read_config(self._configs, self.guid)
            self._attach(config)
            self.config = config
        for network_id in self._order():
            if network_id not in self._initial:
                self._receive(self.config.networks[network_id], deadline)
        return dict(self._initial)

    def experience(self, timeout_s: float) -> Experience | None:
        """Wait for the next filled replay buffer.

        Args:
            timeout_s: Longest wait in seconds; 0 looks once.

        Returns:
            Its episodes, as views to be released; None once the engine has asked to stop, or
            training was completed.

        Raises:
            StepTimeout: No replay buffer was filled in time. Nothing is lost: call again.
            SimulatorLost: The engine ended.
            SegmentCorrupt: The engine wrote impossible numbers, or a region has shrunk.
            UerlError: The last experience is not released, or the engine still waits for networks.
        """
        self._check_ready()
        timeout_s = checked_seconds("timeout_s", timeout_s)
        if self._completed:
            return None
        if self._given is not None and not self._given.released:
            raise UerlError("experience() with one not released, expected its release() first")
        if self._awaited and not self.stop_requested:
            raise UerlError(
                f"experience() while the engine waits for networks {self._awaited}, expected "
                "push_network() for each: it gathers nothing before it has them"
            )
        words = self._words
        self._wait_or_stop(lambda: bool(words[EXPERIENCE]), timeout_s, "sent its experience")
        if not words[EXPERIENCE]:
            return None
        buffer_id = int(words[BUFFER_ID])
        if buffer_id not in self._buffers:
            raise SegmentCorrupt(
                f"replay buffer {buffer_id} has experience, expected one of "
                f"{sorted(self._buffers)}: the engine is broken, start it again"
            )
        given = self._buffers[buffer_id].filled(
            int(words[EPISODE_NUM]), int(words[STEP_NUM]), self._release
        )
        self._given = given
        self._awaited = self._order()
        return given

    def push_network(
        self, network_id: int, snapshot: Any, timeout_s: float = ENGINE_TIMEOUT_S
    ) -> bool:
        """Hand a network to the engine, which loads it while this goes on.

        After an experience the engine waits for every network, in the order of their ids, and
        would crash at another id: so another is refused here.

        Args:
            network_id: The next one in order.
            snapshot: Bytes-like, exactly as long as the initial snapshot and with its header.
                Copied before this returns.
            timeout_s: Longest wait, in seconds, for the engine to take the one before.

        Returns:
            Whether the engine gets it; False once it has asked to stop.

        Raises:
            SpecError: It is another network's turn, or the snapshot is not of this network.
            StepTimeout: The engine has not taken the one before. Nothing was written: call again.
            SimulatorLost: The engine ended.
            SegmentCorrupt: The network's region has shrunk.
        """
        self._check_ready()
        timeout_s = checked_seconds("timeout_s", timeout_s)
        if self.stop_requested:
            return False
        if not self._awaited or network_id != self._awaited[0]:
            expected = self._awaited[0] if self._awaited else "an experience before it"
            raise SpecError(
                f"push_network {network_id!r}, expected {expected}: the engine takes the networks "
                f"{self._order()} once after each experience, in this order"
            )
        data = checked_snapshot(network_id, snapshot, self._initial[network_id])
        words = self._words
        if not self._wait_or_stop(lambda: not words[NETWORK], timeout_s, "taken a network"):
            return False
        mapping = self._networks[network_id]
        mapping.array(BYTES, (len(data),), 0)[:] = data
        mapping.check_whole()
        words[NETWORK_ID] = network_id
        words[NETWORK] = 1
        del self._awaited[0]
        return True

    def ping(self) -> None:
        """Tell an engine that waits for a network that this process lives.

        The engine gives up after 10 seconds (its ``-LearningAgentsTimeout=``), counted anew from
        each ping: call this every few seconds during long updates.
        """
        self._check_open()
        self._words[PING] = 1

    def complete(self, timeout_s: float = ENGINE_TIMEOUT_S) -> bool:
        """Tell the engine that training is finished, and wait until it has seen it.

        The engine looks while it waits for networks: call this instead of pushing them.

        Returns:
            Whether the engine saw it; False if it has asked to stop itself.

        Raises:
            StepTimeout: It has not looked in time; call again to go on waiting.
            SimulatorLost: The engine ended before.
        """
        self._check_ready()
        words = self._words
        timeout_s = checked_seconds("timeout_s", timeout_s)
        if not self._completed:
            words[COMPLETE] = 1
            self._completed = True
            self._awaited = []
        return self._wait_or_stop(lambda: not words[COMPLETE], timeout_s, "seen the end")

    def close(self) -> None:
        """Unlink the controls, and every region of the engine if that has ended; once is enough.

        Waits up to 2 seconds for an engine that is just ending. Regions that must stay are named
        in a RuntimeWarning; call again once the engine has ended. Arrays stay readable.
        """
        self._closed = True
        if self._remains.clean():
            self._clean_at_exit.detach()
            self._engine.close()

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_attached(self) -> bool:
        return bool(self._words[NETWORK_ID] == IDLE and self._words[BUFFER_ID] == IDLE)

    def _attach(self, config: Config) -> None:
        """Map every region."""
        self._networks = {
            network.id: attach(network.guid, f"network {network.id}", network.num_bytes)
            for network in config.networks.values()
        }
        self._buffers = {place.id: ReplayBuffer(place) for place in config.replay_buffers.values()}

    def _receive(self, network: NetworkPlace, deadline: float) -> None:
        """Ask the engine for the next network, which it sends in the order of ids."""
        words = self._words
        if self._asked != network.id:
            self._asked = network.id
            words[NETWORK] = 1
        self._wait(lambda: not words[NETWORK], deadline, f"sent network {network.id}")
        sent = int(words[NETWORK_ID])
        if sent != network.id:
            raise LayoutMismatch(
                f"the engine sent network {sent}, expected {network.id}: use Unreal Engine 5.6's "
                "own PPO trainer"
            )
        mapping = self._networks[network.id]
        snapshot = mapping.array(BYTES, (network.num_bytes,), 0).tobytes()
        mapping.check_whole()
        if fault := fault_of(snapshot, network.num_bytes):
            raise LayoutMismatch(
                f"snapshot of network {network.id} has {fault}: use Unreal Engine 5.6"
            )
        self._initial[network.id] = snapshot

    def _order(self) -> list[int]:
        """Ids in the order in which the engine sends and takes networks."""
        return [] if self.config is None else sorted(self.config.networks)

    def _release(self) -> None:
        # NETWORK_ID stays as it is: a network may have been pushed already.
        if not self._closed:
            self._words[EXPERIENCE] = 0

    def _wait(self, condition: Callable[[], bool], deadline: float, missing: str) -> None:
        if not self._wait_or_stop(condition, max(0.0, deadline - time.monotonic()), missing):
            raise SimulatorLost(
                f"the engine asked to stop before it had {missing}, expected it to begin training: "
                "look at its log"
            )

    def _wait_or_stop(self, condition: Callable[[], bool], timeout_s: float, missing: str) -> bool:
        """Wait for a condition; return False if the engine asks to stop instead."""
        self._engine.wait(lambda: condition() or self.stop_requested, timeout_s, missing)
        return condition()

    def _check_open(self) -> None:
        if self._closed:
            raise UerlError("the Trainer is closed, expected an open one: make another")

    def _check_ready(self) -> None:
        self._check_open()
        if self.config is None or len(self._initial) < len(self.config.networks):
            raise UerlError("the engine is not there yet, expected wait_for_engine() before this")
