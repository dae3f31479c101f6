"""The page's statistics over tasks: tables and figures of the complete grid."""

from __future__ import annotations

from typing import Any

from reports.numbers.grid import SCALES, Common
from reports.page.report import Report
from reports.page.section import Section
from reports.pictures import plots
from reports.pictures.embed import Shown
from reports.pictures.matrices import improvement_matrix
from reports.tables.differences import improvement_table, pairs_table
from reports.tables.scores import aggregate_table

__all__ = ["section"]

BARS = 3  # entries up to which pairs are bars; more of them are squares


def section(report: Report) -> Section:
    """Statistics over the complete grid; only `why_not` if there is none.

    Of a single task there is nothing to aggregate: its runs are shown, and its differences stand with those of tasks.
    """
    grid = report.results.grid
    heading = "Statistics over tasks" if grid is None or len(grid.tasks) != 1 else "Runs against runs"
    return Section("over-tasks", "Over tasks", heading, _content(report, grid))


def _content(report: Report, grid: Common | None) -> dict[str, Any]:
    results, metric = report.results, report.results.metric
    if grid is None:
        scales = ", ".join(SCALES)
        return {
            "left_out": None,
            "differences": None,
            "why_not": f"{metric!r} is not on one scale across tasks; statistics need one of {scales}.",
        }
    left_out = report.gaps("left_out_over_tasks", "Left out of the statistics over tasks.", grid.left_out)
    if not grid.labels:
        why_not = "No task was completed by two or more of the compared algorithms."
        return {"left_out": left_out, "differences": None, "why_not": why_not}
    seeds = {label: grid.seeds(label) for label in grid.labels}
    several = len(grid.tasks) > 1
    table = report.table(aggregate_table(results.aggregates, len(grid.tasks), seeds))
    out: dict[str, Any] = {
        "why_not": "",
        "grid": grid,
        "incomplete": grid.incomplete,
        "left_out": left_out,
        "table": table if several else None,
        "figures": _figures(report, grid),
        "improvement": None,
        "differences": None,
    }
    if results.over_tasks is not None:
        differences = report.table(pairs_table(results.over_tasks.pairs, metric, "differences_over_tasks"))
        out["differences"] = differences if several else None
    if results.improvements:
        out["improvement"] = report.table(improvement_table(results.improvements))
    return out


def _figures(report: Report, grid: Common) -> list[Shown]:
    """Aggregates of several tasks, profiles and probabilities of improvement, those that there are."""
    results, metric = report.results, report.results.metric
    says, out = "{} of " + ", ".join(grid.labels) + ".", []
    if len(grid.tasks) > 1:
        out.append(
            report.figure(
                "aggregates",
                "Aggregates over tasks; bar: interval, line: estimate",
                says.format("Aggregates, as in the table,"),
                plots.aggregate_bars(results.aggregates, metric, report.styles),
            )
        )
    out.append(
        report.figure(
            "profile",
            "Performance profile: higher is better at every threshold",
            says.format("Performance profiles"),
            plots.profiles(grid, metric, report.styles),
        )
    )
    if pairs := results.improvements:
        many = len(grid.labels) > BARS
        title = "Probability of improvement: P(X > Y), X the row; bold: the interval leaves out 0.5"
        figure = improvement_matrix(pairs, grid.labels) if many else plots.improvement_bars(pairs)
        title = title if many else "Probability of improvement"
        out.append(report.figure("improvement", title, "Who scores above whom, as in the table below.", figure))
    return out
