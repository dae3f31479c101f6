"""Final scores of two entries against each other: on each task, and over the tasks of the common grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reports.numbers.differences import Difference, Sides, difference, holm
from reports.numbers.grid import SCALES, Common, usable
from reports.runs.cells import Cell
from reports.runs.curves import Curve

__all__ = ["Pair", "corrected", "finals", "over_tasks", "pair_of", "per_task", "side_by_side"]

LEVEL = 0.05


@dataclass(frozen=True)
class Pair:
    """Mean final score of `ahead` minus that of `behind`; `task` is empty for a mean over tasks."""

    task: str
    ahead: str
    behind: str
    seeds: str  # how many and how compared, in words
    paired: bool
    difference: Difference
    adjusted: float  # Holm's p, NaN without an interval

    @property
    def told_apart(self) -> bool:
        """Whether the difference stands after the correction."""
        return self.adjusted < LEVEL


def finals(cells: Sequence[Cell], metric: str) -> dict[tuple[str, str], tuple[Cell, Curve]]:
    """(task, label) -> the finished cell and its usable scores."""
    out = {}
    for cell in cells:
        curve = usable(cell, metric)[0] if cell.finished else None
        if curve is not None:
            out[cell.task, cell.label] = cell, curve
    return out


def side_by_side(one: tuple[Cell, Curve], other: tuple[Cell, Curve]) -> tuple[Sides, str]:
    """Final scores of two cells, paired by seed if they share two seeds or more; and how, in words.

    A seed number of an imported result means nothing here: these are never paired.
    """
    (cell, curve), (cell_2, curve_2) = one, other
    shared = sorted(set(curve.seeds) & set(curve_2.seeds))
    if cell.first.external or cell_2.first.external or len(shared) < 2:
        sides = Sides(curve.values[:, -1], curve_2.values[:, -1], False)
        return sides, f"{len(curve.seeds)} and {len(curve_2.seeds)} seeds, unpaired"
    rows, rows_2 = ([c.seeds.index(s) for s in shared] for c in (curve, curve_2))
    spare = sorted(set(curve.seeds) ^ set(curve_2.seeds))
    words = f"{len(shared)} pairs" + (f", seed {', '.join(map(str, spare))} without partner not used" if spare else "")
    return Sides(curve.values[rows, -1], curve_2.values[rows_2, -1], True), words


def per_task(cells: Sequence[Cell], metric: str) -> list[Pair]:
    """Every two entries on every task; Holm's correction over the pairs of a task."""
    by_key = finals(cells, metric)
    out: list[Pair] = []
    for task in sorted({task for task, _ in by_key}):
        labels = sorted(label for own, label in by_key if own == task)
        found = [_pair(by_key, [task], x, y, task) for x, y in combinations(labels, 2)]
        out += corrected(found)
    return out


def over_tasks(grid: Common, cells: Sequence[Cell], metric: str) -> list[Pair]:
    """Every two entries over the tasks of the grid, in units of the metric, with all their seeds; Holm over all pairs.

    Empty for a metric without a scale: raw returns of different tasks have no mean.
    """
    if metric not in SCALES:
        return []
    by_key = finals(cells, metric)
    return corrected([_pair(by_key, grid.tasks, x, y, "") for x, y in combinations(grid.labels, 2)])


def _pair(
    by_key: Mapping[tuple[str, str], tuple[Cell, Curve]], tasks: Sequence[str], x: str, y: str, name: str
) -> Pair:
    return pair_of(name, x, y, [side_by_side(by_key[task, x], by_key[task, y]) for task in tasks])


def pair_of(task: str, ahead: str, behind: str, found: Sequence[tuple[Sides, str]]) -> Pair:
    """What `side_by_side` found on each task as one pair, not corrected yet."""
    sides = [side for side, _ in found]
    words = "; ".join(sorted({how for _, how in found}))
    return Pair(task, ahead, behind, words, all(side.paired for side in sides), difference(sides), np.nan)


def corrected(found: Sequence[Pair]) -> list[Pair]:
    """The pairs with Holm's p over all of them."""
    adjusted = holm([pair.difference.p for pair in found])
    return [
        Pair(pair.task, pair.ahead, pair.behind, pair.seeds, pair.paired, pair.difference, p)
        for pair, p in zip(found, adjusted, strict=True)
    ]
