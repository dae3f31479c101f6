"""The tables that papers print: tasks down, algorithms across, in bold the best and what is not told apart from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from reports.numbers.before_after import BeforeAfter
from reports.numbers.domains import Average
from reports.numbers.intervals import CONFIDENCE
from reports.numbers.stats import Score
from reports.numbers.verdict import Verdict
from reports.tables.table import Table, Value, decimals, number, text

__all__ = ["paper_tables"]

BOLD = "Bold: the highest mean and what the tests of final scores do not tell apart from it."
LOSSY = " Never bold: means of seeds beside which others diverged."


def paper_tables(
    rows: Sequence[BeforeAfter], verdicts: Sequence[Verdict], averages: Sequence[Average], metric: str
) -> list[Table]:
    """Final scores twice: mean and standard deviation between seeds, and IQM with its interval; empty without rows."""
    if not rows:
        return []
    digits = decimals(metric, [row.final.mean.point for row in rows])

    def mean(final: Score) -> str:
        spread = "" if np.isnan(final.spread) else f" ± {number(final.spread, digits)}"
        return f"{number(final.mean.point, digits)}{spread}"

    lossy = any(len(one.ranked) < len(one.standings) for one in verdicts)
    bold = BOLD + LOSSY * lossy
    means = f"Final {metric}, mean ± standard deviation between seeds; averages over tasks. {bold}"
    iqms = f"Final {metric}, IQM with {CONFIDENCE:.0%} interval; averages are of means. {bold}"
    return [
        _paper("paper_means", means, rows, verdicts, averages, digits, mean),
        _paper("paper_iqms", iqms, rows, verdicts, averages, digits, lambda final: text(final.iqm, digits)),
    ]


def _paper(
    name: str,
    title: str,
    rows: Sequence[BeforeAfter],
    verdicts: Sequence[Verdict],
    averages: Sequence[Average],
    digits: int,
    shown: Callable[[Score], str],
) -> Table:
    labels = sorted({row.cell.label for row in rows})
    finals = {(row.cell.task, row.cell.label): row.final for row in rows}
    tasks, by_task = sorted({task for task, _ in finals}), {verdict.task: verdict for verdict in verdicts}
    lines, records, bold = [], [], set[tuple[int, int]]()
    for i, task in enumerate(tasks):
        lines.append([task, *(shown(finals[task, x]) if (task, x) in finals else "–" for x in labels)])
        bold |= {(i, 1 + labels.index(x)) for x in _best(by_task.get(task))}
        for x in (x for x in labels if (task, x) in finals):
            final = finals[task, x]
            limits = [final.iqm.point, final.iqm.low, final.iqm.high]
            records.append(_record(task, x, [final.mean.point, final.spread, *limits], by_task.get(task)))
    for i, average in enumerate(averages, start=len(tasks)):
        lines.append([average.name, *(number(average.means[x], digits) if x in average.means else "–" for x in labels)])
        bold |= {(i, 1 + labels.index(x)) for x in _best(average.verdict)}
        records += [_record(average.name, x, [mean, *[None] * 4], average.verdict) for x, mean in average.means.items()]
    columns = ["task", "algorithm", "mean", "spread", "iqm", "iqm_low", "iqm_high", "bold"]
    return Table(name, title, ["task", *labels], lines, columns, records, frozenset(bold), frozenset(labels))


def _best(verdict: Verdict | None) -> list[str]:
    """The best entry and those that cannot be told apart from it; nobody where there is nothing to compare."""
    return [] if verdict is None or verdict.best.lost else [verdict.best.label, *verdict.together]


def _record(task: str, label: str, numbers: Sequence[Value], verdict: Verdict | None) -> list[Value]:
    return [task, label, *numbers, int(label in _best(verdict))]
