"""The errors of uerl_shm: one tree, drawn here, and one mapping from the C codes.

::

    UerlError
    ├── SpecError (ValueError)               an argument or a spec is wrong
    ├── SegmentError                         something about a segment:
    │   ├── SegmentNotFound (FileNotFoundError)  no segment, or no array, of that name
    │   ├── SegmentExists (FileExistsError)      the name or the lane is in use
    │   ├── SegmentFull (OSError)                not enough memory in /dev/shm
    │   ├── LayoutMismatch (ValueError)          the two sides disagree about layout or spec
    │   └── SegmentCorrupt (RuntimeError)        an impossible value in the segment
    ├── StepTimeout (TimeoutError)           a simulator stayed silent: try again
    ├── SimulatorLost (ConnectionError)      a simulator ended, or could not be started
    │   └── SimulatorNotFound (FileNotFoundError)  its command does not exist
    ├── LearnerClosed (ConnectionError)      seen by a simulator: the learner is finished or dead
    └── SystemCallFailed (OSError)           the kernel refused; errno says why

Each is also the built-in exception in brackets, so that a caller may catch what they would guess.
Messages say what was found, what was expected and the remedy.
"""

from __future__ import annotations

import errno as _errno
from typing import Literal

__all__ = [
    "LayoutMismatch",
    "LearnerClosed",
    "SegmentCorrupt",
    "SegmentError",
    "SegmentExists",
    "SegmentFull",
    "SegmentNotFound",
    "SimulatorLost",
    "SimulatorNotFound",
    "SpecError",
    "StepTimeout",
    "SystemCallFailed",
    "UerlError",
    "code_of",
    "error_from_code",
]


class UerlError(Exception):
    """Root of every error that uerl_shm raises on purpose."""


class SpecError(UerlError, ValueError):
    """An argument or a spec is wrong; the message names the field and what is allowed."""


class SegmentError(UerlError):
    """Something about a segment; see the subclasses."""


class SegmentNotFound(SegmentError, FileNotFoundError):
    """There is no segment, or no array, of that name."""

    errno = _errno.ENOENT


class SegmentExists(SegmentError, FileExistsError):
    """The name or the lane is in use."""

    errno = _errno.EEXIST


class SegmentFull(SegmentError, OSError):
    """There is not enough memory in /dev/shm for the segment."""

    errno = _errno.ENOSPC


class LayoutMismatch(SegmentError, ValueError):
    """Learner and simulator disagree about the layout or the spec; both values are named."""


class SegmentCorrupt(SegmentError, RuntimeError):
    """A simulator wrote an impossible value into the segment."""


class StepTimeout(UerlError, TimeoutError):
    """A simulator stayed silent for the time allowed; nothing is lost, so try again."""

    errno = _errno.ETIMEDOUT


class SimulatorLost(UerlError, ConnectionError):
    """A simulator process ended, or could not be started; the message shows its log."""

    errno = _errno.ECONNRESET


class SimulatorNotFound(SimulatorLost, FileNotFoundError):
    """The command that should start a simulator does not exist."""

    errno = _errno.ENOENT


class LearnerClosed(UerlError, ConnectionError):
    """Raised at a simulator: its learner is finished or dead."""

    errno = _errno.ECONNRESET


class SystemCallFailed(UerlError, OSError):
    """A system call failed; ``errno`` says why."""


#: Side on which an error code came up: the other side is the peer that code 'closed' speaks of.
Side = Literal["learner", "simulator"]

# enum uerl_error of csrc/include/uerl_shm/uerl_shm.h
_CLOSED = -7
_SYSTEM = -9
_CLASSES: dict[int, type[UerlError]] = {
    -1: SpecError,
    -2: SegmentNotFound,
    -3: SegmentExists,
    -4: LayoutMismatch,
    -5: SegmentCorrupt,
    -6: StepTimeout,
    _CLOSED: SimulatorLost,
    -8: SegmentFull,
    _SYSTEM: SystemCallFailed,
}


def error_from_code(
    code: int, text: str, *, side: Side = "learner", errno: int | None = None
) -> UerlError:
    """Build the exception for a code that a C call returned.

    Args:
        code: A negative ``enum uerl_error``.
        text: What ``uerl_last_error()`` says.
        side: Who called: ``UERL_E_CLOSED`` is `SimulatorLost` to the learner and `LearnerClosed`
            to a simulator.
        errno: Of the system call, for ``UERL_E_SYSTEM``.

    Returns:
        The exception, to be raised by the caller. A code that is not in the list gives `UerlError`.
    """
    if code == _CLOSED and side == "simulator":
        return LearnerClosed(text)
    if code not in _CLASSES:
        return UerlError(f"{text} (error code {code})")
    error = _CLASSES[code](text)
    if code == _SYSTEM and errno is not None:
        error.errno = errno  # type: ignore[attr-defined]
    return error


def code_of(error: BaseException) -> int:
    """Return the ``enum uerl_error`` of an exception, to tell another process of it.

    What is none of uerl_shm's own is a failed system call.
    """
    if isinstance(error, LearnerClosed):
        return _CLOSED
    codes = (code for code, kind in _CLASSES.items() if isinstance(error, kind))
    return next(codes, _SYSTEM)
