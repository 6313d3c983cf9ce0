"""How a simulator in Python takes a lane of a segment, and leaves it."""

from __future__ import annotations

import os
import time
from typing import Any

from uerl_shm import _core
from uerl_shm._simulator import ffi, lib
from uerl_shm.errors import SegmentExists, SegmentNotFound, SpecError
from uerl_shm.host_arrays import call_error
from uerl_shm.host_mapping import Mapping

_RETRY_S = 0.005  # between two looks for a segment or a lane
TAKEN_LANE_S = 10.0  # a living simulator will not leave its lane; a dead one needs a moment


def attach(name: str | None, lane: int, timeout_s: float) -> tuple[Any, Mapping]:
    """Wait for the segment and the lane; return the handle and its mapping."""
    name = os.environ.get("UERL_SHM_NAME", "") if name is None else name
    if not name:
        raise SpecError(
            "no segment name, expected an argument or UERL_SHM_NAME in the environment: start this "
            "simulator from a learner, or name the learner's segment"
        )
    _core.check_name(name)
    deadline = time.monotonic() + timeout_s
    taken_since: float | None = None
    while True:
        try:
            return attach_now(name, lane)
        except (SegmentNotFound, SegmentExists) as error:
            now = time.monotonic()
            if taken_since is None or isinstance(error, SegmentNotFound):
                taken_since = now
            if now >= deadline or now - taken_since >= TAKEN_LANE_S:
                raise
        time.sleep(_RETRY_S)


def attach_now(name: str, lane: int) -> tuple[Any, Mapping]:
    """Try once; as `attach`, of a name that was checked."""
    memory = Mapping(name, lib.UERL_HEADER_BYTES)
    handle = ffi.new("uerl_simulator **")
    base = ffi.cast("void *", memory.address)
    check(lib.uerl_simulator_attach_mapping(handle, base, memory.num_bytes, name.encode(), lane))
    return handle[0], memory


def detach(handle: Any, memory: Mapping, pid: int) -> None:
    """Leave the lane, in the process that took it."""
    if os.getpid() != pid:
        return  # a forked child has neither the memory nor the lock
    # First the arrays: a free lane promises that nothing of this process can be stored any more.
    memory.disown()
    lib.uerl_simulator_detach(handle)


def check(code: int) -> None:
    """Raise the exception for a code that a call returned, if it is one."""
    if code < 0:
        raise call_error(code)
