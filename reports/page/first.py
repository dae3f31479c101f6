"""The first screen: which entry is best, how sure that is, the curves, and what to know before believing it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from reports.numbers.notes import warnings
from reports.page import summary
from reports.page.live import efficiency_chart
from reports.page.report import Report
from reports.page.section import Section
from reports.pictures import curves, plots
from reports.tables.ranking import leaders_table, ranking_table
from reports.tables.table import Table

__all__ = ["section"]


def section(report: Report) -> Section:
    """The ranking over tasks, or of the only task, with two sentences that follow from it and one picture."""
    results, metric = report.results, report.results.metric
    main = results.main
    notices = summary.notices_table(results.cells, metric, report.missing, report.quarantined, results.online[1])
    notes = warnings(results.cells, results.before_after[0])
    content = {
        "facts": " ".join(filter(None, [summary.facts(results.cells, metric), summary.counted(results.cells, metric)])),
        "sentences": summary.verdict_sentences(main, metric) if main else summary.no_ranking(results.per_task),
        "ranking": _ranking(report),
        "overview": _overview(report),
        "known": _known(notices, notes),
        "notices": report.some(notices),
        "notes": notes,
        "imported_only": all(cell.first.external for cell in results.cells),
        "suite_notes": report.suite.notes if report.suite else [],
    }
    return Section("summary", "Summary", "Summary", content)


def _ranking(report: Report) -> Table | None:
    """The ranking, or where there is none over tasks who is first on each of them."""
    results, verdicts = report.results, report.results.per_task
    if results.main:
        return report.table(ranking_table(results.main, results.metric))
    return report.table(leaders_table(verdicts, results.metric)) if len(verdicts) > 1 else None


def _overview(report: Report) -> dict[str, Any] | None:
    """The picture of the first screen: sample efficiency over tasks, or else the learning curves themselves.

    The page's script makes a chart of it, in which every task can be chosen.
    """
    results, metric, styles = report.results, report.results.metric, report.styles
    tasks = sorted({line.task for line in results.lines})
    if not tasks:
        return None
    alone = len(tasks) == 1
    labels = ", ".join(sorted({line.label for line in results.lines}))
    says = f"Learning curves of {labels} on {', '.join(tasks)}; the numbers are in the table of final scores."
    figure = curves.curve_panels(results.lines, tasks, metric, styles, large=alone)
    still = report.figure("learning_curves", f"{metric} across the switch", says, figure)
    shares, x_name = results.efficiency
    if alone or not shares:
        return {"still": still, "chart": None}
    figure = plots.efficiency(shares, x_name, metric, styles)
    count = len(results.grid.tasks) if results.grid else 0
    title = f"IQM of {metric} over all runs of the {count} task(s) that all completed"
    if results.grid and results.grid.incomplete:
        title += f"; without seeds that diverged, which flatters ({results.grid.incomplete})"
    still = report.figure("efficiency", title, f"Sample efficiency of {', '.join(shares)}.", figure)
    return {"still": still, "chart": report.chart(efficiency_chart("all tasks", shares, x_name, metric, styles))}


def _known(notices: Table, notes: list[str]) -> str:
    """What is listed behind it, in one line: how many of each kind."""
    counts = Counter(row[0] for row in notices.rows)
    parts = [f"{count} {kind}" for kind, count in counts.items()]
    if notes:
        parts.append(f"{len(notes)} note{'' if len(notes) == 1 else 's'} on what is compared")
    return ", ".join(parts)
