"""Reference results run again on this machine, each as its record says."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from algos.settings import SettingError
from suite.experiment.again import repeat
from suite.experiment.request import Request
from suite.experiment.requirements import built_here, built_id
from suite.experiment.resolve import resolve
from suite.launch.run import run
from suite.launch.spread import Spread
from suite.record.reference import Packed
from suite.record.shapes import by_hand
from suite.record.writer import write_json
from suite.train.cell import run_folder
from suite.train.means import Means

__all__ = ["draw", "outdated", "request_of", "run_again"]


def draw(cells: Sequence[Packed], count: int, seed: int) -> list[Packed]:
    """So many of the cells at random, the same for the same seed, in their order; all of them if there are no more.

    Raises `SettingError` where there is none.
    """
    if not cells:
        raise SettingError("no reference result is of those algorithms on those tasks; see `bench reference list`")
    chosen = random.Random(seed).sample(range(len(cells)), min(count, len(cells)))
    return [cells[i] for i in sorted(chosen)]


def run_again(cells: Sequence[Packed], means: Means) -> tuple[list[tuple[Packed, Path]], int]:
    """Train cells anew, as `bench run --like` does, one by one; what is finished below `means.out` is left alone.

    On as many threads as each was, unless `means` says otherwise, as rounding depends on them. Returns the cells that
    were trained to their end, each with its run folder, and the exit code. The folder is not to be found by the cell's
    settings: today's may be more.
    """
    done: list[tuple[Packed, Path]] = []
    for cell in cells:
        request, threads = request_of(cell)
        hardware = replace(means.hardware, threads=means.hardware.threads or threads)
        code = run(request, replace(means, hardware=hardware), Spread())
        if code:
            return done, code
        done.append((cell, run_folder(resolve(request), means.out)))
    return done, 0


def request_of(cell: Packed) -> tuple[Request, int]:
    """The request that makes a cell, whatever the defaults are now, and the threads it was made with."""
    with tempfile.TemporaryDirectory() as folder:
        write_json(Path(folder) / "run.json", cell.run.run)
        write_json(Path(folder) / "status.json", cell.run.status)
        return repeat(Path(folder))


def outdated(cell: Packed) -> str:
    """Why the suite of today would make another experiment of what a cell's user asked for; "" where it would not."""
    request, _ = request_of(cell)
    experiment = resolve(request)
    if built_here(experiment) and built_id(experiment) != cell.run.run["dataset"]["id"]:
        return "was trained on data that are made otherwise now"
    asked = by_hand(cell.run.run["settings"])
    moved = [f"{one.name}={one.value}" for one in request.overrides if one.name not in asked]
    return f"was run with what is no default any more: {', '.join(moved)}" if moved else ""
