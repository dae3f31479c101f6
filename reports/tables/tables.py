"""The tables of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reports.numbers import stats
from reports.numbers.before_after import LAST, SCORE_COLUMNS, BeforeAfter
from reports.numbers.compare import Change, Compared
from reports.numbers.grid import Gap
from reports.numbers.online import Online, Times
from reports.numbers.pairs import Pair
from reports.numbers.stats import Interval
from reports.runs.collect import Cell
from reports.tables.table import Table, Value, decimals, number, numbers, text

__all__ = [
    "Table", "aggregate_table", "before_after_table", "cells_table", "compare_tables", "finals_table", "gaps_table",
    "improvement_table", "online_table", "pairs_table",
]  # fmt: skip

ENDS = ("", "_low", "_high")


def before_after_table(rows: Sequence[BeforeAfter], metric: str) -> Table:
    """Per task and entry: the score at the switch, final, best, mean of the last few."""
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
        records.append([cell.task, cell.label, cell.first.profile, row.seeds, row.final_step, row.evaluations, *found])
    stat = ("iqm", "iqm_low", "iqm_high", "mean", "t_low", "t_high")
    return Table(
        "before_after",
        f"{metric}: IQM over seeds with {stats.CONFIDENCE:.0%} interval.",
        ["task", "algorithm", "seeds", "at the switch", "final", "final step",
         "best of k evaluations, selected online", f"mean of last {LAST}"],
        shown,
        ["task", "algorithm", "profile", "seeds", "final_step", "evaluations",
         *(f"{name}_{s}" for name in SCORE_COLUMNS for s in stat)],
        records,
    )  # fmt: skip


def _points(rows: Sequence[BeforeAfter]) -> list[float]:
    return [score.iqm.point for row in rows for score in row.scores.values() if score is not None]


def _after(texts: Sequence[str], row: BeforeAfter) -> list[str]:
    best, last = texts[2:]
    if best == "–":
        return [best, last]
    if row.evaluations < LAST:
        last = f"{last} (of {row.evaluations})"
    return [f"{best} (k = {row.evaluations})", last]


def finals_table(rows: Sequence[BeforeAfter], metric: str) -> Table:
    """Per task and entry: mean, median and IQM of the final score."""
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
        f"Final {metric} with {stats.CONFIDENCE:.0%} intervals: of the mean Student's, of median and IQM from the "
        f"bootstrap (Student's with its standard error up to {stats.FEW} seeds).",
        ["task", "algorithm", "seeds", "mean", "median", "IQM", "standard deviation between seeds"],
        shown,
        ["task", "algorithm", "seeds", *(f"{kind}{end}" for kind in kinds for end in ENDS), "spread"],
        records,
    )


def online_table(rows: Sequence[Online], metric: str) -> Table:
    """Per task and entry: dip and recovery after the switch, area, regret, steps to the threshold."""
    digits = decimals(metric, [row.area.iqm.point for row in rows])
    shown, records = [], []
    for row in rows:
        regret = None if row.regret is None else row.regret.iqm
        threshold = "–" if row.threshold is None else f"{row.threshold:g}"
        shown.append(
            [row.cell.task, row.cell.label, str(row.seeds), f"{text(row.dip.iqm, digits)} (k = {row.window:,})",
             _regained(row), text(row.area.iqm, digits), text(regret, digits),
             "–" if row.reached is None else f"{_times(row.reached, 'reached')} (threshold {threshold})"]
        )  # fmt: skip
        reached: list[Value] = [None, None] if row.reached is None else [row.reached.happened, row.reached.median]
        records.append(
            [row.cell.task, row.cell.label, row.seeds, row.final_step, row.window, *numbers(row.dip.iqm), row.fell,
             row.regained.happened, row.regained.median, *numbers(row.area.iqm), *numbers(regret), row.threshold,
             *reached]
        )  # fmt: skip
    return Table(
        "online",
        f"{metric} during fine-tuning: IQM over seeds with {stats.CONFIDENCE:.0%} interval. Worst dip: lowest score "
        "within the first k environment steps minus the score at the switch. Area: mean over the online phase "
        "(trapezoids); regret: solved minus area. Noise alone makes the lowest of several evaluations low. Steps count "
        "from the switch; a seed that never gets there counts as later than all others (a median of inf in the CSV).",
        ["task", "algorithm", "seeds", "worst dip", "score at the switch regained", "area", "regret",
         "steps to the threshold"],
        shown,
        ["task", "algorithm", "seeds", "final_step", "dip_window", *(f"dip_iqm{end}" for end in ENDS), "fell",
         "regained", "regained_median_step", *(f"area_iqm{end}" for end in ENDS),
         *(f"regret_iqm{end}" for end in ENDS), "threshold", "reached", "reached_median_step"],
        records,
    )  # fmt: skip


def _regained(row: Online) -> str:
    if not row.fell:
        return f"none of {row.seeds} fell"
    fell = "" if row.fell == row.seeds else f" ({row.seeds - row.fell} never fell)"
    return _times(row.regained, "regained it") + fell


def _times(times: Times, what: str) -> str:
    """`3 of 5 regained it, median 4,000 steps`."""
    median = f"{times.median:,.0f} steps" if np.isfinite(times.median) else "not reached"
    share = f"{times.happened} of {len(times.steps)} {what}"
    return share if not times.happened else f"{share}, median {median}"


def pairs_table(pairs: Sequence[Pair], metric: str, name: str = "differences") -> Table:
    """Differences of final scores, on each task or over tasks."""
    digits = decimals(metric, [pair.difference.interval.point for pair in pairs])
    shown, records = [], []
    for pair in pairs:
        value, where = pair.difference.interval, [pair.task] if pair.task else []
        verdict = _verdict(pair, f"{pair.ahead} higher", f"{pair.behind} higher")
        shown.append([*where, pair.ahead, pair.behind, text(value, digits), _p(pair), verdict, pair.seeds])
        found = [*numbers(value), pair.difference.p, pair.adjusted, int(pair.paired), pair.seeds]
        records.append([*where, pair.ahead, pair.behind, *found])
    tasks, family = (["task"], "pairs of a task") if any(pair.task for pair in pairs) else ([], f"{len(pairs)} pair(s)")
    return Table(
        name,
        f"Final {metric}, mean of X minus mean of Y, with {stats.CONFIDENCE:.0%} interval: paired by seed where both "
        f"ran the same seeds, else Welch's. p after Holm's correction for the {family}; intervals are uncorrected.",
        [*tasks, "X", "Y", "X − Y", "p (Holm)", "verdict", "seeds"],
        shown,
        [*tasks, "x", "y", "difference", "low", "high", "p", "p_holm", "paired", "seeds"],
        records,
    )


def _p(pair: Pair) -> str:
    return "–" if np.isnan(pair.adjusted) else f"{pair.adjusted:.3f}"


def _verdict(pair: Pair, above: str, below: str) -> str:
    """One of the two where the difference stands, by its sign; no verdict from a single seed."""
    if np.isnan(pair.adjusted):
        return "no interval from a single seed"
    if not pair.told_apart:
        return "not told apart"
    return above if pair.difference.interval.point > 0 else below


def compare_tables(found: Compared, metric: str) -> list[Table]:
    """Cell by cell, over tasks, and what was not compared; only those that have rows."""
    tables = [_changes_table(found.changes, metric)]
    if found.overall:
        tables.append(_overall_table(found.overall, metric))
    if found.missing:
        tables.append(gaps_table("not_compared", "Left out of the comparison.", found.missing))
    return tables


def _changed(pair: Pair) -> str:
    """More counts as better, as in all scores."""
    limits = pair.difference.interval
    same = pair.difference.p == 1.0 and limits.low == limits.high
    return "no difference" if same else _verdict(pair, "better", "worse")


def _changes_table(changes: Sequence[Change], metric: str) -> Table:
    digits = decimals(metric, [one.after.mean.point for one in changes])
    shown, records = [], []
    for one in changes:
        pair = one.pair
        values = (one.before.mean, one.after.mean, pair.difference.interval)
        shown.append([one.task, one.algo, *(text(v, digits) for v in values), _p(pair), _changed(pair), pair.seeds])
        found = [x for value in values for x in numbers(value)]
        records.append(
            [one.task, one.algo, *found, pair.difference.p, pair.adjusted, _changed(pair), int(pair.paired), pair.seeds]
        )
    return Table(
        "changes",
        f"Mean final {metric} of the first and the second set and their difference, each with {stats.CONFIDENCE:.0%} "
        f"interval. p after Holm's correction for {len(changes)} comparison(s); intervals are uncorrected.",
        ["task", "algorithm", "first", "second", "second − first", "p (Holm)", "verdict", "seeds"],
        shown,
        ["task", "algorithm",
         *(f"{n}{end}" for n in ("first", "second", "difference") for end in ENDS), "p",
         "p_holm", "verdict", "paired", "seeds"],
        records,
    )  # fmt: skip


def _overall_table(pairs: Sequence[Pair], metric: str) -> Table:
    digits = decimals(metric, [pair.difference.interval.point for pair in pairs])
    shown, records = [], []
    for pair in pairs:
        value = pair.difference.interval
        shown.append([pair.ahead, text(value, digits), _p(pair), _changed(pair), pair.seeds])
        records.append([pair.ahead, *numbers(value), pair.difference.p, pair.adjusted, _changed(pair), pair.seeds])
    return Table(
        "changes_over_tasks",
        f"Difference of the mean final {metric}, mean over the tasks that both sets finished, with "
        f"{stats.CONFIDENCE:.0%} interval. p after Holm's correction for {len(pairs)} algorithm(s).",
        ["algorithm", "second − first", "p (Holm)", "verdict", "tasks and seeds"],
        shown,
        ["algorithm", "difference", "low", "high", "p", "p_holm", "verdict", "seeds"],
        records,
    )


def aggregate_table(table: Mapping[str, Mapping[str, Interval]], tasks: int, seeds: int) -> Table:
    """rliable's aggregates over tasks."""
    shown = [[label, *(text(by_name[name], 2) for name in stats.AGGREGATES)] for label, by_name in table.items()]
    records = [
        [label, tasks, seeds, *(v for name in stats.AGGREGATES for v in numbers(by_name[name]))]
        for label, by_name in table.items()
    ]
    columns = [f"{n.lower().replace(' ', '_')}{end}" for n in stats.AGGREGATES for end in ENDS]
    title = f"Aggregates of the final score over {tasks} task(s), {seeds} seed(s) each; 1 is solved."
    return Table(
        "aggregates",
        title,
        ["algorithm", *stats.AGGREGATES],
        shown,
        ["algorithm", "tasks", "seeds", *columns],
        records,
    )


def improvement_table(table: Mapping[tuple[str, str], Interval]) -> Table:
    """P(X > Y) of each pair."""
    shown = [[x, y, text(value, 2)] for (x, y), value in table.items()]
    records = [[x, y, *numbers(value)] for (x, y), value in table.items()]
    return Table(
        "improvement",
        f"Probability that a run of X scores above one of Y; {len(table)} pair(s), uncorrected for that.",
        ["X", "Y", "P(X > Y)"],
        shown,
        ["x", "y", "probability", "low", "high"],
        records,
    )


def gaps_table(name: str, title: str, gaps: Sequence[Gap]) -> Table:
    """What was left out of a comparison, and why."""
    rows = [[g.task, g.label, g.reason] for g in gaps]
    return Table(name, title, ["task", "algorithm", "reason"], rows, ["task", "algorithm", "reason"], rows)


def cells_table(cells: Sequence[Cell], missing: Sequence[Gap]) -> Table:
    """Every cell of the comparison: complete, unfinished with its progress, or missing."""
    rows = []
    for cell in cells:
        state = "imported" if cell.first.external else "complete" if cell.finished else _progress(cell)
        gone = ", ".join(f"{seed} (at step {step:,})" for seed, step in cell.diverged.items())
        where = ", ".join(source.where for source in cell.sources)
        rows.append([cell.task, cell.label, state, ", ".join(map(str, cell.seeds)), gone, cell.first.profile, where])
    rows += [[gap.task, gap.label, f"missing: {gap.reason}", "", "", "", ""] for gap in missing]
    rows.sort(key=lambda r: (r[0], r[1]))
    columns = ["task", "algorithm", "state", "seeds", "diverged_seeds", "profile", "where"]
    header = [c.replace("_", " ") for c in columns]
    return Table("cells", "Cells of the comparison.", header, rows, columns, rows)


def _progress(cell: Cell) -> str:
    status, settings = cell.first.status, cell.first.run["settings"]
    phase = status.get("phase", "offline")
    counter, total = ("env_step", "online_steps") if phase == "online" else ("update", "offline_updates")
    done, goal = status.get(counter, 0), dict(settings.get(total) or {}).get("value")
    share = f" of {goal:,} ({done / goal:.0%})" if isinstance(goal, int) and goal > 0 else ""
    what = "environment steps" if phase == "online" else "offline updates"
    message = f": {status['message']}" if status.get("message") else ""
    return f"unfinished, {status.get('state', 'state unknown')} at {done:,}{share} {what}{message}"
