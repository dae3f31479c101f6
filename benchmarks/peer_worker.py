"""One side of `peers.py`, run by that side's own Python; it needs nothing of this project unless SIDE is "ours".

    python peer_worker.py SIDE DATA.npz --hidden 256,256 --batch N --threads N [--algo NAME] [--seeds N] [--eager]

Each line on standard input is a number of seconds; the answer is one JSON line with the work done in them. The first
answer, unasked, gives the versions in use and, where known, the GFLOP of one piece of work. Idle workers wait for their
line and use no CPU.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from peer_job import PACKAGES, Job, Work

WARM_SECONDS = 0.5  # before each timed stretch: caches and clock recover from the other sides' work
MODULES = {"jax-corl": "peer_jax"}  # of the sides that are not in peer_sides


def work_for(work: Work, seconds: float) -> dict[str, float]:
    """Repeat `work` for at least so long; how many updates it made and the wall time they took."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds or not count:
        work.once()
        count += work.updates
    return {"count": count, "seconds": passed}


def job_and_side() -> tuple[Job, str]:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=PACKAGES)
    parser.add_argument("data")
    parser.add_argument("--hidden", required=True, help="widths, comma-separated; the scripts' own are fixed")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--algo", default="awac")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--act", action="store_true")
    parser.add_argument("--checkout", type=Path, default=Path())
    a = parser.parse_args()
    with np.load(a.data) as data:
        rows = dict(data)
    hidden = tuple(int(width) for width in a.hidden.split(","))
    return Job(rows, hidden, a.batch, a.threads, a.algo, a.seeds, a.eager, a.act, a.checkout), a.side


def main() -> None:
    """Build the side, then answer one line per line until standard input ends."""
    job, side = job_and_side()
    answers, sys.stdout = sys.stdout, sys.stderr  # the peers log to standard output
    sides = importlib.import_module(MODULES.get(side, "peer_sides"))
    sides.prepare(job.threads)
    work: Work = getattr(sides, side.replace("-", "_"))(job)
    hello = {"versions": {package: version(package) for package in PACKAGES[side]}, "gflop": work.gflop}
    print(json.dumps(hello), file=answers, flush=True)
    for line in sys.stdin:
        work_for(work, WARM_SECONDS)
        print(json.dumps(work_for(work, float(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
