"""The tables of scores: before and after fine-tuning, during it, final, and over tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reports.numbers.aggregates import AGGREGATES
from reports.numbers.before_after import LAST, SCORE_COLUMNS, BeforeAfter
from reports.numbers.intervals import CONFIDENCE, FEW, Interval
from reports.numbers.online import Online, Times
from reports.tables.table import ENDS, Table, Value, decimals, number, numbers, text

__all__ = ["aggregate_table", "before_after_table", "finals_table", "online_table"]


def before_after_table(rows: Sequence[BeforeAfter], metric: str) -> Table:
    """Scores per task and entry: at the switch, final, best, mean of the last few."""
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
        shown.append([cell.task, cell.label, str(row.seeds), *texts[:2], final, *_after(texts, row)])
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
        "switch on that all entries of the task have.",
        [
            "task",
            "algorithm",
            "seeds",
            "at the switch",
            "final",
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


def _points(rows: Sequence[BeforeAfter]) -> list[float]:
    return [score.iqm.point for row in rows for score in row.scores.values() if score is not None]


def _after(texts: Sequence[str], row: BeforeAfter) -> list[str]:
    best, last = texts[2:]
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
        shown.append([*name, str(row.seeds), *(text(value, digits) for value in values), spread])
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


def online_table(rows: Sequence[Online], metric: str) -> Table:
    """Online phases per task and entry: dip and recovery after the switch, area, regret, steps to the threshold."""
    digits = decimals(metric, [row.area.iqm.point for row in rows])
    shown, records = [], []
    for row in rows:
        regret = None if row.regret is None else row.regret.iqm
        threshold = "–" if row.threshold is None else f"{row.threshold:g}"
        shown.append(
            [
                row.cell.task,
                row.cell.label,
                str(row.seeds),
                f"{text(row.dip.iqm, digits)} (k = {row.window:,})",
                _regained(row),
                text(row.area.iqm, digits),
                text(regret, digits),
                "–" if row.reached is None else f"{_times(row.reached, 'reached')} (threshold {threshold})",
            ]
        )
        reached: list[Value] = [None, None] if row.reached is None else [row.reached.happened, row.reached.median]
        records.append(
            [
                row.cell.task,
                row.cell.label,
                row.seeds,
                row.final_step,
                row.window,
                *numbers(row.dip.iqm),
                row.fell,
                row.regained.happened,
                row.regained.median,
                *numbers(row.area.iqm),
                *numbers(regret),
                row.threshold,
                *reached,
            ]
        )
    return Table(
        "online",
        f"{metric} during fine-tuning: IQM over seeds with {CONFIDENCE:.0%} interval. Worst dip: lowest score "
        "within the first k environment steps minus the score at the switch. Area: mean over the online phase "
        "(trapezoids); regret: solved minus area. Noise alone makes the lowest of several evaluations low. Steps count "
        "from the switch; a seed that never gets there counts as later than all others (a median of inf in the CSV).",
        [
            "task",
            "algorithm",
            "seeds",
            "worst dip",
            "score at the switch regained",
            "area",
            "regret",
            "steps to the threshold",
        ],
        shown,
        [
            "task",
            "algorithm",
            "seeds",
            "final_step",
            "dip_window",
            *(f"dip_iqm{end}" for end in ENDS),
            "fell",
            "regained",
            "regained_median_step",
            *(f"area_iqm{end}" for end in ENDS),
            *(f"regret_iqm{end}" for end in ENDS),
            "threshold",
            "reached",
            "reached_median_step",
        ],
        records,
    )


def _regained(row: Online) -> str:
    if not row.fell:
        return f"none of {row.seeds} fell"
    fell = "" if row.fell == row.seeds else f" ({row.seeds - row.fell} never fell)"
    return _times(row.regained, "regained it") + fell


def _times(times: Times, what: str) -> str:
    """Words such as `3 of 5 regained it, median 4,000 steps`."""
    median = f"{times.median:,.0f} steps" if np.isfinite(times.median) else "not reached"
    share = f"{times.happened} of {len(times.steps)} {what}"
    return share if not times.happened else f"{share}, median {median}"


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
