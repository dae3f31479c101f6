"""The tables of scores: before and after fine-tuning, final, and over tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reports.numbers.aggregates import AGGREGATES
from reports.numbers.before_after import LAST, SCORE_COLUMNS, BeforeAfter
from reports.numbers.intervals import CONFIDENCE, FEW, Interval
from reports.tables.table import ENDS, Table, decimals, number, numbers, text

__all__ = ["aggregate_table", "before_after_table", "finals_table"]


def before_after_table(rows: Sequence[BeforeAfter], metric: str) -> Table:
    """Scores per task and entry: at the switch, final, what was gained between, best, mean of the last few."""
    digits = decimals(metric, _points(rows))
    shown, records = [], []
    for row in rows:
        cell, texts, found = row.cell, [], []
        for name in SCORE_COLUMNS:
            score = row.scores[name]
            iqm, mean = (None, None) if score is None else (score.iqm, score.mean)
            texts.append(text(iqm, digits))
            found += [*numbers(iqm), *numbers(mean)]
        final = f"{row.final_step:,}" + (" (offline only)" if cell.offline_only else "")
        shown.append([cell.task, cell.label, _seeds(row), *texts[:3], final, *_after(texts[3:], row)])
        records.append(
            [
                cell.task,
                cell.label,
                cell.first.profile,
                row.seeds,
                row.final_step,
                len(row.calendar),
                row.shared,
                *found,
            ]
        )
    stat = ("iqm", "iqm_low", "iqm_high", "mean", "t_low", "t_high")
    return Table(
        "before_after",
        f"{metric}: IQM over seeds with {CONFIDENCE:.0%} interval. Best and last are of the evaluations from the "
        "switch on that all entries of the task have. What was gained online is each seed's own difference.",
        [
            "task",
            "algorithm",
            "seeds",
            "at the switch",
            "final",
            "gained online",
            "final step",
            "best of k evaluations, selected online",
            f"mean of last {LAST}",
        ],
        shown,
        [
            "task",
            "algorithm",
            "profile",
            "seeds",
            "final_step",
            "evaluations",
            "shared_evaluations",
            *(f"{name}_{s}" for name in SCORE_COLUMNS for s in stat),
        ],
        records,
    )


def _seeds(row: BeforeAfter) -> str:
    """How many seeds count, and how many were lost."""
    return f"{row.seeds} ({row.lost.words})" if row.lost else str(row.seeds)


def _points(rows: Sequence[BeforeAfter]) -> list[float]:
    return [score.iqm.point for row in rows for score in row.scores.values() if score is not None]


def _after(texts: Sequence[str], row: BeforeAfter) -> list[str]:
    best, last = texts
    if best == "–":
        return [best, last]
    if row.shared < LAST:
        last = f"{last} (of {row.shared})"
    return [f"{best} (k = {row.shared})", last]


def finals_table(rows: Sequence[BeforeAfter], metric: str) -> Table:
    """Final scores per task and entry: mean, median and IQM."""
    digits = decimals(metric, _points(rows))
    shown, records = [], []
    for row in rows:
        name, values = [row.cell.task, row.cell.label], [row.final.mean, row.final.median, row.final.iqm]
        spread = "–" if np.isnan(row.final.spread) else number(row.final.spread, digits + 1)
        shown.append([*name, _seeds(row), *(text(value, digits) for value in values), spread])
        records.append([*name, row.seeds, *(v for value in values for v in numbers(value)), row.final.spread])
    kinds = ("mean", "median", "iqm")
    return Table(
        "finals",
        f"Final {metric} with {CONFIDENCE:.0%} intervals: of the mean Student's, of median and IQM from the "
        f"bootstrap (Student's with its standard error up to {FEW} seeds). No interval leaves the scale, and that of a "
        "success rate is no narrower than its episodes allow.",
        ["task", "algorithm", "seeds", "mean", "median", "IQM", "standard deviation between seeds"],
        shown,
        ["task", "algorithm", "seeds", *(f"{kind}{end}" for kind in kinds for end in ENDS), "spread"],
        records,
    )


def aggregate_table(table: Mapping[str, Mapping[str, Interval]], tasks: int, seeds: Mapping[str, str]) -> Table:
    """Aggregates of final scores over tasks, which are rliable's four."""
    shown = [
        [label, seeds[label], *(text(by_name[name], 2) for name in AGGREGATES)] for label, by_name in table.items()
    ]
    records = [
        [label, tasks, seeds[label], *(v for name in AGGREGATES for v in numbers(by_name[name]))]
        for label, by_name in table.items()
    ]
    columns = [f"{n.lower().replace(' ', '_')}{end}" for n in AGGREGATES for end in ENDS]
    title = f"Aggregates of the final score over {tasks} task(s), which count equally; 1 is solved."
    return Table(
        "aggregates",
        title,
        ["algorithm", "seeds", *AGGREGATES],
        shown,
        ["algorithm", "tasks", "seeds", *columns],
        records,
    )
