"""The tables and figures of a report by name: tables as DataFrames, figures of matplotlib; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.notebook.shown import shown
from reports.numbers.cost import costs_of
from reports.numbers.results import Results
from reports.pictures import curves, plots
from reports.pictures.cost import cost_panels
from reports.pictures.matrices import heat_map, improvement_matrix
from reports.pictures.styles import Style, styles
from reports.tables.cells import cells_table, gaps_table
from reports.tables.cost import cost_table
from reports.tables.differences import improvement_table, pairs_table
from reports.tables.online import online_table
from reports.tables.paper import paper_tables
from reports.tables.ranking import leaders_table, ranking_table
from reports.tables.scores import aggregate_table, before_after_table, finals_table
from reports.tables.table import Table
from suite.record.folders import RecordError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "TABLES", "figure_of", "table_of"]

Styles = Mapping[str, Style]


def _pairs(results: Results) -> Table:
    return pairs_table([pair for verdict in results.per_task for pair in verdict.pairs], results.metric)


def _over_tasks(results: Results) -> Table:
    pairs = results.over_tasks.pairs if results.over_tasks else []
    return pairs_table(pairs, results.metric, "differences_over_tasks")


def _aggregates(results: Results) -> Table:
    grid = results.grid
    seeds = {label: grid.seeds(label) for label in grid.labels} if grid else {}
    return aggregate_table(results.aggregates, len(grid.tasks) if grid else 0, seeds)


def _paper(which: int) -> Callable[[Results], Table | None]:
    def table(results: Results) -> Table | None:
        found = paper_tables(results.before_after[0], results.per_task, results.averages, results.metric)
        return found[which] if found else None

    return table


# name, as of the file in a report's folder -> how it is made; None where there is nothing to show
TABLES: Mapping[str, Callable[[Results], Table | None]] = {
    "ranking": lambda r: ranking_table(r.main, r.metric) if r.main else None,
    "leaders": lambda r: leaders_table(r.per_task, r.metric),
    "paper_means": _paper(0),
    "paper_iqms": _paper(1),
    "before_after": lambda r: before_after_table(r.before_after[0], r.metric),
    "finals": lambda r: finals_table(r.before_after[0], r.metric),
    "online": lambda r: online_table(r.online[0], r.metric),
    "differences": _pairs,
    "differences_over_tasks": _over_tasks,
    "aggregates": _aggregates,
    "improvement": lambda r: improvement_table(r.improvements),
    "left_out": lambda r: gaps_table("left_out", "", [*r.before_after[1], *r.online[1]]),
    "cells": lambda r: cells_table(r.cells, []),
    "cost": lambda r: cost_table(costs_of(r.cells)),
}


def _curves(results: Results, styles: Styles) -> Figure | None:
    tasks = sorted({line.task for line in results.lines})
    return curves.curve_panels(results.lines, tasks, results.metric, styles) if tasks else None


def _heat_map(results: Results, styles: Styles) -> Figure | None:
    scores: dict[str, dict[str, float]] = {}
    for row in results.before_after[0]:
        scores.setdefault(row.cell.label, {})[row.cell.task] = np.nan if row.lost else row.final.iqm.point
    tasks = sorted({task for own in scores.values() for task in own})
    return heat_map(scores, tasks, results.metric) if scores else None


def _aggregate_bars(results: Results, styles: Styles) -> Figure | None:
    return plots.aggregate_bars(results.aggregates, results.metric, styles) if results.aggregates else None


def _profile(results: Results, styles: Styles) -> Figure | None:
    grid = results.grid
    return plots.profiles(grid, results.metric, styles) if grid and grid.labels else None


def _efficiency(results: Results, styles: Styles) -> Figure | None:
    shares, x_name = results.efficiency
    return plots.efficiency(shares, x_name, results.metric, styles) if shares else None


def _improvement(results: Results, styles: Styles) -> Figure | None:
    grid = results.grid
    return improvement_matrix(results.improvements, grid.labels) if grid and results.improvements else None


def _cost(results: Results, styles: Styles) -> Figure | None:
    costs = {(one.cell.task, one.cell.label): one for one in reversed(costs_of(results.cells))}
    return cost_panels(results.lines, costs, results.metric, styles)


FIGURES: Mapping[str, Callable[[Results, Styles], Any]] = {
    "learning_curves": _curves,
    "finals": _heat_map,
    "aggregates": _aggregate_bars,
    "profile": _profile,
    "efficiency": _efficiency,
    "improvement": _improvement,
    "cost": _cost,
}


def table_of(results: Results, name: str) -> pd.DataFrame:
    """One of TABLES with the columns of its CSV; without rows where there is nothing to show."""
    import pandas as pd

    table = _known(TABLES, name, "table")(results)
    return pd.DataFrame() if table is None else pd.DataFrame(list(table.records), columns=list(table.columns))


def figure_of(results: Results, name: str, looks: Mapping[str, str]) -> Figure:
    """One of FIGURES; raises `RecordError` where there is nothing to draw."""
    draw = _known(FIGURES, name, "figure")
    figure: Figure | None = draw(results, styles([cell.label for cell in results.cells], looks))
    if figure is None:
        raise RecordError(f"nothing to draw in {name!r}: these results have none of it by {results.metric}")
    return shown(figure)


def _known(things: Mapping[str, Any], name: str, kind: str) -> Any:
    if name not in things:
        raise RecordError(f"no {kind} {name!r}; there are {', '.join(things)}")
    return things[name]
