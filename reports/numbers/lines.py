"""Learning curves: the interquartile mean over seeds with its interval, at every evaluation of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.numbers import stats
from reports.numbers.bounds import Bounds, bounds_of
from reports.numbers.grid import usable
from reports.runs.cells import Cell
from reports.runs.curves import Curve

__all__ = ["Coarse", "Line", "lines_of"]

LEGIBLE = 60  # evaluations that a panel can show one by one
POINTS = 40  # about so many means are drawn instead


@dataclass(frozen=True)
class Coarse:
    """A curve of many evaluations made legible: every seed's means of `each` in a row, and their IQM and limits."""

    each: int
    steps: NDArray[np.int64]  # [T], the middle of each; none holds evaluations of both sides of the switch
    point: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


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
    coarse: Coarse | None = None  # where there are too many evaluations to be seen one by one

    @property
    def legible(self) -> Line | Coarse:
        """What a small panel shows."""
        return self.coarse or self


def lines_of(cells: Sequence[Cell], metric: str, seed: int) -> list[Line]:
    """The curves of every cell that has the metric, unfinished ones included."""
    out = []
    for cell in cells:
        everything, (curve, _) = cell.curve(metric), usable(cell, metric)
        if everything is None or curve is None:
            continue
        bounds = bounds_of(cell, metric)
        low, high = stats.iqm_interval(curve.values, seed, bounds)
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
                coarse=_coarse(curve, seed, bounds) if len(curve.steps) > LEGIBLE else None,
            )
        )
    return out


def _coarse(curve: Curve, seed: int, bounds: Bounds) -> Coarse:
    each = -(-len(curve.steps) // POINTS)
    sides = [np.flatnonzero(side) for side in (curve.steps <= 0, curve.steps > 0)]
    groups = [side[i : i + each] for side in sides for i in range(0, len(side), each)]
    values = np.stack([curve.values[:, group].mean(axis=1) for group in groups], axis=1)  # [seeds, T]
    steps = np.array([round(float(curve.steps[group].mean())) for group in groups], dtype=np.int64)
    low, high = stats.iqm_interval(values, seed, bounds)
    return Coarse(each, steps, stats.iqm(values), low, high)
