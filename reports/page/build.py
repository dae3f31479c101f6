"""The report folder: figures, tables, results.csv and one self-contained page, swapped in at the end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reports.numbers.grid import Gap
from reports.numbers.headline import headline_of
from reports.numbers.intervals import CONFIDENCE, REPS
from reports.numbers.results import Results
from reports.page.folder import KIND, MARK, refuse_foreign, swapped_into, write_results
from reports.page.report import Report
from reports.page.runs import Runs
from reports.page.section import Section
from reports.page.sections import content_of
from reports.pictures.palette import css
from reports.runs.collect import Collection, Quarantined, collect
from reports.runs.interpolate import interpolated
from reports.runs.only import Only
from reports.runs.wanted import Suite
from reports.tables.table import Table
from suite.record.reference import Packed

__all__ = ["build", "mark", "render"]

NUMBER = re.compile(r"[−-]?[\d.,]+ (\[|±)")  # with its interval or deviation: it stays on one line
FILTERED = ("task", "algorithm", "highest", "next", "x", "y")  # columns by which the page's filter chooses rows


def build(
    roots: Sequence[Path],
    out: Path,
    inputs: Sequence[Path],
    headline: str | None,
    seed: int,
    suite: Suite | None,
    window: int | None,
    threshold: float | None,
    looks: Mapping[str, str],
    interpolate: bool,
    only: Only,
    beside: Sequence[Packed],
    say: Callable[[str], object],
) -> Path:
    """Write the report; the arguments are those of `reports.build`."""
    out = out.resolve()
    refuse_foreign(out)
    found = collect(roots, inputs, (lambda sources: sources) if suite is None else suite.pick, beside)
    for line in found.left_out():
        say(line)
    found = only.of(found)
    if interpolate:
        found = replace(found, cells=interpolated(found.cells))
    metric = headline_of(found.cells, headline or (suite.metric if suite else None))
    results = Results(found.cells, metric, seed, window, threshold)
    _ = results.online  # refuses what it cannot use, so it is first
    with swapped_into(out) as folder:
        report = Report(
            folder=folder,
            results=results,
            missing=_missing(found, suite, only),
            quarantined=_unread(found),
            reference=found.reference,
            apart=found.apart,
            suite=suite,
            looks=looks,
            interpolated=interpolate,
        )
        write_results(folder, found.cells)
        (folder / "index.html").write_text(render("page.html", content_of(report)), encoding="utf-8")
        mark(
            folder,
            {"headline": metric, "seed": seed, "suite": suite.name if suite else None, "interpolated": interpolate},
        )
    return out / "index.html"


def mark(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the file that makes a folder a report and says how it was made."""
    content = {"kind": KIND, **facts, "reps": REPS, "confidence": CONFIDENCE}
    (folder / MARK).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _missing(found: Collection, suite: Suite | None, only: Only) -> list[Gap]:
    """Cells that were never run: of the suite, or of the grid of all algorithms and tasks that are there."""
    if suite is not None:
        return [
            Gap(w.where, w.label, w.why_not or "never run")
            for w in suite.missing(found.cells)
            if only.keeps(w.where, w.algo)
        ]
    own = {(cell.first.algo, cell.task) for cell in found.cells if not cell.first.external}
    tasks = {cell.task for cell in found.cells}
    return [
        Gap(task, algo, "never run")
        for algo in sorted({algo for algo, _ in own})
        for task in sorted(tasks)
        if (algo, task) not in own
    ]


def _unread(found: Collection) -> list[Gap]:
    return [Gap(*_place(one), one.reason) for one in found.quarantined]


def _place(one: Quarantined) -> tuple[str, str]:
    """Task and algorithm of a run folder that cannot be read, by where it lies."""
    parts = Path(one.where).parts
    return (parts[-3], parts[-2]) if len(parts) >= 3 else ("–", one.where)


def _shown(table: Table, runs: Runs) -> dict[str, Any]:
    """A table for the template: what each column holds, and each cell's lines of text with the run they lead to."""
    keys = [name.lower() if name.lower() in FILTERED else "" for name in table.header]
    task, label = (keys.index(name) if name in keys else None for name in ("task", "algorithm"))
    entry = [name if name in table.entries else "" for name in table.header]  # for the filter of the page
    where = table.header.index("where") if "where" in table.header else None
    rows = []
    for r, row in enumerate(table.rows):
        here = None if task is None or label is None else runs.links.get((row[task], row[label]))
        cells = []
        for i, text in enumerate(row):
            parts = [(text, here if i == label else None)]
            if i == where:
                parts = [(name, runs.folders.get(name)) for name in text.split(", ") if name]
            look = "key" if keys[i] else "num" if NUMBER.match(text) and i != where else ""
            cells.append({"parts": parts, "look": look, "bold": (r, i) in table.bold, "of": entry[i]})
        rows.append(cells)
    columns = [{"text": text, "key": key, "of": of} for text, key, of in zip(table.header, keys, entry, strict=True)]
    return {"name": table.name, "title": table.title, "columns": columns, "rows": rows}


def render(template: str, content: Mapping[str, Any]) -> str:
    """Fill one of the templates beside this module; everything that runs say is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def filled(section: Section) -> Markup:
        """The inside of a section: its template, filled with its content."""
        inside = environment.get_template(f"sections/{section.id}.html")
        return Markup(inside.render({"runs": content["runs"], **section.content}))

    environment.filters["shown"] = partial(_shown, runs=content["runs"])
    environment.filters["filled"] = filled
    environment.globals["palette"] = Markup(css())
    return environment.get_template(template).render(content)
