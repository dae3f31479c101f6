"""The sections of the page in their order. A section is a function in one list and a template of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from reports.numbers.bounds import floor_of
from reports.numbers.intervals import REPS
from reports.page import first, over_tasks, scores, summary, tasks
from reports.page.claims import claims_of
from reports.page.live import as_script
from reports.page.report import Report
from reports.page.runs import settings_table
from reports.page.section import Section
from reports.pictures.cost import cost_panels
from reports.tables.apart import apart_table
from reports.tables.beside import beside, beside_table
from reports.tables.cells import cells_table
from reports.tables.cost import cost_table
from suite.record.metrics import METRICS
from suite.record.papers import printed

__all__ = ["SECTIONS", "content_of"]

EXPLAINED = ("rliable", "numpy", "matplotlib")


def _beside(report: Report) -> Section | None:
    """The papers' numbers, all those of the suite's place or, without one, those that something here answers."""
    cells, suite = report.results.cells, report.suite
    if suite is not None:
        rows = beside(cells, printed(suite.place) if suite.place else [])
    else:
        rows = [row for row in beside(cells, printed()) if row.ours is not None]
    table = report.some(beside_table(rows))
    return None if table is None else Section("beside", "Beside the papers", "Beside the papers", {"table": table})


def _claims(report: Report) -> Section | None:
    """The claims of the papers that the runs of a report decide, or a part of which they have."""
    table = claims_of(report)
    return None if table is None else Section("claims", "Claims", "What the papers say", {"table": table})


def _apart(report: Report) -> Section | None:
    """The reference results that are beside nothing here."""
    table = report.some(apart_table(report.apart, report.results.metric))
    heading = "Reference results made otherwise"
    return None if table is None else Section("reference-apart", "Reference", heading, {"table": table})


def _cost(report: Report) -> Section | None:
    """Wall time, rate and device of every cell, and score against wall time; nothing where no run says its time."""
    costs = list(report.costs.values())
    if not costs:
        return None
    results, metric = report.results, report.results.metric
    figure = cost_panels(results.lines, report.costs, metric, report.styles)
    says = "The learning curves against the time since the start of a run; the times are in the table."
    drawn = figure and report.figure("cost", f"{metric} against wall time, IQM over seeds", says, figure)
    content = {"table": report.table(cost_table(costs)), "figure": drawn}
    return Section("cost", "Time and cost", "Time and cost", content)


def _cells(report: Report) -> Section:
    return Section(
        "cells", "Cells", "Cells", {"table": report.table(cells_table(report.results.cells, report.missing))}
    )


def _runs(report: Report) -> Section | None:
    settings_table(report.results.cells).write(report.folder / "tables")
    return Section("runs", "Runs", "Runs", {}) if report.runs.views else None


def _method(report: Report) -> Section:
    cells = report.results.cells
    content = {
        "episodes": summary.episodes(cells),
        "interpolate": report.interpolated,
        "reps": REPS,
        "seed": report.results.seed,
        "unfinished_csv": any(not cell.finished for cell in cells),
        "metric": report.results.metric,
        "floor": floor_of(report.results.metric),
        "tools": {name: version(name) for name in EXPLAINED},
    }
    return Section("method", "Method", "Method", content)


SECTIONS: tuple[Callable[[Report], Section | None], ...] = (
    first.section,
    tasks.section,
    scores.section,
    _claims,
    _apart,
    _beside,
    over_tasks.section,
    _cost,
    _cells,
    _runs,
    _method,
)
LAST = tasks.section  # waits for what other processes draw


def content_of(report: Report) -> dict[str, Any]:
    """Everything that the page shows; writes figures and tables on the way."""
    metric, suite = report.results.metric, report.suite
    with tasks.drawing_tasks(report) as tiles:
        report = replace(report, tiles=tiles)
        made = {make: make(report) for make in sorted(SECTIONS, key=lambda make: make is LAST)}
    return {
        "title": suite.title if suite else f"Report: {metric}",
        "suite": suite,
        "metric": metric,
        "meaning": METRICS.get(metric, "a metric of an outside package"),
        "sections": [section for make in SECTIONS if (section := made[make]) is not None],
        "runs": report.runs,
        "charts": as_script(report.charts),
    }
