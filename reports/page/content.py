"""The content of a report's page: every figure and table, drawn and written on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from reports.numbers.aggregates import aggregates
from reports.numbers.before_after import BeforeAfter, before_after
from reports.numbers.coverage import coverage_note
from reports.numbers.grid import SCALES, Common, Gap, common, efficiency, improvements
from reports.numbers.intervals import REPS
from reports.numbers.lines import Line, lines_of
from reports.numbers.notes import warnings
from reports.numbers.online import Online
from reports.numbers.pairs import finals
from reports.numbers.power import seeds_note
from reports.numbers.verdict import Verdict, verdict_over_tasks, verdicts_per_task
from reports.page import summary
from reports.page.runs import settings_table, shown_runs
from reports.pictures import curves, diagnostics, look, plots
from reports.pictures.embed import Shown, shown
from reports.pictures.look import Style
from reports.pictures.matrices import heat_map, improvement_matrix
from reports.runs.cells import Cell
from reports.runs.parallel import spreading
from reports.runs.wanted import Suite
from reports.tables.beside import beside, beside_table
from reports.tables.cells import cells_table, gaps_table
from reports.tables.differences import improvement_table, pairs_table
from reports.tables.ranking import leaders_table, ranking_table
from reports.tables.scores import aggregate_table, before_after_table, finals_table, online_table
from reports.tables.table import Table
from suite.record.metrics import METRICS
from suite.record.papers import printed

__all__ = ["Report", "content_of"]

EXPLAINED = ("rliable", "numpy", "matplotlib")
BARS = 3  # entries up to which pairs are bars; more of them are squares


@dataclass(frozen=True)
class Report:
    """A report that is being built: its folder, its cells, and what was asked for."""

    folder: Path
    cells: Sequence[Cell]
    metric: str
    seed: int
    phases: tuple[Sequence[Online], Sequence[Gap]]  # the online phases, and who has none
    missing: Sequence[Gap]  # cells that were never run
    quarantined: Sequence[Gap]  # run folders that could not be read
    suite: Suite | None
    looks: Mapping[str, str]  # method -> its colour and dashes in words, as `look.styles` takes them
    interpolated: bool  # whether scores were brought to the same steps by straight lines

    def figure(self, name: str, title: str, says: str, figure: Figure) -> Shown:
        """Write a figure; returns what the page needs of it."""
        return shown(self.folder, name, title, says, figure)

    def table(self, table: Table) -> Table:
        """Write a table and return it."""
        table.write(self.folder / "tables")
        return table

    def some(self, table: Table) -> Table | None:
        """Write a table and return it, if there is a row in it."""
        return self.table(table) if table.rows else None

    def gaps(self, name: str, title: str, gaps: Sequence[Gap]) -> Table | None:
        """Write the table of what was left out, if something was."""
        return self.some(gaps_table(name, title, gaps))


def content_of(report: Report) -> dict[str, Any]:
    """Collect everything the template shows; writes figures and tables on the way."""
    cells, metric, seed, suite = report.cells, report.metric, report.seed, report.suite
    rows, gaps = before_after(cells, metric, seed)
    by_key, grid = finals(cells, metric), common(cells, metric) if metric in SCALES else None
    verdicts = verdicts_per_task(by_key, metric, seed)
    overall = None if grid is None else verdict_over_tasks(grid, by_key, metric, seed)
    lines = lines_of(cells, metric, seed)
    styles = look.styles([cell.label for cell in cells], report.looks)
    tasks = sorted({line.task for line in lines})
    settings_table(cells).write(report.folder / "tables")
    draw = partial(_task, folder=report.folder, metric=metric, styles=styles)
    with spreading(draw, _task_shares(cells, lines)) as drawn:
        over_tasks = _over_tasks(report, grid, overall, styles)
        return {
            "suite": suite,
            "metric": metric,
            "meaning": METRICS.get(metric, "a metric of an outside package"),
            "seed": seed,
            "reps": REPS,
            "facts": " ".join(filter(None, [summary.facts(cells, metric), summary.counted(cells, metric)])),
            **_verdicts(report, overall, verdicts),
            "warnings": warnings(cells, rows),
            "notices": report.some(
                summary.notices_table(cells, metric, report.missing, report.quarantined, report.phases[1])
            ),
            "interpolate": report.interpolated,
            "episodes": summary.episodes(cells),
            "imported_only": all(cell.first.external for cell in cells),
            "spread": seeds_note(verdicts, rows, metric),
            "coverage": coverage_note([row.seeds for row in rows], len(grid.tasks) if grid else 0),
            "cells": report.table(cells_table(cells, report.missing)),
            "heat_map": _heat_map(report, rows),
            "gaps": report.gaps("left_out", "Left out of the final scores.", gaps),
            **_scores(report, rows, verdicts),
            "beside": _beside(report),
            "curves": _curves(report, lines, tasks, styles) if tasks else None,
            "over_tasks": over_tasks,
            "tasks": list(drawn),
            "runs": shown_runs(cells),
            "unfinished_csv": any(not cell.finished for cell in cells),
            "tools": {name: version(name) for name in EXPLAINED},
        }


def _verdicts(report: Report, overall: Verdict | None, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The first screen: the ranking over tasks, or of the only task, and who is first on each of several."""
    metric = report.metric
    main = overall or (verdicts[0] if len(verdicts) == 1 else None)
    return {
        "sentences": summary.verdict_sentences(main, metric) if main else [],
        "ranking": report.table(ranking_table(main, metric)) if main else None,
        "leaders": report.table(leaders_table(verdicts, metric))
        if len(verdicts) > 1 or (verdicts and not main)
        else None,
    }


def _scores(report: Report, rows: Sequence[BeforeAfter], verdicts: Sequence[Verdict]) -> dict[str, Table | None]:
    """The tables of each task, each only if it has rows."""
    phases, without = report.phases
    pairs = [pair for verdict in verdicts for pair in verdict.pairs]
    return {
        "before_after": report.some(before_after_table(rows, report.metric)),
        "finals": report.some(finals_table(rows, report.metric)),
        "online": report.some(online_table(phases, report.metric)),
        "without_online": report.gaps("left_out_online", "Left out of the online phases.", without),
        "differences": report.some(pairs_table(pairs, report.metric)),
    }


def _beside(report: Report) -> Table | None:
    """The papers' numbers, all those of the suite's place or, without one, those that something here answers."""
    if report.suite is not None:
        numbers = printed(report.suite.place) if report.suite.place else []
        return report.some(beside_table(beside(report.cells, numbers)))
    found = [row for row in beside(report.cells, printed()) if row.ours is not None]
    return report.some(beside_table(found))


def _curves(report: Report, lines: Sequence[Line], tasks: Sequence[str], styles: dict[str, Style]) -> Shown:
    figure = curves.curve_panels(lines, tasks, report.metric, styles)
    labels = ", ".join(sorted({line.label for line in lines}))
    says = f"Learning curves of {labels} on {', '.join(tasks)}; the numbers are in the table of final scores."
    return report.figure("learning_curves", f"{report.metric} across the switch", says, figure)


def _heat_map(report: Report, rows: Sequence[BeforeAfter]) -> Shown | None:
    """Final IQMs in squares, where there are at least two entries and two tasks to compare."""
    tasks = sorted({cell.task for cell in report.cells})
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        scores.setdefault(row.cell.label, {})[row.cell.task] = row.final.iqm.point
    if len(scores) < 2 or len(tasks) < 2:
        return None
    own = "" if report.metric in SCALES else "; each task has its own colour scale, from its worst to its best"
    title = f"Final {report.metric}, IQM over seeds, in the order of mean ranks; hatched: no score{own}"
    says = f"The final scores of {len(scores)} algorithms on {len(tasks)} tasks, as in the table."
    return report.figure("finals", title, says, heat_map(scores, tasks, report.metric))


def _over_tasks(
    report: Report, grid: Common | None, overall: Verdict | None, styles: dict[str, Style]
) -> dict[str, Any]:
    """Statistics over the complete grid; only `why_not` if there is none."""
    metric, seed = report.metric, report.seed
    if grid is None:
        scales = ", ".join(SCALES)
        return {"why_not": f"{metric!r} is not on one scale across tasks; statistics need one of {scales}."}
    left_out = report.gaps("left_out_over_tasks", "Left out of the statistics over tasks.", grid.left_out)
    if not grid.labels:
        return {
            "why_not": "No task was completed by two or more of the compared algorithms.",
            "left_out": left_out,
        }
    by_label = {label: aggregates(grid.scores[label], seed, grid.bounds[label]) for label in grid.labels}
    seeds = {label: grid.seeds(label) for label in grid.labels}
    table = report.table(aggregate_table(by_label, len(grid.tasks), seeds))
    says = "{} of " + ", ".join(grid.labels) + "."
    shares, x_name = efficiency(grid, report.cells, metric, seed)
    out: dict[str, Any] = {
        "grid": grid,
        "left_out": left_out,
        "table": table,
        "figures": [
            report.figure(
                "aggregates",
                "Aggregates over tasks; bar: interval, line: estimate",
                says.format("Aggregates, as in the table,"),
                plots.aggregate_bars(by_label, metric, styles),
            ),
            report.figure(
                "profile",
                "Performance profile: higher is better at every threshold",
                says.format("Performance profiles"),
                plots.profiles(grid, metric, styles),
            ),
        ],
    }
    if shares:
        figure = plots.efficiency(shares, x_name, metric, styles)
        title = "Sample efficiency: IQM over all runs of the grid"
        out["figures"].append(report.figure("efficiency", title, says.format("Sample-efficiency curves"), figure))
    if overall is not None:
        out["differences"] = report.table(pairs_table(overall.pairs, metric, "differences_over_tasks"))
    pairs = improvements(grid)
    if pairs:
        out["improvement"] = report.table(improvement_table(pairs))
        many = len(grid.labels) > BARS
        title = "Probability of improvement: P(X > Y), X the row; bold: the interval leaves out 0.5"
        figure = improvement_matrix(pairs, grid.labels) if many else plots.improvement_bars(pairs)
        title = title if many else "Probability of improvement"
        says = "Who scores above whom, as in the table below."
        out["figures"].append(report.figure("improvement", title, says, figure))
    return out


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


@dataclass(frozen=True)
class _Task:
    """One task's share of the data, small enough to hand to another process."""

    name: str
    slug: str
    lines: Sequence[Line]
    cells: Sequence[Cell]


def _task_shares(cells: Sequence[Cell], lines: Sequence[Line]) -> list[_Task]:
    shares = []
    for task, slug in _slugs(sorted({line.task for line in lines})).items():
        own = [cell for cell in cells if cell.task == task and not cell.first.external]
        shares.append(_Task(task, slug, [line for line in lines if line.task == task], own))
    return shares


def _task(task: _Task, folder: Path, metric: str, styles: dict[str, Style]) -> dict[str, Any]:
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
