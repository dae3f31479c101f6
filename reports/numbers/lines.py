"""What the numbers say, in one place for the page: curves and the metric here, the rest from its modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.numbers import stats
from reports.numbers.before_after import LAST, SCORE_COLUMNS, BeforeAfter, before_after
from reports.numbers.grid import SCALES, Common, Gap, common, efficiency, improvements, usable
from reports.numbers.notes import coverage_note, spread_note, warnings
from reports.numbers.online import Online, online
from reports.numbers.pairs import Pair, over_tasks, per_task
from reports.numbers.stats import Score
from reports.runs.collect import SCORES, Cell, Curve
from suite.record.folders import RecordError

__all__ = [
    "LAST", "SCALES", "SCORE_COLUMNS", "BeforeAfter", "Common", "Gap", "Line", "Online", "Pair", "Score",
    "before_after", "common", "coverage_note", "efficiency", "headline", "improvements", "lines", "online",
    "over_tasks", "per_task", "spread_note", "warnings",
]  # fmt: skip

HEADLINES = ("success", "normalized_score", "return")  # in this order, unless the user names one


@dataclass(frozen=True)
class Line:
    """A learning curve: IQM and limits at `steps` [T], single seeds in `seeds` [n, T] over `seed_steps`."""

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


def lines(cells: Sequence[Cell], metric: str, seed: int) -> list[Line]:
    """The curves of every cell that has the metric, unfinished ones included."""
    out = []
    for cell in cells:
        everything, (curve, _) = cell.curve(metric), usable(cell, metric)
        if everything is None or curve is None:
            continue
        low, high = stats.iqm_interval(curve.values, seed)
        out.append(
            Line(
                cell.label, cell.task, cell.finished, cell.offline_only, curve.steps, stats.iqm(curve.values),
                low, high, everything, frozenset(cell.diverged),
            )
        )  # fmt: skip
    return out


def headline(cells: Sequence[Cell], metric: str | None) -> str:
    """The metric that curves and tables show: the user's, or the first of `HEADLINES` that every evaluated run has.

    A task without a success rule so moves the page to normalised scores. If no metric is everybody's, the first that
    somebody has. Raises `RecordError` with the metrics there are, if nobody has it.
    """
    recorded = [source.curves.keys() for cell in cells for source in cell.sources]
    evaluated = [names for names in recorded if not names.isdisjoint(SCORES)]
    if metric is None:
        everybodys = [name for name in HEADLINES if all(name in names for names in evaluated)]
        somebodys = [name for name in HEADLINES if any(name in names for names in evaluated)]
        metric = [*everybodys, *somebodys, HEADLINES[0]][0]
    if not any(metric in names for names in recorded):
        present = ", ".join(sorted(set().union(*recorded))) or "none at all"
        raise RecordError(f"no run has the metric {metric!r}; recorded are: {present}")
    return metric
