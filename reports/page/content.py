"""The content of a report's page: every figure and table, drawn and written on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reports.numbers.coverage import coverage_note
from reports.numbers.grid import SCALES
from reports.numbers.intervals import REPS
from reports.numbers.lines import Line
from reports.numbers.notes import warnings
from reports.numbers.power import seeds_note
from reports.page import summary
from reports.page.claims import claims_of
from reports.page.over_tasks import over_tasks
from reports.page.report import Report
from reports.page.runs import settings_table, shown_runs
from reports.pictures import curves, diagnostics, look
from reports.pictures.embed import Shown, shown
from reports.pictures.look import Style
from reports.pictures.matrices import heat_map
from reports.runs.cells import Cell
from reports.runs.parallel import spreading
from reports.tables.apart import apart_table
from reports.tables.beside import beside, beside_table
from reports.tables.cells import cells_table
from reports.tables.differences import pairs_table
from reports.tables.paper import paper_tables
from reports.tables.ranking import leaders_table, ranking_table
from reports.tables.scores import before_after_table, finals_table, online_table
from reports.tables.table import Table
from suite.record.metrics import METRICS
from suite.record.papers import printed

__all__ = ["content_of"]

EXPLAINED = ("rliable", "numpy", "matplotlib")


def content_of(report: Report) -> dict[str, Any]:
    """Collect everything the template shows; writes figures and tables on the way."""
    results, suite = report.results, report.suite
    cells, metric, lines, (rows, gaps) = results.cells, results.metric, results.lines, results.before_after
    styles = look.styles([cell.label for cell in cells], report.looks)
    tasks = sorted({line.task for line in lines})
    settings_table(cells).write(report.folder / "tables")
    draw = partial(_task, folder=report.folder, metric=metric, styles=styles)
    notices = summary.notices_table(cells, metric, report.missing, report.quarantined, results.online[1])
    with spreading(draw, _task_shares(cells, lines)) as drawn:
        return {
            "suite": suite,
            "metric": metric,
            "meaning": METRICS.get(metric, "a metric of an outside package"),
            "seed": results.seed,
            "reps": REPS,
            "facts": " ".join(filter(None, [summary.facts(cells, metric), summary.counted(cells, metric)])),
            **_verdicts(report),
            "warnings": warnings(cells, rows),
            "notices": report.some(notices),
            "interpolate": report.interpolated,
            "episodes": summary.episodes(cells),
            "imported_only": all(cell.first.external for cell in cells),
            "spread": seeds_note(results.per_task, rows, metric),
            "coverage": coverage_note([row.seeds for row in rows], len(results.grid.tasks) if results.grid else 0),
            "cells": report.table(cells_table(cells, report.missing)),
            "heat_map": _heat_map(report),
            "gaps": report.gaps("left_out", "Left out of the final scores.", gaps),
            **_scores(report),
            "beside": _beside(report),
            "claims": claims_of(report),
            "apart": report.some(apart_table(report.apart, metric)),
            "curves": _curves(report, lines, tasks, styles) if tasks else None,
            "over_tasks": over_tasks(report, styles),
            "tasks": list(drawn),
            "runs": shown_runs(cells),
            "unfinished_csv": any(not cell.finished for cell in cells),
            "tools": {name: version(name) for name in EXPLAINED},
        }


def _verdicts(report: Report) -> dict[str, Any]:
    """The first screen: the ranking over tasks, or of the only task, and who is first on each of several."""
    results, metric = report.results, report.results.metric
    main, verdicts = results.main, results.per_task
    return {
        "sentences": summary.verdict_sentences(main, metric) if main else summary.no_ranking(verdicts),
        "ranking": report.table(ranking_table(main, metric)) if main else None,
        "leaders": report.table(leaders_table(verdicts, metric)) if len(verdicts) > 1 else None,
    }


def _scores(report: Report) -> dict[str, Any]:
    """The tables of each task, each only if it has rows."""
    results, metric = report.results, report.results.metric
    rows, (phases, without) = results.before_after[0], results.online
    pairs = [pair for verdict in results.per_task for pair in verdict.pairs]
    return {
        "paper": [report.table(one) for one in paper_tables(rows, results.per_task, results.averages, metric)],
        "before_after": report.some(before_after_table(rows, metric)),
        "finals": report.some(finals_table(rows, metric)),
        "online": report.some(online_table(phases, metric)),
        "without_online": report.gaps("left_out_online", "Left out of the online phases.", without),
        "differences": report.some(pairs_table(pairs, metric)),
    }


def _beside(report: Report) -> Table | None:
    """The papers' numbers, all those of the suite's place or, without one, those that something here answers."""
    if report.suite is not None:
        numbers = printed(report.suite.place) if report.suite.place else []
        return report.some(beside_table(beside(report.results.cells, numbers)))
    found = [row for row in beside(report.results.cells, printed()) if row.ours is not None]
    return report.some(beside_table(found))


def _curves(report: Report, lines: Sequence[Line], tasks: Sequence[str], styles: dict[str, Style]) -> Shown:
    figure = curves.curve_panels(lines, tasks, report.results.metric, styles)
    labels = ", ".join(sorted({line.label for line in lines}))
    says = f"Learning curves of {labels} on {', '.join(tasks)}; the numbers are in the table of final scores."
    return report.figure("learning_curves", f"{report.results.metric} across the switch", says, figure)


def _heat_map(report: Report) -> Shown | None:
    """Final IQMs in squares, where there are at least two entries and two tasks to compare."""
    results, metric = report.results, report.results.metric
    tasks = sorted({cell.task for cell in results.cells})
    scores: dict[str, dict[str, float]] = {}
    for row in results.before_after[0]:
        scores.setdefault(row.cell.label, {})[row.cell.task] = row.final.iqm.point
    if len(scores) < 2 or len(tasks) < 2:
        return None
    own = "" if metric in SCALES else "; each task has its own colour scale, from its worst to its best"
    title = f"Final {metric}, IQM over seeds, in the order of mean ranks; hatched: no score{own}"
    says = f"The final scores of {len(scores)} algorithms on {len(tasks)} tasks, as in the table."
    return report.figure("finals", title, says, heat_map(scores, tasks, metric))


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
