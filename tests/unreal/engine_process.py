"""One process of the stand-in engine that a test starts, watches and ends by itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from uerl_shm import EnvSpec, VecEnv
from uerl_shm.describe import describe

SHM = Path("/dev/shm")
OFD_GETLK = 36  # F_OFD_GETLK, which older Pythons do not name
FIRST_LANE_BYTE = 16  # UERL_LOCK_LANES of layout.h
HANG_S = 60.0
MAP = re.compile(r"Shim: map (\S+) create=(\d) read=(\d) write=(\d) bytes=(\d+)")


@dataclass(frozen=True)
class Mapping:
    """One call of MapNamedSharedMemoryRegion, as the stand-in saw it."""

    name: str
    creates: bool
    reads: bool
    writes: bool
    bytes: int


def mappings(output: str) -> list[Mapping]:
    """Return every mapping that an engine tells of at its exit."""
    return [
        Mapping(name, create == "1", read == "1", write == "1", int(num_bytes))
        for name, create, read, write, num_bytes in MAP.findall(output)
    ]


class EngineProcess:
    """Runs ``program LEVEL arguments...``; everything that it says goes to a file."""

    def __init__(self, log: Path, argv: Sequence[object], **popen: object) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [str(word) for word in argv], stdout=file, stderr=subprocess.STDOUT, **popen
            )

    @property
    def output(self) -> str:
        """Everything that it has said so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str) -> str:
        """Wait until a line has this text; return the line."""
        until(lambda: text in self.output or self.process.poll() is not None)
        for line in self.output.splitlines():
            if text in line:
                return line
        raise AssertionError(f"{text!r} expected, the engine said: {self.output}")

    def wait(self) -> int:
        """Wait for its end; return the exit code, negative for a signal."""
        return self.process.wait(HANG_S)

    def stop(self) -> int:
        """Ask for an exit as a Pod's end does; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait(HANG_S)

    def num_fds(self) -> int:
        """How many files it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def problems(self) -> list[str]:
        """The plugin's error lines."""
        return [line for line in self.output.splitlines() if line.startswith("LogUerlShm: Error")]


@contextlib.contextmanager
def engine_process(log: Path, argv: Sequence[object], **popen: object) -> Iterator[EngineProcess]:
    """Start an engine; it is gone afterwards."""
    engine = EngineProcess(log, argv, **popen)
    try:
        yield engine
    finally:
        engine.kill()


@contextlib.contextmanager
def learner(name: str, spec: EnvSpec, **options: object) -> Iterator[VecEnv]:
    """A learner of one lane, whose engine was started before and attaches by itself."""
    env = VecEnv(
        num_envs=1, spec=spec, name=name, startup_timeout_s=20.0, on_death="mask", **options
    )
    try:
        yield env
    finally:
        env.close()


@contextlib.contextmanager
def learner_alone(
    program: Path, log: Path, name: str, spec: EnvSpec, **options: object
) -> Iterator[Path]:
    """A learner whose engine has left again; the path of its segment."""
    with engine_process(log, [program, "Walk", f"-UerlShm={name}"]) as engine:
        with learner(name, spec, **options):
            engine.stop()
            yield SHM / name


def spec_of(program: Path, level: str = "Walk") -> EnvSpec:
    """Return the spec that a level of the stand-in writes."""
    return describe([str(program), level])


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; a minute is a hang."""
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.005)


def lane_is_held(name: str, lane: int = 0) -> bool:
    """Whether a process holds a lane of a segment."""
    with (SHM / name).open("rb") as file:
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, FIRST_LANE_BYTE + lane, 1, 0)
        return struct.unpack("hhqqi4x", fcntl.fcntl(file, OFD_GETLK, lock))[0] != fcntl.F_UNLCK


class Stepping:
    """Steps an env from a thread until it raises, as a learner's loop does."""

    def __init__(self, env: VecEnv) -> None:
        self.error: BaseException | None = None
        self.num_steps = 0
        self._env = env
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                self._env.step(self._env.action_space.sample() * 0)
                self.num_steps += 1
        except Exception as error:  # whatever it is, the test asks for it
            self.error = error

    def wait(self) -> BaseException:
        """Wait for the loop's end; return what ended it."""
        self._thread.join(HANG_S)
        assert self.error is not None
        return self.error
