"""The report folder: figures, tables, results.csv and one self-contained page, swapped in at the end."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from reports import analysis, curves, plots, stats, tables
from reports.analysis import Gap
from reports.collect import Cell, Source, collect
from reports.folder import KIND, MARK, refuse_foreign, swapped_into, write_results
from reports.parallel import spreading
from reports.tables import Table
from suite.record import METRICS

__all__ = ["build"]

EXPLAINED = ("rliable", "numpy", "matplotlib")


@dataclass
class _Figure:
    """A figure as the page shows it."""

    name: str
    title: str
    png: str  # base64


@dataclass
class _Report:
    """What is being built, and where."""

    folder: Path
    cells: Sequence[Cell]
    metric: str
    seed: int

    def figure(self, name: str, title: str, figure: Figure) -> _Figure:
        return _figure(self.folder, name, title, figure)

    def table(self, table: Table) -> Table:
        table.write(self.folder / "tables")
        return table


def _figure(folder: Path, name: str, title: str, figure: Figure) -> _Figure:
    plots.save(figure, folder / "figures", name)
    data = (folder / "figures" / f"{name}.png").read_bytes()
    return _Figure(name, title, base64.b64encode(data).decode())


def build(run_root: Path, out: Path, inputs: Sequence[Path], headline: str | None, seed: int) -> Path:
    """See `reports.build`."""
    out = out.resolve()
    refuse_foreign(out)
    cells = collect(run_root, inputs)
    metric = analysis.headline(cells, headline)
    with swapped_into(out) as folder:
        for sub in ("figures", "tables"):
            (folder / sub).mkdir()
        write_results(folder, cells)
        content = _content(_Report(folder, cells, metric, seed))
        (folder / "index.html").write_text(_render(content), encoding="utf-8")
        mark = {
            "kind": KIND,
            "headline": metric,
            "seed": seed,
            "reps": stats.REPS,
            "confidence": stats.CONFIDENCE,
        }
        (folder / MARK).write_text(json.dumps(mark, indent=1) + "\n")
    return out / "index.html"


def _content(report: _Report) -> dict[str, Any]:
    """Everything the template shows; writes figures and tables on the way."""
    cells, metric, seed = report.cells, report.metric, report.seed
    rows, gaps = analysis.before_after(cells, metric, seed)
    lines = analysis.lines(cells, metric, seed)
    look = plots.styles([cell.label for cell in cells])
    tasks = sorted({line.task for line in lines})
    draw = partial(_task, folder=report.folder, metric=metric, look=look)
    with spreading(draw, _task_shares(cells, lines)) as drawn:
        figure = curves.curve_panels(lines, tasks, metric, look) if tasks else None
        title = f"{metric} across the switch"
        return {
            "metric": metric,
            "meaning": METRICS.get(metric, "a metric of an outside package"),
            "seed": seed,
            "reps": stats.REPS,
            "warnings": analysis.warnings(cells, rows),
            "spread": analysis.spread_note(rows, metric),
            "cells": report.table(tables.cells_table(cells)),
            "before_after": report.table(tables.before_after_table(rows, metric)) if rows else None,
            "gaps": _gaps(report, "left_out", "Left out of the final scores.", gaps),
            "curves": report.figure("learning_curves", title, figure) if figure else None,
            "over_tasks": _over_tasks(report, look),
            "tasks": list(drawn),
            "runs": [_run(source) for cell in cells for source in cell.sources if not source.external],
            "unfinished_csv": any(not cell.finished for cell in cells),
            "tools": {name: version(name) for name in EXPLAINED},
        }


def _gaps(report: _Report, name: str, title: str, gaps: Sequence[Gap]) -> Table | None:
    return report.table(tables.gaps_table(name, title, gaps)) if gaps else None


def _over_tasks(report: _Report, look: dict[str, plots.Style]) -> dict[str, Any]:
    """Statistics over the complete grid; only `why_not` if there is none."""
    metric, seed = report.metric, report.seed
    if metric not in analysis.SCALES:
        scales = ", ".join(analysis.SCALES)
        return {"why_not": f"{metric!r} is not on one scale across tasks; statistics need one of {scales}."}
    grid = analysis.common(report.cells, metric)
    left_out = _gaps(report, "left_out_over_tasks", "Left out of the statistics over tasks.", grid.left_out)
    if not grid.labels:
        return {
            "why_not": "No task was completed by two or more of the compared algorithms.",
            "left_out": left_out,
        }
    by_label = {label: stats.aggregates(grid.scores[label], seed) for label in grid.labels}
    out: dict[str, Any] = {
        "grid": grid,
        "left_out": left_out,
        "table": report.table(tables.aggregate_table(by_label, len(grid.tasks), grid.seeds)),
        "figures": [
            report.figure("aggregates", "Aggregates over tasks", plots.aggregate_bars(by_label, look)),
            report.figure("profile", "Performance profile", plots.profiles(grid, metric, look, seed)),
        ],
    }
    pairs = analysis.improvements(grid, seed)
    if pairs:
        out["improvement"] = report.table(tables.improvement_table(pairs))
        out["figures"].append(report.figure("improvement", "Probability of improvement", plots.improvement_bars(pairs)))
    return out


def _slugs(tasks: Sequence[str]) -> dict[str, str]:
    """Task -> a file name of its own."""
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
    lines: Sequence[analysis.Line]
    cells: Sequence[Cell]


def _task_shares(cells: Sequence[Cell], lines: Sequence[analysis.Line]) -> list[_Task]:
    shares = []
    for task, slug in _slugs(sorted({line.task for line in lines})).items():
        own = [cell for cell in cells if cell.task == task and not cell.first.external]
        shares.append(_Task(task, slug, [line for line in lines if line.task == task], own))
    return shares


def _task(task: _Task, folder: Path, metric: str, look: dict[str, plots.Style]) -> dict[str, Any]:
    """Draw one task's figures; returns what the page says about it."""
    present = {name for cell in task.cells for source in cell.sources for name in source.curves}
    outside = present - METRICS.keys()
    panels = [*(name for name in curves.DIAGNOSTICS if name in present), *sorted(outside)]
    figure = curves.curve_panels(task.lines, [task.name], metric, look, large=True)
    out: dict[str, Any] = {
        "id": task.name,
        "rules": sorted({str(c.first.run["success_rule"]) for c in task.cells if c.first.run.get("success_rule")}),
        "curve": _figure(folder, f"curve_{task.slug}", f"{task.name}: {metric}", figure),
        "diagnostics": None,
        "meanings": {name: METRICS.get(name, "of an outside package") for name in panels},
    }
    if panels:
        figure = curves.diagnostics(task.cells, panels, look)
        out["diagnostics"] = _figure(folder, f"diagnostics_{task.slug}", f"{task.name}: learning metrics", figure)
    return out


def _run(source: Source) -> dict[str, Any]:
    run, status = source.run, source.status
    return {
        "where": source.where,
        "profile": source.profile,
        "seeds": ", ".join(map(str, source.seeds)),
        "state": status.get("state", "unknown"),
        "settings": run["settings"],
        "facts": {
            "command": " ".join(map(str, run.get("command") or ())),
            "created": run.get("created"),
            "revision": run.get("revision"),
            "success rule": run.get("success_rule"),
            "dataset": _pairs(run.get("dataset")),
            "device": _pairs(run.get("device")),
            "versions": _pairs(run.get("versions")),
            "seconds": _pairs(status.get("seconds")),
            "updates per second": status.get("updates_per_second"),
        },
    }


def _pairs(content: Any) -> str:
    """A small JSON object on one line."""
    if not isinstance(content, dict):
        return str(content or "")
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in content.items())


def _render(content: dict[str, Any]) -> str:
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(content)
