"""Ray's cluster for the examples: the one that there is, or nodes simulated on this machine."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from uerl_shm.ray import ROLLOUT_SPACE

STORE_BYTES = 100 << 20  # of each simulated node, for objects of Ray


class Nodes:
    """Nodes of Ray that are processes of this machine: a head without simulators, and others.

    Each other node stands for a Pod: it offers a `ROLLOUT_SPACE`, and its ``UERL_SHM_NAME`` is a
    name of its own. (All of them share this machine's /dev/shm, which Pods do not.)

    Args:
        num_nodes: Beside the head.
        name: What their segment names begin with.
        cpus: Of each, as Ray counts them.
    """

    def __init__(self, num_nodes: int, name: str, cpus: float = 2.0) -> None:
        self.names = [f"{name}-{number}" for number in range(num_nodes)]
        self._cpus = cpus
        # All that Ray writes. Paths of its sockets may have 107 bytes: no longer TMPDIR fits.
        self._folder = os.environ["RAY_TMPDIR"] = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self._cluster = Cluster()
        self._start(include_dashboard=False)
        self.nodes = [self.add(name) for name in self.names]
        # Without the dashboard Ray complains there, twice a second.
        ray.init(address=self._cluster.address, log_to_driver=False)

    def _start(self, **options: Any) -> Any:
        return self._cluster.add_node(
            num_cpus=self._cpus, object_store_memory=STORE_BYTES, **options
        )

    def add(self, name: str) -> Any:
        """Start a node whose segments have a name; return Ray's handle of it."""
        return self._start(resources={ROLLOUT_SPACE: 1}, env_vars={"UERL_SHM_NAME": name})

    def lose(self, number: int) -> None:
        """Kill every process of Ray on a node, as when a Pod is deleted, and start another."""
        self._cluster.remove_node(self.nodes[number], allow_graceful=False)
        self.nodes[number] = self.add(self.names[number])

    def close(self) -> None:
        """End Ray and all nodes."""
        ray.shutdown()
        self._cluster.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def connected(local_nodes: int) -> Iterator[Nodes | None]:
    """Connect this process to Ray.

    Args:
        local_nodes: How many nodes to simulate here; 0: join the cluster that there is, whose head
            started this process (a RayJob) or whose address is in ``RAY_ADDRESS``.
    """
    # Ray's processes import the neighbours of this script from where it is, if that stands here by
    # its real name: the folder may be a link.
    sys.path.append(str(Path(__file__).resolve().parent))
    if local_nodes == 0:
        ray.init(address="auto")
        try:
            yield None
        finally:
            ray.shutdown()
        return
    # Without a token whoever reaches this machine reaches them too: for a trusted network.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    nodes = Nodes(local_nodes, f"ray-{os.getpid()}")
    try:
        yield nodes
    finally:
        nodes.close()
