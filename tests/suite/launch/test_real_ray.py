"""A real Ray cluster of two nodes on this machine, one of which is killed while it trains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Bench
from real_ray import node_of, two_nodes
from signalled import wait_for

from suite.record.folders import read_run, read_status

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="no ray: pip install 'awac-bench[ray]'")

CELLS = ("--algo", "sac-scratch,bc", "--env", "point-reach", "--seeds", "1", "--profile", "smoke", "--threads", "1")
LENGTH = ("--set", "online_steps=1600", "--set", "eval_every_online=80", "--set", "dataset_seed=9")


@pytest.fixture
def cluster() -> Iterator[Any]:
    cluster = two_nodes()
    yield cluster
    cluster.shutdown()


def start(address: str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "suite.cli", "run", *CELLS, *LENGTH, "--ray", address, *words]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def online(run: str) -> bool:
    return any("online" in path.read_text() for path in Path("runs").glob(f"*/sac-scratch/{run}/metrics.csv"))


def test_a_cell_goes_on_elsewhere_when_its_node_is_killed(bench: Bench, cluster: Any) -> None:
    """To the same end as on one machine, byte for byte; and Ctrl-C stops cleanly."""
    first = start(cluster.address, "--cells-per-job", "2", "--workers", "0")
    wait_for(lambda: online("smoke-*") or first.poll() is not None, 300)
    assert first.poll() is None, first.stderr and first.stderr.read()
    cluster.remove_node(node_of(cluster, "suite.cli run --algo sac-scratch"), allow_graceful=False)
    out, said = first.communicate(timeout=400)
    assert first.returncode == 0, said
    assert said.count("goes on from its last checkpoint, on another node") == 1, said
    assert "resuming at step" in said
    folders = {Path(line).parent.name: Path(line) for line in out.splitlines()}
    assert folders.keys() == {"sac-scratch", "bc"}
    assert bench("run", *CELLS, *LENGTH, "--out", "undisturbed", "--workers", "0").code == 0
    for folder in folders.values():
        whole = Path("undisturbed", *folder.parts[1:])
        assert read_run(folder).finished
        assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()

    second = start(cluster.address, "--workers", "0", "--name", "again", "--set", "online_steps=8000", "--jobs", "1")
    wait_for(lambda: online("again-*") or second.poll() is not None, 300)
    os.kill(second.pid, signal.SIGINT)
    out, said = second.communicate(timeout=200)
    assert second.returncode == 128 + signal.SIGTERM, said
    assert (out, said.count("not started")) == ("", 1)
    (stopped,) = Path("runs").glob("*/*/again-*")
    assert read_status(stopped)["state"] == "stopped"
