"""The section of learning curves: a tile for each task, drawn by several processes where there are many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from reports.numbers.bounds import floor_of
from reports.numbers.lines import Line
from reports.page.live import holds_singles, task_chart
from reports.page.report import Report
from reports.page.section import Section
from reports.pictures import curves, diagnostics
from reports.pictures.embed import shown
from reports.pictures.styles import Style
from reports.runs.cells import Cell
from reports.runs.parallel import spreading
from suite.record.metrics import METRICS

__all__ = ["drawing_tasks", "section"]


@dataclass(frozen=True)
class _Task:
    """One task's share of the data, small enough to hand to another process."""

    name: str
    slug: str
    lines: Sequence[Line]
    cells: Sequence[Cell]


def drawing_tasks(report: Report) -> AbstractContextManager[Iterable[dict[str, Any]]]:
    """The tiles of all tasks, drawn while the block does something else."""
    draw = partial(_task, folder=report.folder, metric=report.results.metric, styles=report.styles)
    return spreading(draw, _shares(report.results.cells, report.results.lines))


def section(report: Report) -> Section | None:
    """The tiles, each with a chart for the page's script; the picture of an only task is on the first screen."""
    lines, metric = report.results.lines, report.results.metric
    singles, found = holds_singles(lines), []
    for tile in report.tiles:
        own = [line for line in lines if line.task == tile["id"]]
        costs = {label: cost for (task, label), cost in report.costs.items() if task == tile["id"]}
        chart = report.chart(task_chart(tile["id"], own, metric, report.styles, costs, singles))
        found.append({**tile, "chart": chart})
    if not found:
        return None
    means = " or ".join(str(each) for each in sorted({line.coarse.each for line in lines if line.coarse}))
    content = {"tasks": found, "means": means, "floor": floor_of(metric)}
    return Section("curves", "Curves", "Learning curves", content)


def _slugs(tasks: Sequence[str]) -> dict[str, str]:
    """File names for tasks, no two of them equal."""
    out: dict[str, str] = {}
    for task in tasks:
        slug = base = re.sub(r"[^A-Za-z0-9._-]+", "-", task).strip(".-") or "task"
        number = 2
        while slug in out.values():
            slug, number = f"{base}-{number}", number + 1
        out[task] = slug
    return out


def _shares(cells: Sequence[Cell], lines: Sequence[Line]) -> list[_Task]:
    shares = []
    for task, slug in _slugs(sorted({line.task for line in lines})).items():
        own = [cell for cell in cells if cell.task == task and not cell.first.external]
        shares.append(_Task(task, slug, [line for line in lines if line.task == task], own))
    return shares


def _task(task: _Task, folder: Path, metric: str, styles: Mapping[str, Style]) -> dict[str, Any]:
    """Draw one task's figures; returns what the page says about it."""
    panels = diagnostics.panels_of(task.cells)
    figure = curves.curve_panels(task.lines, [task.name], metric, styles, large=True)
    says = f"Learning curves of {', '.join(sorted({line.label for line in task.lines}))} on {task.name}."
    names = [name for panel in panels for name in panel.metrics]
    out: dict[str, Any] = {
        "id": task.name,
        "slug": task.slug,
        "rules": sorted({str(c.first.run["success_rule"]) for c in task.cells if c.first.run.get("success_rule")}),
        "curve": shown(folder, f"curve_{task.slug}", f"{task.name}: {metric}", says, figure),
        "diagnostics": None,
        "meanings": {name: METRICS.get(name, "the algorithm's own metric") for name in names},
    }
    if panels:
        figure = diagnostics.diagnostics(task.cells, panels, styles)
        title, says = f"{task.name}: learning metrics", f"Median over seeds of {', '.join(names)}."
        out["diagnostics"] = shown(folder, f"diagnostics_{task.slug}", title, says, figure)
    return out
