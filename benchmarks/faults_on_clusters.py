"""Cells on clusters of this machine whose jobs are preempted and whose nodes are killed at random moments.

Read by `faults.py`. The cells' metrics are compared with those of the same command that nobody disturbed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

CELLS = ("--algo", "sac-scratch,td3", "--env", "point-reach", "--seeds", "1", "--profile", "smoke", "--threads", "1")
LENGTH = ("--set", "online_steps=1600", "--set", "eval_every_online=80", "--workers", "0")
PATIENCE = 600.0  # seconds without any progress, after which a cell counts as lost


def clusters(folder: Path, seed: int, count: int) -> Iterator[Sequence[object]]:
    """One row per kind of cluster: cells, jobs preempted, nodes killed, cells that ended the same, cells lost."""
    from real_slurm import lacking

    undisturbed = folder / "undisturbed"
    bench(folder, "--out", str(undisturbed)).wait()
    for name, disturbed in (("SLURM", slurm), ("Ray", ray)):
        if name == "SLURM" and (why := lacking()):
            print(f"no SLURM, {why}", file=sys.stderr)
            continue
        out = folder / name
        jobs, nodes = disturbed(folder, out, np.random.default_rng(seed), count)
        pairs = [(path.parent, out / path.parent.relative_to(undisturbed)) for path in metrics(undisturbed)]
        lost = [other for one, other in pairs if not equal(one, other)]
        for run in lost:
            print(
                f"lost: {run}",
                *(path.read_text() for path in (run / "log.txt", *out.glob("slurm/*.out"))),
                file=sys.stderr,
            )
        yield name, len(pairs), jobs, nodes, len(pairs) - len(lost), len(lost)


def slurm(folder: Path, out: Path, rng: np.random.Generator, count: int) -> tuple[int, int]:
    """Submit the cells and preempt them; returns how many jobs were, and no nodes."""
    from real_slurm import Slurm

    place = folder / "slurm"
    place.mkdir()
    cluster, preempted = Slurm(place), 0
    os.environ |= {name: cluster.environment[name] for name in ("SLURM_CONF", "PATH")}
    cluster.start()
    try:
        bench(folder, "--out", str(out), "--slurm", "time=30").wait()
        while advance(out, rng, lambda: bool(cluster.jobs())) and preempted < count:
            preempted += sum(state == "RUNNING" for state in cluster.jobs().values())
            high = cluster.take_the_place()
            while high in cluster.jobs():
                time.sleep(0.5)
        while advance(out, rng, lambda: bool(cluster.jobs())):
            pass
    finally:
        cluster.stop()
    return preempted, 0


def ray(folder: Path, out: Path, rng: np.random.Generator, count: int) -> tuple[int, int]:
    """Train the cells and kill their nodes, each replaced by a new one; returns no jobs, and how many nodes were."""
    from real_ray import add_node, node_of, two_nodes

    cluster, killed = two_nodes(), 0
    try:
        run = bench(folder, "--out", str(out), "--ray", cluster.address)
        while advance(out, rng, lambda: run.poll() is None) and killed < count:
            try:
                node = node_of(cluster, f"suite.cli run --algo {rng.choice(CELLS[1].split(','))}")
            except ValueError:  # it is between two nodes, or done
                continue
            cluster.remove_node(node, allow_graceful=False)
            killed += 1
            add_node(cluster)
        run.wait()
    finally:
        cluster.shutdown()
    return 0, killed


def bench(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start `bench run` on the cells."""
    with (folder / "said.txt").open("ab") as said:
        command = [sys.executable, "-m", "suite.cli", "run", *CELLS, *LENGTH, *words]
        return subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)


def advance(out: Path, rng: np.random.Generator, goes_on: Any) -> bool:
    """Wait until some cell has recorded more than it had, and a random moment longer; false where all has ended."""
    begun, before = time.monotonic(), recorded(out)
    while recorded(out) == before:
        if not goes_on() or time.monotonic() - begun > PATIENCE:
            return False
        time.sleep(0.5)
    time.sleep(rng.uniform(0, 5))
    return bool(goes_on())


def metrics(out: Path) -> list[Path]:
    """The metrics of all cells."""
    return sorted(out.glob("*/*/*/metrics.csv"))


def recorded(out: Path) -> int:
    """Bytes that all cells have recorded."""
    return sum(path.stat().st_size for path in metrics(out))


def equal(one: Path, other: Path) -> bool:
    """Whether a cell is finished and recorded the same as another."""
    from suite.record.folders import read_status

    files = [run / "metrics.csv" for run in (one, other)]
    return read_status(other).get("state") == "finished" and files[0].read_bytes() == files[1].read_bytes()
