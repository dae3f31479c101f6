"""The tables of the first screen: the ranking, and who is first on each task. Both show verdicts and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.numbers.intervals import CONFIDENCE
from reports.numbers.lost import withheld
from reports.numbers.verdict import Standing, Verdict
from reports.tables.table import ENDS, Table, Value, decimals, numbers, p_text, text

__all__ = ["leaders_table", "ranking_table"]

BEST, LOWER, TOGETHER, UNTESTED = "highest mean", "lower", "not told apart", "one seed, no test"
NO_VERDICT = "no verdict"


def ranking_table(verdict: Verdict, metric: str) -> Table:
    """Every entry in the order of its mean, and what the test against the best one says."""
    digits = decimals(metric, [one.mean.point for one in verdict.standings])
    shown: list[list[str]] = []
    records: list[list[Value]] = []
    for place, one in enumerate(verdict.standings, start=1):
        pair = verdict.against_best.get(one.label)
        seeds = f"{one.seeds} ({one.notes})" if one.notes else one.seeds
        rank = None if one.lost else place
        behind = None if pair is None else pair.difference.interval
        p = np.nan if pair is None else pair.adjusted
        word = _word(verdict, one)
        estimates = [one.mean, one.median, one.iqm]
        shown.append(
            [str(rank or "–"), one.label, seeds, *(text(x, digits) for x in (*estimates, behind)), p_text(p), word]
        )
        found = [x for value in (*estimates, behind) for x in numbers(value)]
        records.append([rank, one.label, len(verdict.tasks), one.seeds, one.unused, *found, p, word])
    several = len(verdict.tasks) > 1
    where = f"mean over {len(verdict.tasks)} tasks" if several else verdict.tasks[0]
    enough = ", and those are ten or more" if several else ""
    no_place = " Entries that lost seeds have no place." if len(verdict.ranked) < len(verdict.standings) else ""
    return Table(
        "ranking",
        f"Final {metric}, {where}, with {CONFIDENCE:.0%} intervals, in the order of means. The verdict is the test of "
        "the difference from the highest mean, paired by seed where both ran the same seeds on the same data and "
        f"initial states{enough}, else Welch's; p after Holm's correction for {len(verdict.pairs)} pair(s).{no_place}",
        ["place", "algorithm", "seeds", "mean", "median", "IQM", "highest mean − this", "p (Holm)", "verdict"],
        shown,
        [
            "place",
            "algorithm",
            "tasks",
            "seeds",
            "not_counted",
            *(f"{kind}{end}" for kind in ("mean", "median", "iqm", "behind") for end in ENDS),
            "p_holm",
            "verdict",
        ],
        records,
    )


def _word(verdict: Verdict, one: Standing) -> str:
    if one is verdict.best and not one.lost:
        return BEST
    if one is verdict.best or one.label in verdict.withheld:
        return withheld([("", one.lost)])
    if one.label in verdict.lower:
        return LOWER
    return UNTESTED if one.label in verdict.untested else TOGETHER


def leaders_table(verdicts: Sequence[Verdict], metric: str) -> Table:
    """Who has the highest mean on each task, and whom the tests of that task tell apart from it.

    Nobody has it where every entry lost seeds; a column names those of which nothing can be said for that.
    """
    some = [NO_VERDICT] if any(_lossy(verdict) for verdict in verdicts) else []
    shown: list[list[str]] = []
    records: list[list[Value]] = []
    digits = decimals(metric, [one.mean.point for verdict in verdicts for one in verdict.standings])
    for verdict in verdicts:
        best = verdict.best
        label, mean = ("", None) if best.lost else (best.label, best.mean)
        groups = [verdict.together, verdict.lower, verdict.untested, *([_lossy(verdict)] * len(some))]
        words = ["; ".join(group) for group in groups]
        other = _other_firsts(verdict)
        shown.append([verdict.task, label or "–", text(mean, digits), *(word or "–" for word in words), other or "–"])
        records.append([verdict.task, label, *numbers(mean), *words, other])
    return Table(
        "leaders",
        f"Highest mean final {metric} on each task. Told apart or not: the tests below, with Holm's correction for the "
        "pairs of a task, so that each task has a chance of 5 % of any false verdict.",
        [
            "task",
            "highest",
            "its mean",
            "not told apart from it",
            "lower",
            "one seed, no test",
            *some,
            "first by other estimates",
        ],
        shown,
        [
            "task",
            "highest",
            *(f"highest_mean{end}" for end in ENDS),
            "not_told_apart",
            "lower",
            "untested",
            *(name.replace(" ", "_") for name in some),
            "other_firsts",
        ],
        records,
    )


def _lossy(verdict: Verdict) -> list[str]:
    """The entries of which nothing can be said, and why: `risky: 3 of 5 seeds diverged`."""
    names = [*verdict.withheld, *([verdict.best.label] if verdict.best.lost else [])]
    return [f"{one.label}: {one.lost.words}" for one in verdict.standings if one.label in names]


def _other_firsts(verdict: Verdict) -> str:
    """Estimates that do not put the highest mean first, and whom they do; empty where all agree."""
    if verdict.first_by_all or not verdict.ranked:
        return ""
    best = verdict.best.label
    parts = [f"{name}: {', '.join(own) or 'nobody'}" for name, own in verdict.first_by.items() if best not in own]
    return "; ".join(parts)
