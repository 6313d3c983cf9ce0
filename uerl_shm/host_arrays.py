"""The arrays of one lane as a simulator sees them: found, compared with its spec, and viewed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from uerl_shm._simulator import ffi, lib
from uerl_shm.array_spec import ArraySpec
from uerl_shm.errors import LayoutMismatch, SegmentNotFound, UerlError, error_from_code
from uerl_shm.spec import EnvSpec, GroupSpec

# enum uerl_dtype, from 1
DTYPES = tuple(
    np.dtype(name)
    for name in (
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
)
# Roles with names of their own, by the attribute of `Rows` that holds their arrays.
ROLES = {
    "observation": lib.UERL_ROLE_OBSERVATION,
    "final_observation": lib.UERL_ROLE_FINAL_OBSERVATION,
    "info": lib.UERL_ROLE_INFO,
    "final_info": lib.UERL_ROLE_FINAL_INFO,
    "action": lib.UERL_ROLE_ACTION,
    "parameter": lib.UERL_ROLE_PARAMETER,
}
_OF_LEARNER = ("action", "parameter")
_REMEDY = "give the learner this simulator's spec (uerl-shm describe)"


def call_error(code: int) -> UerlError:
    """Return the exception for a code that a call returned."""
    text = ffi.string(lib.uerl_last_error()).decode(errors="replace")
    return error_from_code(code, text, side="simulator", errno=ffi.errno)


class Memory(Protocol):
    """What arrays stand in: a segment's mapping, or memory of this process alone."""

    def array(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Return an array over the memory that begins at `address`."""
        ...


class Field(NamedTuple):
    """One array of the segment."""

    number: int
    group: str
    name: str  # such as "observation/camera"
    role: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]  # of one row
    num_rows: int  # of this lane


@dataclass(slots=True)
class Rows:
    """The arrays of one group, each ``(rows of this lane, *shape)``, by name.

    Attributes:
        observation: To be written.
        action: Read-only.
        info: To be written.
        final_observation: To be written where an episode ended; empty but in mode ``"SameStep"``.
        final_info: Likewise.
        parameter: Read-only; float64, one value for each row. Of the first group only.
    """

    observation: dict[str, np.ndarray] = field(default_factory=dict)
    action: dict[str, np.ndarray] = field(default_factory=dict)
    info: dict[str, np.ndarray] = field(default_factory=dict)
    final_observation: dict[str, np.ndarray] = field(default_factory=dict)
    final_info: dict[str, np.ndarray] = field(default_factory=dict)
    parameter: dict[str, np.ndarray] = field(default_factory=dict)


class Arrays:
    """Finds the arrays of a lane and hands out views of them, made once for each slot.

    Args:
        handle: Of an attached simulator.
        memory: What its arrays stand in.
        spec: The simulator's own spec, compared with the learner's; None takes the learner's.

    Raises:
        LayoutMismatch: The two specs differ; both values are named.
    """

    def __init__(self, handle: Any, memory: Memory, spec: EnvSpec | None) -> None:
        self._handle = handle
        self._memory = memory
        self._fields = list(fields_of(handle))
        #: Group names in the order of their numbers.
        self.groups: list[str] = list(dict.fromkeys(field.group for field in self._fields))
        self._by_slot: dict[tuple[int, bool], list[Rows]] = {}
        self._by_slots: dict[tuple[int, int], list[Rows]] = {}
        self._spare: dict[tuple[str, str], np.ndarray] = {}  # (group, key): info nobody reads
        if spec is None:
            for found in self._fields:
                self._bind(found.group, found.name, found.role, found.dtype, found.shape)
        else:
            self._compare(spec)

    def rows(self, slot: int, action_slot: int) -> list[Rows]:
        """Return the arrays of the command in hand, of each group by number."""
        rows = self._by_slots.get((slot, action_slot))
        if rows is None:
            written, read = self._views(slot, False), self._views(action_slot, True)
            rows = [
                Rows(
                    own.observation,
                    theirs.action,
                    own.info,
                    own.final_observation,
                    own.final_info,
                    theirs.parameter,
                )
                for own, theirs in zip(written, read, strict=True)
            ]
            self._by_slots[slot, action_slot] = rows
        return rows

    def _views(self, slot: int, of_learner: bool) -> list[Rows]:
        made = self._by_slot.get((slot, of_learner))
        if made is not None:
            return made
        made = [Rows() for _ in self.groups]
        for found in self._fields:
            kind, _, key = found.name.partition("/")
            if ROLES.get(kind) != found.role or (kind in _OF_LEARNER) != of_learner:
                continue
            row = lib.uerl_simulator_row(self._handle, found.number, 0)
            address = int(ffi.cast("uintptr_t", row))
            array = self._memory.array(address, (found.num_rows, *found.shape), found.dtype)
            if of_learner:
                array.flags.writeable = False
            getattr(made[self.groups.index(found.group)], kind)[key] = array
        if not of_learner:
            for (group, key), spare in self._spare.items():
                made[self.groups.index(group)].info[key] = spare
        self._by_slot[slot, of_learner] = made
        return made

    # Comparing -----------------------------------------------------------------------------------

    def _compare(self, spec: EnvSpec) -> None:
        same_step = lib.uerl_simulator_autoreset_mode(self._handle) == lib.UERL_AUTORESET_SAME_STEP
        for group in spec.groups:
            self._check_rows(group)
            self._bind_all(group, "observation", group.observation)
            self._bind_all(group, "action", group.action)
            self._bind_all(group, "info", group.info, optional=True)
            if same_step:
                self._bind_all(group, "final_observation", group.observation, optional=True)
                self._bind_all(group, "final_info", group.info, optional=True)
        parameters = {name: ArraySpec.box(None, None, (), "float64") for name in spec.parameters}
        self._bind_all(spec.groups[0], "parameter", parameters, optional=True)
        self._refuse_unknown(spec)

    def _check_rows(self, group: GroupSpec) -> None:
        own = [found for found in self._fields if found.group == group.name]
        if not own:
            raise LayoutMismatch(
                f"group {group.name} of this simulator is not in the learner's spec: {_REMEDY}"
            )
        num_envs = lib.uerl_simulator_num_envs(self._handle)
        if own[0].num_rows != num_envs * group.agents:
            raise LayoutMismatch(
                f"group {group.name} has {own[0].num_rows // num_envs} agents in the learner's "
                f"spec, this simulator has {group.agents}: {_REMEDY}"
            )
        if group.mask and not any(found.role == lib.UERL_ROLE_MASK for found in own):
            raise LayoutMismatch(
                f"group {group.name} has no mask in the learner's spec, this simulator has agents "
                f"that may be absent: {_REMEDY}"
            )

    def _bind_all(
        self,
        group: GroupSpec,
        kind: str,
        arrays: Mapping[str, ArraySpec],
        optional: bool = False,
    ) -> None:
        for key, array in arrays.items():
            try:
                self._bind(group.name, f"{kind}/{key}", ROLES[kind], array.dtype, array.shape)
            except SegmentNotFound as error:
                if not optional:
                    raise LayoutMismatch(str(error)) from None
                if kind == "info":
                    rows = lib.uerl_simulator_num_envs(self._handle) * group.agents
                    self._spare[group.name, key] = np.zeros((rows, *array.shape), array.dtype)

    def _bind(
        self, group: str, name: str, role: int, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> None:
        index = lib.uerl_simulator_bind(
            self._handle,
            group.encode(),
            name.encode(),
            role,
            DTYPES.index(dtype) + 1,
            len(shape),
            list(shape),
        )
        if index < 0:
            raise call_error(index)

    def _refuse_unknown(self, spec: EnvSpec) -> None:
        known = {
            (group.name, f"{kind}/{key}")
            for group in spec.groups
            for kind in ("observation", "action", "info")
            for key in getattr(group, kind)
        }
        known |= {(spec.groups[0].name, f"parameter/{key}") for key in spec.parameters}
        for found in self._fields:
            named = found.name.partition("/")[0] in ("observation", "action", "info", "parameter")
            if named and "/" in found.name and (found.group, found.name) not in known:
                raise LayoutMismatch(
                    f"array {found.name} of group {found.group} is in the learner's spec, this "
                    f"simulator has no such array: {_REMEDY}"
                )


def fields_of(handle: Any) -> Iterator[Field]:
    """List the arrays of an attached simulator, in the order of their numbers."""
    array = ffi.new("struct uerl_array *")
    for index in range(lib.uerl_simulator_num_arrays(handle)):
        code = lib.uerl_simulator_array(handle, index, array)
        if code < 0:
            raise call_error(code)
        yield Field(
            index,
            ffi.string(array.group).decode(),
            ffi.string(array.name).decode(),
            array.role,
            DTYPES[array.dtype - 1],
            tuple(array.shape[axis] for axis in range(array.num_dims)),
            array.num_rows,
        )
