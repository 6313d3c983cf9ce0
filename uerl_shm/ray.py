"""DDP on Ray: one rank in each Pod steps the Pod's own simulators, and only gradients travel.

Ray Train (V2) places the ranks, connects them, and starts them again. The only module that imports
ray.train.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray.train
from ray.train.torch import TorchTrainer

from uerl_shm.claim import make_env

__all__ = ["ROLLOUT_SPACE", "checkpoint", "make_env", "report", "train"]

#: Ray's custom resource of a Pod with simulators: each Pod offers 1, and whoever steps them asks
#: for 1, so that no Pod gets two (UERL's word and way).
ROLLOUT_SPACE = "rollout_space"
# How often Ray takes in what ranks reported, who wait for it meanwhile. Its own 2 s would hold back
# every iteration that is shorter.
_INTERVAL = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"
_INTERVAL_S = "0.2"


def train(
    train_loop: Callable[[dict[str, Any]], Any],
    config: Mapping[str, Any] | None = None,
    *,
    num_pods: int,
    resources: Mapping[str, float] | None = None,
    storage_path: str | None = None,
    name: str | None = None,
    max_failures: int = 3,
    callbacks: Sequence[Any] = (),
) -> Any:
    """Run a training loop in ``num_pods`` Pods at once, one rank in each.

    ::

        def train_loop(config):
            env = uerl_shm.ray.make_env("uerl-sim apples", 16, output="torch")
            model = ray.train.torch.prepare_model(Policy())  # DDP: backward() averages gradients
            with uerl_shm.ray.checkpoint() as folder:
                done = restore(folder) if folder else 0
            for iteration in range(done, 100):
                ...
                uerl_shm.ray.report({"iteration": iteration}, save)

        uerl_shm.ray.train(train_loop, num_pods=2, storage_path="s3://bucket/runs")

    When a rank or its Pod is lost, Ray ends the other ranks, waits until the Pods are there again
    and calls the loop anew, which goes on from the last checkpoint. A simulator that is lost costs
    only its own rows: `VecEnv` masks them and starts it again.

    Args:
        train_loop: Called with ``config`` in a process of each Pod, with torch.distributed ready
            (gloo, or nccl where ``resources`` have a GPU). Every rank must take equally many
            gradient steps, and report equally often: they wait for each other.
        config: What the loop is called with.
        num_pods: How many ranks; Ray waits until so many nodes offer a `ROLLOUT_SPACE`.
        resources: What a rank asks of its node beside that, such as ``{"CPU": 4, "GPU": 1}``;
            None: one CPU. The simulators' are not Ray's to give.
        storage_path: Folder or bucket of the checkpoints, seen from every node; None: Ray's
            default, which only suits one machine.
        name: Of the run below ``storage_path``: a run of the same name goes on from its last
            checkpoint. None: a new one.
        max_failures: How often the loop may be called anew; -1: always.
        callbacks: Of class ``ray.train.UserCallback``; they see what every rank reports.

    Returns:
        Ray's ``Result``; ``result.metrics`` are those that rank 0 reported last, with the last
        checkpoint.

    Raises:
        ray.train.TrainingFailedError: The loop failed more often than ``max_failures``.
    """
    asked = dict(resources or {"CPU": 1})
    os.environ.setdefault(_INTERVAL, _INTERVAL_S)
    run = TorchTrainer(
        train_loop,
        train_loop_config=dict(config or {}),
        scaling_config=ray.train.ScalingConfig(
            num_workers=num_pods,
            use_gpu=asked.get("GPU", 0) > 0,
            resources_per_worker={**asked, ROLLOUT_SPACE: 1},
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=storage_path,
            failure_config=ray.train.FailureConfig(max_failures=max_failures),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
            callbacks=list(callbacks),
        ),
    )
    return run.fit()


def report(metrics: Mapping[str, Any], save: Callable[[Path], None] | None = None) -> None:
    """Tell Ray how far this rank is, and keep a checkpoint of rank 0.

    Returns when every rank has reported: all have to, equally often.

    Args:
        metrics: Of this rank: numbers and texts.
        save: Writes files into a folder; called on rank 0 only, whose parameters are everybody's.
            None: no checkpoint this time.
    """
    if save is None or ray.train.get_context().get_world_rank() != 0:
        ray.train.report(dict(metrics))
        return
    with tempfile.TemporaryDirectory(prefix="uerl_shm-checkpoint-") as folder:
        save(Path(folder))
        ray.train.report(dict(metrics), checkpoint=ray.train.Checkpoint.from_directory(folder))


@contextmanager
def checkpoint() -> Iterator[Path | None]:
    """Give the folder of the last checkpoint; None if there is none, because this run is new."""
    last = ray.train.get_checkpoint()
    if last is None:
        yield None
        return
    with last.as_directory() as folder:
        yield Path(folder)
