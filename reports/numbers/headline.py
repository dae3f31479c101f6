"""The headline of a report: the metric that its curves and tables show."""

from __future__ import annotations

from collections.abc import Sequence

from reports.runs.cells import Cell
from reports.runs.curves import SCORES
from suite.record.folders import RecordError

__all__ = ["headline_of"]

HEADLINES = ("success", "normalized_score", "return")  # in this order, unless the user names one


def headline_of(cells: Sequence[Cell], metric: str | None) -> str:
    """The metric that curves and tables show: the user's, or the first of `HEADLINES` that every evaluated run has.

    So a task without a success rule moves the page to normalised scores. If no metric is in every run, the first that
    some run has is taken. Raises `RecordError` with the metrics that are recorded, if no run has the one asked for.
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
