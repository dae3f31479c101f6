"""The section of scores: the tables that papers print, before and after fine-tuning, and who differs from whom."""

from __future__ import annotations

import numpy as np

from reports.numbers.coverage import coverage_note
from reports.numbers.grid import SCALES
from reports.numbers.power import seeds_note
from reports.page.report import Report
from reports.page.section import Section
from reports.pictures.embed import Shown
from reports.pictures.matrices import heat_map
from reports.tables.differences import pairs_table
from reports.tables.online import online_table
from reports.tables.paper import paper_tables
from reports.tables.ranking import leaders_table
from reports.tables.scores import before_after_table, finals_table

__all__ = ["section"]


def section(report: Report) -> Section:
    """The tables of each task, each only if it has rows."""
    results, metric = report.results, report.results.metric
    (rows, gaps), (phases, without) = results.before_after, results.online
    verdicts, grid = results.per_task, results.grid
    pairs = [pair for verdict in verdicts for pair in verdict.pairs]
    content = {
        "heat_map": _heat_map(report),
        "paper": [report.table(one) for one in paper_tables(rows, verdicts, results.averages, metric)],
        "leaders": report.table(leaders_table(verdicts, metric)) if results.main and len(verdicts) > 1 else None,
        "before_after": report.some(before_after_table(rows, metric)),
        "finals": report.some(finals_table(rows, metric)),
        "online": report.some(online_table(phases, metric)),
        "without_online": report.gaps("left_out_online", "Left out of the online phases.", without),
        "differences": report.some(pairs_table(pairs, metric)),
        "gaps": report.gaps("left_out", "Left out of the final scores.", gaps),
        "coverage": coverage_note([row.seeds for row in rows], len(grid.tasks) if grid else 0),
        "spread": seeds_note(verdicts, rows, metric),
    }
    return Section("before-after", "Before and after", "Before and after fine-tuning", content)


def _heat_map(report: Report) -> Shown | None:
    """Final IQMs in squares, where there are at least two entries and two tasks to compare."""
    results, metric = report.results, report.results.metric
    tasks = sorted({cell.task for cell in results.cells})
    scores: dict[str, dict[str, float]] = {}
    for row in results.before_after[0]:
        scores.setdefault(row.cell.label, {})[row.cell.task] = np.nan if row.lost else row.final.iqm.point
    if len(scores) < 2 or len(tasks) < 2:
        return None
    own = "" if metric in SCALES else "; each task has its own colour scale, from its worst to its best"
    gone = ", or seeds diverged" if any(row.lost for row in results.before_after[0]) else ""
    title = f"Final {metric}, IQM over seeds, in the order of mean ranks; hatched: no score{gone}{own}"
    says = f"The final scores of {len(scores)} algorithms on {len(tasks)} tasks, as in the table."
    return report.figure("finals", title, says, heat_map(scores, tasks, metric))
