"""The page's statistics over tasks: tables and figures of the complete grid."""

from __future__ import annotations

from typing import Any

from reports.numbers.grid import SCALES
from reports.page.report import Report
from reports.pictures import plots
from reports.pictures.embed import Shown
from reports.pictures.look import Style
from reports.pictures.matrices import improvement_matrix
from reports.tables.differences import improvement_table, pairs_table
from reports.tables.scores import aggregate_table

__all__ = ["over_tasks"]

BARS = 3  # entries up to which pairs are bars; more of them are squares


def over_tasks(report: Report, styles: dict[str, Style]) -> dict[str, Any]:
    """Statistics over the complete grid; only `why_not` if there is none."""
    results, metric, grid = report.results, report.results.metric, report.results.grid
    if grid is None:
        scales = ", ".join(SCALES)
        return {"why_not": f"{metric!r} is not on one scale across tasks; statistics need one of {scales}."}
    left_out = report.gaps("left_out_over_tasks", "Left out of the statistics over tasks.", grid.left_out)
    if not grid.labels:
        return {
            "why_not": "No task was completed by two or more of the compared algorithms.",
            "left_out": left_out,
        }
    seeds = {label: grid.seeds(label) for label in grid.labels}
    out: dict[str, Any] = {
        "grid": grid,
        "left_out": left_out,
        "table": report.table(aggregate_table(results.aggregates, len(grid.tasks), seeds)),
        "figures": _figures_over_tasks(report, styles),
    }
    if results.over_tasks is not None:
        out["differences"] = report.table(pairs_table(results.over_tasks.pairs, metric, "differences_over_tasks"))
    if results.improvements:
        out["improvement"] = report.table(improvement_table(results.improvements))
    return out


def _figures_over_tasks(report: Report, styles: dict[str, Style]) -> list[Shown]:
    """Aggregates, profiles, sample efficiency and probabilities of improvement, those that there are."""
    results, metric, grid = report.results, report.results.metric, report.results.grid
    if grid is None:
        return []
    says = "{} of " + ", ".join(grid.labels) + "."
    out = [
        report.figure(
            "aggregates",
            "Aggregates over tasks; bar: interval, line: estimate",
            says.format("Aggregates, as in the table,"),
            plots.aggregate_bars(results.aggregates, metric, styles),
        ),
        report.figure(
            "profile",
            "Performance profile: higher is better at every threshold",
            says.format("Performance profiles"),
            plots.profiles(grid, metric, styles),
        ),
    ]
    shares, x_name = results.efficiency
    if shares:
        figure = plots.efficiency(shares, x_name, metric, styles)
        title = "Sample efficiency: IQM over all runs of the grid"
        out.append(report.figure("efficiency", title, says.format("Sample-efficiency curves"), figure))
    pairs = results.improvements
    if pairs:
        many = len(grid.labels) > BARS
        title = "Probability of improvement: P(X > Y), X the row; bold: the interval leaves out 0.5"
        figure = improvement_matrix(pairs, grid.labels) if many else plots.improvement_bars(pairs)
        title = title if many else "Probability of improvement"
        out.append(report.figure("improvement", title, "Who scores above whom, as in the table below.", figure))
    return out
