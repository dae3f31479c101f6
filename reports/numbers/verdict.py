"""Who is best and how sure that is: one object, from which the first screen and the tables of differences both follow.

Entries are ordered by their mean final score, as the test is one of means. Whether two can be told apart is said by
one test alone, paired or not as `side_by_side` finds, with Holm's correction over all pairs; never by whether intervals
overlap. An entry that lost seeds to divergence has no place in the order, however high the mean of its others: it
stands after all that did not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reports.numbers import pairs as tests
from reports.numbers.aggregates import Runs, aggregates
from reports.numbers.bounds import bounds_of, floor_of
from reports.numbers.grid import SCALES, Common
from reports.numbers.intervals import Interval
from reports.numbers.lost import NOTHING, Lost, failed, lost
from reports.numbers.pairs import Finals, Pair
from reports.numbers.shares import improvement
from reports.numbers.stats import score
from reports.runs.cells import Cell
from reports.runs.curves import Curve

__all__ = ["Standing", "Verdict", "verdict_over_tasks", "verdicts_per_task"]

CLOSE = 1e-9  # scores that differ by less are equal


@dataclass(frozen=True)
class Standing:
    """One entry's place: its final scores three ways, in units of the metric."""

    label: str
    seeds: str  # how many, in words: "10", or "3 to 10" where tasks differ
    unused: str  # the seeds that were run and do not count, in words; empty if all count
    mean: Interval
    median: Interval
    iqm: Interval
    failed: str = ""  # the seeds that diverged and count with the lowest score, in words
    lost: Lost = NOTHING  # the seeds that diverged and have no score

    @property
    def notes(self) -> str:
        """What to know of its seeds, in words; empty if there is nothing."""
        return "; ".join(filter(None, [self.failed, self.unused]))


@dataclass(frozen=True)
class Verdict:
    """The entries of one task, or of the common grid, in the order of their means; two or more of them.

    Those that lost seeds come last.
    """

    task: str  # empty: over the tasks of the grid
    tasks: tuple[str, ...]
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]  # every two of them
    wins: Mapping[tuple[str, str], float]  # (x, y) -> P(X > Y), for every pair

    @property
    def best(self) -> Standing:
        """The entry with the highest mean; of those that lost no seed, where there is one."""
        return self.standings[0]

    @property
    def ranked(self) -> list[Standing]:
        """The entries that lost no seed, which alone have a place."""
        return [one for one in self.standings if not one.lost]

    @cached_property
    def against_best(self) -> dict[str, Pair]:
        """Every other entry -> its pair with the best, which is ahead; in the order of the standings."""
        own = {frozenset((p.ahead, p.behind)): p for p in self.pairs}
        best = self.best.label
        return {one.label: own[frozenset((best, one.label))].seen_from(best) for one in self.standings[1:]}

    @property
    def lower(self) -> list[str]:
        """The entries that are told apart from the best."""
        return [label for label, pair in self.against_best.items() if pair.told_apart]

    @property
    def together(self) -> list[str]:
        """The entries that were tested against the best and cannot be told apart from it."""
        ill = [*self.lower, *self.untested, *self.withheld]
        return [label for label in self.against_best if label not in ill]

    @property
    def untested(self) -> list[str]:
        """The entries that no test can set against the best: one of the two has a single seed."""
        return [label for label, p in self.against_best.items() if np.isnan(p.adjusted) and not p.withheld]

    @property
    def withheld(self) -> list[str]:
        """The entries of which nothing can be said beside the best, as seeds diverged."""
        return [label for label, pair in self.against_best.items() if pair.withheld]

    @cached_property
    def first_by(self) -> dict[str, list[str]]:
        """Estimate -> who is first by it: several where they are equal, nobody where none beats every other.

        Of those that lost no seed.
        """
        out = {}
        for name in ("mean", "median", "IQM"):
            points = {one.label: getattr(one, name.lower()).point for one in self.ranked}
            out[name] = [label for label, point in points.items() if point >= max(points.values()) - CLOSE]
        labels = [one.label for one in self.ranked]
        out["P(X > Y)"] = [x for x in labels if all(self._beats(x, y) >= 0.5 - CLOSE for y in labels if y != x)]
        return out

    def _beats(self, x: str, y: str) -> float:
        return self.wins[x, y] if (x, y) in self.wins else 1 - self.wins[y, x]

    @property
    def first_by_all(self) -> list[str]:
        """The entries that are first by every estimate; empty where the estimates disagree."""
        return sorted(set.intersection(*map(set, self.first_by.values())))


def _verdict(
    task: str, tasks: Sequence[str], found: Sequence[Standing], pairs: Sequence[Pair], runs: Mapping[str, Runs]
) -> Verdict:
    order = sorted(found, key=lambda one: (bool(one.lost), -round(one.mean.point, 9), one.label))
    wins = {(p.ahead, p.behind): improvement(runs[p.ahead], runs[p.behind]).point for p in pairs}
    return Verdict(task, tuple(tasks), tuple(order), tuple(pairs), wins)


def verdicts_per_task(by_key: Finals, metric: str, seed: int) -> list[Verdict]:
    """The verdict on every task that two entries or more have finished."""
    out = []
    for task, pairs in tests.per_task(by_key, metric).items():
        own = {label: one for (where, label), one in by_key.items() if where == task}
        runs = {label: curve.values[:, -1] for label, (_, curve) in own.items()}
        standings = []
        for label, (cell, _) in own.items():
            final = score(runs[label], seed, bounds_of(cell, metric))
            standings.append(
                _standing(label, str(len(runs[label])), [own[label]], metric, (final.mean, final.median, final.iqm))
            )
        if pairs:
            out.append(_verdict(task, [task], standings, pairs, {label: [x] for label, x in runs.items()}))
    return out


def verdict_over_tasks(grid: Common, by_key: Finals, metric: str, seed: int) -> Verdict | None:
    """The verdict over the tasks of the grid; None without two entries or without a scale that tasks share."""
    pairs = tests.over_tasks(grid, by_key, metric)
    if not pairs:
        return None
    standings = []
    for label in grid.labels:
        found = aggregates(grid.scores[label], seed, grid.bounds[label])
        median, iqm, mean = (_scaled(found[name], SCALES[metric]) for name in ("median", "IQM", "mean"))
        own = [by_key[task, label] for task in grid.tasks]
        standings.append(_standing(label, grid.seeds(label), own, metric, (mean, median, iqm)))
    return _verdict("", grid.tasks, standings, pairs, grid.scores)


def _standing(
    label: str,
    seeds: str,
    found: Sequence[tuple[Cell, Curve]],
    metric: str,
    scores: tuple[Interval, Interval, Interval],
) -> Standing:
    """The place of an entry with these mean, median and IQM, and what of its seeds does not count or has diverged."""
    gone, ill = lost(found), failed(found)
    run = sum(len(cell.seeds) for cell, _ in found)
    other = run - gone.seeds - sum(len(curve.seeds) for _, curve in found)
    unused = "; ".join(filter(None, [gone.words, f"{other} of {run} seeds not used" if other else ""]))
    counts = f"{ill.words}, counted as {floor_of(metric):g}" if ill else ""
    return Standing(label, seeds, unused, *scores, counts, gone)


def _scaled(value: Interval, by: float) -> Interval:
    return Interval(by * value.point, by * value.low, by * value.high)
