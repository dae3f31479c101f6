"""Seeds that were evaluated at different steps, brought to the same ones by straight lines between their evaluations.

Only where the user asks for it: a value between two evaluations is none that was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reports.runs.cells import Cell, counted
from reports.runs.curves import SCORES, Curve

__all__ = ["interpolated"]

Steps = NDArray[np.int64]


def interpolated(cells: Sequence[Cell]) -> list[Cell]:
    """The cells with every score at the steps of their task's coarsest calendar, as far as each cell's seeds reach.

    Lines are not drawn across the switch. Cells of tasks whose seeds all share one calendar are as they were.
    """
    out = []
    for cell in cells:
        beside = [other for other in cells if other.task == cell.task]
        for metric in SCORES:
            steps = _targets(cell, beside, metric)
            if steps is not None:
                cell = _at(cell, metric, steps)
        out.append(cell)
    return out


def _targets(cell: Cell, beside: Sequence[Cell], metric: str) -> Steps | None:
    """The steps at which a cell is compared with those beside it; None where nothing has to be done."""
    seeds = [steps for other in beside for steps in _calendars(other, metric)]
    own = _calendars(cell, metric)
    if not own or all(np.array_equal(steps, seeds[0]) for steps in seeds):
        return None
    parts = []
    for online in (False, True):
        mine = [steps[(steps > 0) == online] for steps in own]
        everybodys = [steps[(steps > 0) == online] for steps in seeds]
        if all(map(len, mine)):
            coarsest = min((steps for steps in everybodys if len(steps)), key=len)
            first, last = max(steps[0] for steps in mine), min(steps[-1] for steps in mine)
            parts.append(np.append(coarsest[(first <= coarsest) & (coarsest < last)], last))
    return np.unique(np.concatenate(parts)) if parts else None


def _calendars(cell: Cell, metric: str) -> list[Steps]:
    """The steps at which each seed that counts has the metric."""
    curve = cell.curve(metric)
    if curve is None:
        return []
    keep, _ = counted(curve, cell.diverged)
    return [curve.steps[~np.isnan(row)] for row in curve.values[keep]]


def _at(cell: Cell, metric: str, steps: Steps) -> Cell:
    """The cell with the metric at these steps; a seed that does not reach one has no value there."""
    sources = []
    for source in cell.sources:
        curve = source.curves.get(metric)
        if curve is not None:
            rows = [_row(curve.steps[~np.isnan(row)], row[~np.isnan(row)], steps) for row in curve.values]
            source = replace(source, curves={**source.curves, metric: Curve(curve.seeds, steps, np.array(rows))})
        sources.append(source)
    return replace(cell, sources=tuple(sources))


def _row(known: Steps, values: NDArray[np.float64], steps: Steps) -> NDArray[np.float64]:
    out = np.full(len(steps), np.nan)
    for own, wanted in ((known <= 0, steps <= 0), (known >= 0, steps > 0)):
        if own.any():
            inside = np.flatnonzero(wanted & (steps >= known[own][0]) & (steps <= known[own][-1]))
            out[inside] = np.interp(steps[inside], known[own], values[own])
    return out
