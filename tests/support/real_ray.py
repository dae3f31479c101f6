"""A Ray cluster of several nodes on this machine, for tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["add_node", "node_of", "two_nodes"]

_STORE = {"object_store_memory": 80 * 2**20}


def two_nodes() -> Any:
    """Start a head that trains nothing, and two nodes with a core and what they call a GPU each."""
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **_STORE})
    for _ in range(2):
        add_node(cluster)
    return cluster


def add_node(cluster: Any) -> None:
    """Start one more node."""
    cluster.add_node(num_cpus=1, num_gpus=1, **_STORE)


def node_of(cluster: Any, words: str) -> Any:
    """The node that runs a command: the one whose daemon is its grandparent."""
    found = [
        path.parent
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if words in path.read_bytes().decode(errors="replace").replace("\0", " ") and "--ray" not in path.read_text()
    ]
    daemons = {parent(parent(int(path.name))) for path in found}
    (node,) = [n for n in cluster.list_all_nodes() if n.all_processes["raylet"][0].process.pid in daemons]
    return node


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
