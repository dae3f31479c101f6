"""The tables of differences: between two entries of a report, and between two sets of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reports.numbers.compare import Change, Compared
from reports.numbers.intervals import CONFIDENCE, Interval
from reports.numbers.lost import withheld
from reports.numbers.pairs import Pair
from reports.tables.cells import gaps_table
from reports.tables.table import ENDS, Table, decimals, numbers, p_text, text

__all__ = ["compare_tables", "improvement_table", "pairs_table"]


def pairs_table(pairs: Sequence[Pair], metric: str, name: str = "differences") -> Table:
    """Differences of final scores, on each task or over tasks."""
    digits = decimals(metric, [pair.difference.interval.point for pair in pairs])
    shown, records = [], []
    for pair in pairs:
        value, where = pair.difference.interval, [pair.task] if pair.task else []
        verdict = _verdict(pair, f"{pair.ahead} higher", f"{pair.behind} higher")
        shown.append([*where, pair.ahead, pair.behind, text(value, digits), p_text(pair.adjusted), verdict, pair.seeds])
        found = [*numbers(value), pair.difference.p, pair.adjusted, int(pair.paired), pair.seeds]
        records.append([*where, pair.ahead, pair.behind, *found])
    tasks, family = (["task"], "pairs of a task") if any(pair.task for pair in pairs) else ([], f"{len(pairs)} pair(s)")
    return Table(
        name,
        f"Final {metric}, mean of X minus mean of Y, with {CONFIDENCE:.0%} interval: paired by seed where both "
        "ran the same seeds on the same data and initial states, else Welch's. p "
        f"after Holm's correction for the {family}; intervals are uncorrected.",
        [*tasks, "X", "Y", "X − Y", "p (Holm)", "verdict", "seeds"],
        shown,
        [*tasks, "x", "y", "difference", "low", "high", "p", "p_holm", "paired", "seeds"],
        records,
    )


def _verdict(pair: Pair, above: str, below: str) -> str:
    """The word for a difference that stands, `above` or `below` by its sign; no verdict from a single seed.

    Nor is there one in favour of a side that lost seeds.
    """
    if pair.withheld:
        sides = ("second set", "first set") if pair.ahead == pair.behind else (pair.ahead, pair.behind)
        return withheld([*zip(sides, pair.lost, strict=True)])
    if np.isnan(pair.adjusted):
        return "no interval from a single seed"
    if not pair.told_apart:
        return "not told apart"
    return above if pair.difference.interval.point > 0 else below


def improvement_table(table: Mapping[tuple[str, str], Interval]) -> Table:
    """Probability that a run of X scores above one of Y, for each pair."""
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


def compare_tables(found: Compared, metric: str) -> list[Table]:
    """Tables of a comparison: cell by cell, over tasks, and what was not compared; only those that have rows."""
    tables = [_changes_table(found.changes, metric)]
    if found.overall:
        tables.append(_overall_table(found.overall, metric))
    if found.missing:
        tables.append(gaps_table("not_compared", "Left out of the comparison.", found.missing))
    return tables


def _changed(pair: Pair) -> str:
    """Whether a change is better or worse, where it can be told: more counts as better, as in all scores."""
    limits = pair.difference.interval
    same = not pair.withheld and pair.difference.p == 1.0 and limits.low == limits.high
    return "no difference" if same else _verdict(pair, "better", "worse")


def _changes_table(changes: Sequence[Change], metric: str) -> Table:
    digits = decimals(metric, [one.after.mean.point for one in changes])
    shown, records = [], []
    for one in changes:
        pair = one.pair
        values = (one.before.mean, one.after.mean, pair.difference.interval)
        shown.append(
            [one.task, one.algo, *(text(v, digits) for v in values), p_text(pair.adjusted), _changed(pair), pair.seeds]
        )
        found = [x for value in values for x in numbers(value)]
        records.append(
            [one.task, one.algo, *found, pair.difference.p, pair.adjusted, _changed(pair), int(pair.paired), pair.seeds]
        )
    return Table(
        "changes",
        f"Mean final {metric} of the first and the second set and their difference, each with {CONFIDENCE:.0%} "
        f"interval. p after Holm's correction for {len(changes)} comparison(s); intervals are uncorrected.",
        ["task", "algorithm", "first", "second", "second − first", "p (Holm)", "verdict", "seeds"],
        shown,
        [
            "task",
            "algorithm",
            *(f"{n}{end}" for n in ("first", "second", "difference") for end in ENDS),
            "p",
            "p_holm",
            "verdict",
            "paired",
            "seeds",
        ],
        records,
    )


def _overall_table(pairs: Sequence[Pair], metric: str) -> Table:
    digits = decimals(metric, [pair.difference.interval.point for pair in pairs])
    shown, records = [], []
    for pair in pairs:
        value = pair.difference.interval
        shown.append([pair.ahead, text(value, digits), p_text(pair.adjusted), _changed(pair), pair.seeds])
        records.append([pair.ahead, *numbers(value), pair.difference.p, pair.adjusted, _changed(pair), pair.seeds])
    return Table(
        "changes_over_tasks",
        f"Difference of the mean final {metric}, mean over the tasks that both sets finished, with "
        f"{CONFIDENCE:.0%} interval. p after Holm's correction for {len(pairs)} algorithm(s).",
        ["algorithm", "second − first", "p (Holm)", "verdict", "tasks and seeds"],
        shown,
        ["algorithm", "difference", "low", "high", "p", "p_holm", "verdict", "seeds"],
        records,
    )
