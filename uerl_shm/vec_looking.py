"""What a `VecEnv` shows: pictures, counters, annotations, its memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from uerl_shm import _core
from uerl_shm.errors import SpecError
from uerl_shm.output import Output
from uerl_shm.spec import EnvSpec
from uerl_shm.vec_making import Rows


class Looking:
    """The part of `VecEnv` that steps nothing."""

    _core: Any
    _spec: EnvSpec
    _output: Output
    _rows: Rows
    render_mode: str | None
    num_worlds: int

    def render(self) -> tuple[np.ndarray, ...]:
        """Return each world's last picture: ``(height, width, 3)`` uint8 arrays of their own."""
        name = self._spec.render
        if self.render_mode is None or name is None:
            raise SpecError("render() without a render mode, expected render_mode='rgb_array'")
        group = self._spec.groups[0]
        observation = self._core.current()[0]
        if len(self._spec.groups) > 1:
            observation = observation[group.name]
        pictures = observation[name] if len(group.observation) > 1 else observation
        if pictures.shape[-1] == 1:
            pictures = np.repeat(pictures, 3, axis=-1)
        return tuple(np.array(picture) for picture in pictures)

    def stats(self) -> dict[str, Any]:
        """Return counters since the start.

        steps (rows delivered), batches, copied_batches, gathered_rows, copied_rows, superseded,
        discarded, violations, dropped_messages, late, lost, wait_s (seconds of waiting),
        held_slots, segment_bytes.
        """
        return {**self._core.stats(), "segment_bytes": self._core.segment_bytes}

    def elapsed_steps(self) -> Any:
        """Return the steps of each row's episode, as of its last observation; 0: it is the first.

        int64, shape ``(num_envs,)``, the caller's own; a dict by group where there are several.
        """
        groups = self._spec.groups
        steps = {group.name: self._core.elapsed_steps(i) for i, group in enumerate(groups)}
        return steps if len(groups) > 1 else steps[groups[0].name]

    def is_first(self) -> Any:
        """Return whether each row's last observation is the first of its episode; bool, as above.

        What a recurrent policy clears its memory by.
        """
        steps = self.elapsed_steps()
        if isinstance(steps, dict):
            return {name: rows == 0 for name, rows in steps.items()}
        return steps == 0

    def post(self, data: bytes | str, simulator: int) -> None:
        """Send a simulator bytes of your own with its next step, or the one after, in turn.

        A simulator sees them with that command: `uerl_simulator_message`, ``command.message``,
        Unreal's ``OnMessage``.

        Args:
            data: At most the spec's ``message_bytes``; text is sent as UTF-8.
            simulator: Its number: that of its first env by ``envs_per_simulator``.

        Raises:
            SpecError: Too many bytes, or no such simulator.
        """
        if not 0 <= simulator < self._rows.num_lanes:
            raise SpecError(
                f"simulator {simulator}, expected 0 to {self._rows.num_lanes - 1}: an env's is its "
                "number divided by envs_per_simulator"
            )
        if not isinstance(data, (bytes, bytearray, memoryview, str)):
            raise SpecError(f"message {data!r}, expected bytes or text: encode it")
        self._core.post(simulator, data.encode() if isinstance(data, str) else bytes(data))

    def messages(self) -> list[tuple[int, bytes]]:
        """Return what simulators sent with their results since the last call, the oldest first.

        ``[(simulator, bytes), ...]``. At most 4096, and 16 MiB, are kept until somebody asks; older
        ones are dropped, and counted in ``stats()["dropped_messages"]``.
        """
        return self._core.take_messages()  # type: ignore[no-any-return]

    def annotate(self, **values: Any) -> None:
        """Write numbers beside the last observations, for people and for the engine's overlay.

        Args:
            **values: By the names of ``annotations``: numbers or tensors, one for each row; a dict
                by group where there are several.

        Raises:
            SpecError: An unknown name, or another number of values than there are rows.
        """
        groups = self._spec.groups
        for name, given in values.items():
            for number, group in enumerate(groups):
                rows = given[group.name] if len(groups) > 1 else given
                if hasattr(rows, "detach"):
                    rows = rows.detach().cpu()
                array = np.ascontiguousarray(rows, np.float32).reshape(-1)
                index, num_rows = self._annotation(number, name)
                if len(array) != num_rows:
                    raise SpecError(
                        f"annotation {name!r} has {len(array)} values, expected {num_rows}: one "
                        "for each row"
                    )
                self._core.annotate(index, array)

    def _annotation(self, group: int, name: str) -> tuple[int, int]:
        """Return the field of an annotation, and its rows."""
        known = []
        for index, field in enumerate(self._core.fields()):
            if field["role"] != _core.ROLES["annotation"] or field["group"] != group:
                continue
            known.append(field["name"].partition("/")[2])
            if known[-1] == name:
                return index, field["num_rows"]
        raise SpecError(
            f"annotation {name!r} is unknown, expected one of {known}: name it in "
            "VecEnv(annotations=[...])"
        )

    @property
    def pinned(self) -> bool:
        """Whether the segment is page-locked."""
        return self._output.memory is not None and self._output.memory.refusal is None

    def record_stream(self, stream: Any) -> None:
        """Let batches that are dropped from now on wait for a stream beside the current one.

        Args:
            stream: A ``torch.cuda.Stream`` that reads batches.

        Raises:
            SpecError: The segment is not page-locked: copies from it are finished when they
                return, and no stream has to be waited for.
        """
        if not self.pinned:
            raise SpecError(
                "memory is not page-locked, expected an env with pin_memory=True: without it no "
                "stream reads on its own time"
            )
        self._output.record_stream(stream)
