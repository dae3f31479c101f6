"""Learning curves: the interquartile mean over seeds with its interval, at every evaluation of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.numbers import stats
from reports.numbers.bounds import bounds_of
from reports.numbers.grid import usable
from reports.runs.cells import Cell
from reports.runs.curves import Curve

__all__ = ["Line", "lines_of"]


@dataclass(frozen=True)
class Line:
    """A learning curve: IQM and limits at `steps`, each [T]; `all_seeds` has every seed at its own steps."""

    label: str
    task: str
    finished: bool
    offline_only: bool
    steps: NDArray[np.int64]
    point: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    all_seeds: Curve
    diverged: frozenset[int]


def lines_of(cells: Sequence[Cell], metric: str, seed: int) -> list[Line]:
    """The curves of every cell that has the metric, unfinished ones included."""
    out = []
    for cell in cells:
        everything, (curve, _) = cell.curve(metric), usable(cell, metric)
        if everything is None or curve is None:
            continue
        low, high = stats.iqm_interval(curve.values, seed, bounds_of(cell, metric))
        out.append(
            Line(
                label=cell.label,
                task=cell.task,
                finished=cell.finished,
                offline_only=cell.offline_only,
                steps=curve.steps,
                point=stats.iqm(curve.values),
                low=low,
                high=high,
                all_seeds=everything,
                diverged=frozenset(cell.diverged),
            )
        )
    return out
