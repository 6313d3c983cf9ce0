"""Fixtures of the tests of Learning Agents' trainer: the compiled mock, and a stage for it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import learning_agents_support as support
import pytest

from uerl_shm.learning_agents import Trainer

NUM_REGIONS = 16  # of the mock, besides the controls


class Stage:
    """One trainer, and the engines that a test starts for it."""

    def __init__(self, program: Path, task_dir: Path) -> None:
        self.program = program
        self.task_dir = task_dir
        self.trainer = Trainer(task_dir)
        self.engines: list[subprocess.Popen[str]] = []

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start an engine."""
        engine = support.start(self.program, self.trainer, *options)
        self.engines.append(engine)
        return engine

    def begin(self, *options: str) -> tuple[Trainer, dict[int, bytes], subprocess.Popen[str]]:
        """Start an engine and wait for it; return trainer, initial networks, engine."""
        engine = self.start(*options)
        return self.trainer, self.trainer.wait_for_engine(engine, timeout_s=20), engine

    def regions(self) -> set[str]:
        """Names of all regions that there should be."""
        return support.regions_of(self.trainer, self.task_dir)

    def close(self) -> None:
        """End everything."""
        guids = self.regions()
        for engine in self.engines:
            engine.kill()
            engine.communicate()
        self.trainer.close()
        assert support.left_behind(guids) == []


@pytest.fixture(scope="module")
def learning_agents_program(tmp_path_factory) -> Path:
    """The mock, compiled once for all modules."""
    folder = tmp_path_factory.getbasetemp() / "learning_agents"
    if folder.exists():
        return folder / support.PROGRAM
    folder.mkdir()
    return support.build(folder)


@pytest.fixture
def stage(learning_agents_program, tmp_path) -> Iterator[Stage]:
    """A trainer without an engine; everything is gone at the end."""
    made = Stage(learning_agents_program, tmp_path / "task")
    yield made
    made.close()


def push_all(trainer: Trainer, initial: dict[int, bytes], iteration: int) -> list[bool]:
    return [
        trainer.push_network(network_id, support.snapshot(own, network_id, iteration))
        for network_id, own in initial.items()
    ]
