"""Learning curves of a DataFrame, whatever rows of it are left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.notebook.frame import COLUMNS
from reports.notebook.shown import shown
from reports.numbers.headline import headline_of
from reports.numbers.lines import lines_of
from reports.pictures.curves import curve_panels
from reports.pictures.styles import styles
from reports.runs.cells import Cell, Source
from reports.runs.curves import Curve
from suite.record.folders import RecordError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["curves_of"]

_DIVERGED = "diverged"


def curves_of(frame: pd.DataFrame, metric: str | None, seed: int, looks: Mapping[str, str]) -> Figure:
    """Draw what `reports.curves` does."""
    if missing := [column for column in COLUMNS if column not in frame.columns]:
        raise RecordError(f"the frame lacks the column {', '.join(missing)}; `reports.load` gives {', '.join(COLUMNS)}")
    metrics = sorted(set(frame["metric"]) - {_DIVERGED})
    if metric is not None and metric not in metrics:
        raise RecordError(f"no metric {metric!r} in these rows; there are {', '.join(metrics) or 'no rows'}")
    cells = [
        _cell(str(task), str(label), rows) for (task, label), rows in frame.groupby(["task", "algorithm"], sort=True)
    ]
    metric = headline_of(cells, metric)
    lines = lines_of(cells, metric, seed)
    if not lines:
        raise RecordError(f"nothing to draw: these rows have no {metric!r}")
    shown_as = styles([cell.label for cell in cells], looks)
    return shown(curve_panels(lines, sorted({line.task for line in lines}), metric, shown_as))


def _cell(task: str, label: str, rows: pd.DataFrame) -> Cell:
    """The rows of one algorithm on one task as a cell of a report."""
    curves = {str(name): _curve(f"{label} on {task}", own) for name, own in rows.groupby("metric") if name != _DIVERGED}
    gone = rows[rows["metric"] == _DIVERGED]
    diverged = {int(s): int(step) for s, step in gone.groupby("seed")["step"].min().items()}
    seeds = tuple(sorted({int(s) for s in rows["seed"]}))
    return Cell(task, label, (Source("frame", label, task, seeds, True, {}, {}, curves, diverged, ()),))


def _curve(where: str, rows: pd.DataFrame) -> Curve:
    """One metric with a row for each seed and a column for each step."""
    if rows.duplicated(["seed", "step"]).any():
        row: Any = rows[rows.duplicated(["seed", "step"])].iloc[0]
        raise RecordError(
            f"{where}: two values of {row['metric']!r} for seed {row['seed']} at step {row['step']}; runs of one "
            "algorithm that differ need names of their own in the column algorithm"
        )
    table = rows.pivot(index="seed", columns="step", values="value").sort_index(axis=1)
    return Curve(tuple(int(s) for s in table.index), np.asarray(table.columns, np.int64), table.to_numpy(np.float64))
