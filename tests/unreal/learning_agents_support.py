"""The mock of Learning Agents' engine: building it, starting it, and what it sends and expects."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import numpy as np

from uerl_shm.learning_agents import Experience, Trainer
from uerl_shm.learning_agents_config import named_guids

HERE = Path(__file__).parent
PROGRAM = "learning_agents_mock"
SHM = Path("/dev/shm")
NUM_NETWORKS = 4
MAX_EPISODES, MAX_STEPS = 16, 256
# In the order in which the mock fills them.
ARRAYS = (
    ("observations", "Default"),
    ("observations", "Rays"),
    ("actions", "Default"),
    ("action_modifiers", "Default"),
    ("memory_states", "Default"),
    ("memory_states", "Nothing"),
    ("rewards", "Default"),
    ("final_observations", "Default"),
    ("final_observations", "Rays"),
    ("final_memory_states", "Default"),
    ("final_memory_states", "Nothing"),
)


def build(folder: Path) -> Path:
    """Compile the mock; return the program."""
    program = folder / PROGRAM
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror"]
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    source = HERE / "learning_agents_mock.cpp"
    subprocess.run([*compiler, *flags, source, "-o", program], check=True)
    return program


def start(program: Path, trainer: Trainer, *options: str) -> subprocess.Popen[str]:
    """Start an engine for a trainer; its last words come through stdout."""
    command = [program, *trainer.engine_arguments, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def last_words(engine: subprocess.Popen[str]) -> dict[str, str]:
    """Wait for the engine's end; return its last line, taken apart."""
    said, complaints = engine.communicate(timeout=20)
    assert engine.returncode == 0, (engine.returncode, complaints)
    return dict(pair.split("=") for pair in said.split())


def regions_of(trainer: Trainer, task_dir: Path) -> set[str]:
    """Every region of a training, the controls included."""
    return named_guids(task_dir / "Configs", trainer.guid) | {trainer.guid}


def left_behind(guids: set[str]) -> list[str]:
    """Those that still have a name."""
    return sorted(guid for guid in guids if (SHM / guid).exists())


def mix(seed: int, count: int) -> np.ndarray:
    """What the mock calls so: uint32 ``(count,)``."""
    start = np.uint32(seed * 2654435761 % 2**32)
    x = start + np.arange(count, dtype=np.uint32) * np.uint32(2246822519)
    x ^= x >> np.uint32(15)
    x *= np.uint32(2654435761)
    return x ^ (x >> np.uint32(13))


def snapshot(initial: bytes, network_id: int, iteration: int) -> bytes:
    """What the mock expects of a network at an iteration; 0: what it sends at first."""
    size = len(initial) - 24
    words = mix(0x80000000 + iteration * NUM_NETWORKS + network_id, -(-size // 4))
    return initial[:24] + words.tobytes()[:size]


def expected_columns(iteration: int) -> tuple[list[int], list[int], list[int]]:
    """Starts, lengths and completion modes at an iteration."""
    # One mix() for each: the mock asks for the numbers 1000 and 2000 onwards.
    words = mix(iteration, 2000 + MAX_EPISODES)
    starts: list[int] = []
    lengths: list[int] = []
    modes: list[int] = []
    steps = 0
    for episode in range(MAX_EPISODES):
        length = 1 + int(words[1000 + episode]) % 40
        if steps + length > MAX_STEPS:
            break
        starts.append(steps)
        lengths.append(length)
        modes.append(1 + int(words[2000 + episode]) % 2)
        steps += length
    return starts, lengths, modes


def wrong_bytes(experience: Experience, iteration: int) -> int:
    """Count the bytes of an experience that are not as the mock filled them."""
    columns = expected_columns(iteration)
    found = experience.starts, experience.lengths, experience.completion_modes
    if [column.tolist() for column in found] != list(columns):
        return 4 * MAX_EPISODES
    num_steps = sum(columns[1])
    wrong = 0
    for index, (kind, name) in enumerate(ARRAYS):
        array = getattr(experience, kind)[name]
        rows = len(columns[0]) if kind.startswith("final") else num_steps
        expected = mix(iteration * 64 + index, rows * array.shape[1])
        if array.shape[0] != rows or array.dtype != np.float32:
            return 4 * MAX_STEPS
        wrong += int((array.reshape(-1).view(np.uint8) != expected.view(np.uint8)).sum())
    return wrong
