"""The report folder: figures, tables, results.csv and one self-contained page, swapped in at the end."""

from __future__ import annotations

import base64
import html
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

from reports import analysis, curves, diagnostics, look, plots, stats, summary, tables
from reports.analysis import BeforeAfter, Gap
from reports.collect import Cell, collect
from reports.folder import KIND, MARK, refuse_foreign, swapped_into, write_results
from reports.look import Style
from reports.parallel import spreading
from reports.runs import Runs, settings_table, shown_runs
from reports.tables import Table
from suite.record import METRICS

__all__ = ["build"]

EXPLAINED = ("rliable", "numpy", "matplotlib")
FILTERED = ("task", "algorithm", "highest", "next", "x", "y")  # columns by which the page's filter chooses rows
# what matplotlib repeats in every text, and what the page needs of it
FONTS = (
    "'DejaVu Sans', 'Bitstream Vera Sans', 'Computer Modern Sans Serif', 'Lucida Grande', 'Verdana', 'Geneva', "
    "'Lucid', 'Arial', 'Helvetica', 'Avant Garde', sans-serif"
)
SHORTER = "'DejaVu Sans', Verdana, sans-serif"
BARS = 3  # entries up to which pairs are bars; more of them are squares


@dataclass
class _Figure:
    """A figure as the page shows it; `says` is what a reader hears who does not see it."""

    name: str
    title: str
    says: str
    width: int  # CSS pixels
    height: int
    image: str  # data URI


@dataclass
class _Report:
    """What is being built, and where; `quarantined` are run folders that could not be read."""

    folder: Path
    cells: Sequence[Cell]
    metric: str
    seed: int
    quarantined: Sequence[Gap] = ()

    def figure(self, name: str, title: str, says: str, figure: Figure) -> _Figure:
        return _figure(self.folder, name, title, says, figure)

    def table(self, table: Table) -> Table:
        table.write(self.folder / "tables")
        return table


def _figure(folder: Path, name: str, title: str, says: str, figure: Figure) -> _Figure:
    look.save(figure, folder / "figures", name)
    width, height = (round(inches * 96) for inches in figure.get_size_inches())
    return _Figure(name, title, says, width, height, _image(folder / "figures" / name))


def _image(path: Path) -> str:
    """The figure as a data URI: lines as SVG, and as PNG where these are so many that it is the smaller one."""
    drawing = path.with_name(f"{path.name}.svg").read_text(encoding="utf-8")
    drawing = re.sub(r"<[^>]+>", _rounded, drawing[drawing.index("<svg") :])
    drawing = re.sub(r"\s+", " ", drawing).replace(FONTS, SHORTER).strip()
    drawing = drawing.replace("%", "%25").replace("#", "%23")
    pixels = base64.b64encode(path.with_name(f"{path.name}.png").read_bytes()).decode()
    if len(html.escape(drawing)) <= len(pixels):
        return f"data:image/svg+xml,{drawing}"
    return f"data:image/png;base64,{pixels}"


def _rounded(tag: re.Match[str]) -> str:
    """A tag with its places to a hundredth of a point; text between tags is what a reader reads, and stays."""
    return re.sub(r"(\.\d\d)\d+", r"\1", tag[0])


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
    styles = look.styles([cell.label for cell in cells])
    tasks = sorted({line.task for line in lines})
    settings_table(cells).write(report.folder / "tables")
    draw = partial(_task, folder=report.folder, metric=metric, styles=styles)
    with spreading(draw, _task_shares(cells, lines)) as drawn:
        over_tasks = _over_tasks(report, styles)
        leaders = summary.leaders_table(rows, metric)
        notices = summary.notices_table(cells, report.quarantined)
        return {
            "metric": metric,
            "meaning": METRICS.get(metric, "a metric of an outside package"),
            "seed": seed,
            "reps": stats.REPS,
            "facts": summary.facts(cells, metric),
            "leaders": report.table(leaders) if leaders else None,
            "warnings": analysis.warnings(cells, rows),
            "notices": report.table(notices) if notices.rows else None,
            "spread": analysis.spread_note(rows, metric),
            "cells": report.table(tables.cells_table(cells)),
            "before_after": report.table(tables.before_after_table(rows, metric)) if rows else None,
            "heat_map": _heat_map(report, rows),
            "gaps": _gaps(report, "left_out", "Left out of the final scores.", gaps),
            "curves": _curves(report, lines, tasks, styles) if tasks else None,
            "over_tasks": over_tasks,
            "tasks": list(drawn),
            "runs": shown_runs(cells),
            "unfinished_csv": any(not cell.finished for cell in cells),
            "tools": {name: version(name) for name in EXPLAINED},
        }


def _gaps(report: _Report, name: str, title: str, gaps: Sequence[Gap]) -> Table | None:
    return report.table(tables.gaps_table(name, title, gaps)) if gaps else None


def _curves(report: _Report, lines: Sequence[analysis.Line], tasks: Sequence[str], styles: dict[str, Style]) -> _Figure:
    figure = curves.curve_panels(lines, tasks, report.metric, styles)
    labels = ", ".join(sorted({line.label for line in lines}))
    says = f"Learning curves of {labels} on {', '.join(tasks)}; the numbers are in the table of final scores."
    return report.figure("learning_curves", f"{report.metric} across the switch", says, figure)


def _heat_map(report: _Report, rows: Sequence[BeforeAfter]) -> _Figure | None:
    """Final IQMs in squares, where there are at least two entries and two tasks to compare."""
    tasks = sorted({cell.task for cell in report.cells})
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        final = row.scores["final"]
        if final is not None:
            scores.setdefault(row.cell.label, {})[row.cell.task] = final.iqm.point
    if len(scores) < 2 or len(tasks) < 2:
        return None
    own = "" if report.metric in analysis.SCALES else "; each task has its own colour scale, from its worst to its best"
    title = f"Final {report.metric}, IQM over seeds, in the order of mean ranks; hatched: no score{own}"
    says = f"The final scores of {len(scores)} algorithms on {len(tasks)} tasks, as in the table."
    return report.figure("finals", title, says, plots.heat_map(scores, tasks, report.metric))


def _over_tasks(report: _Report, styles: dict[str, Style]) -> dict[str, Any]:
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
    table = report.table(tables.aggregate_table(by_label, len(grid.tasks), grid.seeds))
    says = "{} of " + ", ".join(grid.labels) + "."
    out: dict[str, Any] = {
        "grid": grid,
        "left_out": left_out,
        "leader": summary.leader_over_tasks(by_label, len(grid.tasks), grid.seeds),
        "table": table,
        "figures": [
            report.figure(
                "aggregates", "Aggregates over tasks; bar: interval, line: estimate",
                says.format("Aggregates, as in the table,"), plots.aggregate_bars(by_label, styles),
            ),
            report.figure(
                "profile", "Performance profile: higher is better at every threshold",
                says.format("Performance profiles"), plots.profiles(grid, metric, styles, seed),
            ),
        ],
    }  # fmt: skip
    pairs = analysis.improvements(grid, seed)
    if pairs:
        out["improvement"] = report.table(tables.improvement_table(pairs))
        many = len(grid.labels) > BARS
        title = "Probability of improvement: P(X > Y), X the row; bold: the interval leaves out 0.5"
        figure = plots.improvement_matrix(pairs, grid.labels) if many else plots.improvement_bars(pairs)
        title = title if many else "Probability of improvement"
        says = "Who scores above whom, as in the table below."
        out["figures"].append(report.figure("improvement", title, says, figure))
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
        "curve": _figure(folder, f"curve_{task.slug}", f"{task.name}: {metric}", says, figure),
        "diagnostics": None,
        "meanings": {name: METRICS.get(name, "the algorithm's own metric") for name in names},
    }
    if panels:
        figure = diagnostics.diagnostics(task.cells, panels, styles)
        title, says = f"{task.name}: learning metrics", f"Median over seeds of {', '.join(names)}."
        out["diagnostics"] = _figure(folder, f"diagnostics_{task.slug}", title, says, figure)
    return out


def _shown(table: Table, runs: Runs) -> dict[str, Any]:
    """A table for the template: what each column holds, and each cell's lines of text with the run they lead to."""
    keys = [name.lower() if name.lower() in FILTERED else "" for name in table.header]
    task, label = (keys.index(name) if name in keys else None for name in ("task", "algorithm"))
    where = table.header.index("where") if "where" in table.header else None
    rows = []
    for row in table.rows:
        here = None if task is None or label is None else runs.links.get((row[task], row[label]))
        cells = []
        for i, text in enumerate(row):
            first, found, second = text.partition(" t [")
            parts = [(first, here if i == label else None), *([(f"t [{second}", None)] if found else [])]
            if i == where:
                parts = [(name, runs.folders.get(name)) for name in text.split(", ") if name]
            cells.append({"parts": parts, "look": "key" if keys[i] else "num" if "[" in text and i != where else ""})
        rows.append(cells)
    columns = [{"text": text, "key": key} for text, key in zip(table.header, keys, strict=True)]
    return {"name": table.name, "title": table.title, "columns": columns, "rows": rows}


def _render(content: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["shown"] = partial(_shown, runs=content["runs"])
    return environment.get_template("page.html").render(content)
