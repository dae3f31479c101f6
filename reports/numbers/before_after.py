"""Scores at the switch and after fine-tuning, per cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.numbers.bounds import bounds_of, of_changes
from reports.numbers.calendars import Steps, online_calendars
from reports.numbers.grid import Gap, finished_curves
from reports.numbers.lost import NOTHING, Lost, lost
from reports.numbers.stats import Score, score
from reports.runs.cells import Cell
from reports.runs.curves import Curve

__all__ = ["LAST", "SCORE_COLUMNS", "BeforeAfter", "before_after"]

LAST = 3  # evaluations averaged for the score that does not depend on one lucky evaluation
SCORE_COLUMNS = ("switch", "final", "gain", "best", "last")  # fields of `BeforeAfter`, in the order of the table


@dataclass(frozen=True)
class BeforeAfter:
    """One row of the before-and-after table; a score is None where the cell cannot have it."""

    cell: Cell
    seeds: int
    final_step: int
    calendar: tuple[int, ...]  # steps of its own evaluations from the switch on
    shared: int  # of them, those that all entries of the task have, on which `best` and `last` rest
    switch: Score | None
    final: Score
    gain: Score | None  # final score minus that at the switch, of each seed; where there is an online phase
    best: Score | None
    last: Score | None
    lost: Lost = NOTHING  # seeds that diverged and have no score

    @property
    def scores(self) -> dict[str, Score | None]:
        """All of them by name."""
        return {name: getattr(self, name) for name in SCORE_COLUMNS}


def before_after(cells: Sequence[Cell], metric: str, seed: int) -> tuple[list[BeforeAfter], list[Gap]]:
    """Scores at the switch and afterwards of all finished cells; and the seeds, evaluations and cells left out."""
    finished, gaps = finished_curves(cells, metric)
    calendars, apart = online_calendars(finished)
    return [_row(*one, metric, seed, calendars.get(one[0].task)) for one in finished], [*gaps, *apart]


def _row(cell: Cell, curve: Curve, metric: str, seed: int, calendar: Steps | None) -> BeforeAfter:
    steps, values = curve.steps, curve.values  # [T], [n, T]
    bounds = bounds_of(cell, metric)
    online = calendar is not None and bool((steps > 0).any())
    since = values[:, np.flatnonzero(np.isin(steps, calendar if calendar is not None else []))]
    switch = values[:, steps == 0][:, 0] if 0 in steps else None
    gains = values[:, -1] - switch if online and switch is not None else None
    return BeforeAfter(
        cell=cell,
        seeds=len(curve.seeds),
        final_step=int(steps[-1]),
        calendar=tuple(steps[steps >= 0].tolist()),
        shared=since.shape[1] if online else 0,
        switch=None if switch is None else score(switch, seed, bounds),
        final=score(values[:, -1], seed, bounds),
        gain=None if gains is None else score(gains, seed, of_changes(bounds)),
        best=score(since.max(axis=1), seed, bounds) if online else None,
        last=score(since[:, -LAST:].mean(axis=1), seed, bounds) if online else None,
        lost=lost([(cell, curve)]),
    )
