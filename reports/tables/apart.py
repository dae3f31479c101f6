"""The table of reference results that cannot be compared with the runs of a report."""

from __future__ import annotations

from collections.abc import Sequence

from reports.numbers.bounds import bounds_of
from reports.numbers.grid import usable
from reports.numbers.intervals import Interval
from reports.numbers.stats import t_interval
from reports.runs.cells import Cell
from reports.runs.reference import Apart
from reports.tables.table import Table, decimals, numbers, text

__all__ = ["apart_table"]


def apart_table(apart: Sequence[Apart], metric: str) -> Table:
    """Each with its mean score at the end and what differs from the runs."""
    scores = [_final(one.cell, metric) for one in apart]
    digits = decimals(metric, [score.point for score in scores if score])
    rows = [
        [one.cell.task, one.cell.label, str(len(one.cell.seeds)), text(score, digits), one.differs]
        for one, score in zip(apart, scores, strict=True)
    ]
    records = [[*row[:3], *numbers(score), row[4]] for row, score in zip(rows, scores, strict=True)]
    header = ["task", "algorithm", "seeds", f"final {metric}", "differs in"]
    columns = ["task", "algorithm", "seeds", "final", "final_low", "final_high", "differs_in"]
    title = "Reference results that are in no figure and no test here, as they were not made as these runs were."
    return Table("reference_apart", title, header, rows, columns, records)


def _final(cell: Cell, metric: str) -> Interval | None:
    curve, _ = usable(cell, metric)
    return None if curve is None else t_interval(curve.values[:, -1], bounds_of(cell, metric))
