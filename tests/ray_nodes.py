"""A Ray cluster of several nodes on this machine, whose processes are real, for tests that lose some of them."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from pure_nas.workers import Execution


class RayNodes:
    """A head that trains nothing, and nodes of one CPU each."""

    def __init__(self, cluster: Any, nodes: int) -> None:
        self._cluster = cluster
        self._nodes = [cluster.add_node(num_cpus=1) for _ in range(nodes)]
        cluster.wait_for_nodes()

    @property
    def execution(self) -> Execution:
        return Execution(kind="ray", ray_address=self._cluster.address)

    def lose_node(self) -> None:
        """Kill every process of the node that was added last."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def add_node(self) -> None:
        self._nodes.append(self._cluster.add_node(num_cpus=1))
        self._cluster.wait_for_nodes()

    def kill_a_worker(self) -> None:
        """Kill the process of one actor."""
        from ray.util.state import list_actors

        (actor, *_) = [each for each in list_actors(self._cluster.address) if each.state == "ALIVE"]
        os.kill(actor.pid, signal.SIGKILL)


@contextmanager
def ray_nodes(nodes: int) -> Iterator[RayNodes]:
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # of the nodes' processes
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            yield RayNodes(cluster, nodes)
        finally:
            ray.shutdown()
            cluster.shutdown()
