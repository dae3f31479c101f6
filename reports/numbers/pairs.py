"""Final scores of two entries against each other: on each task, and over the tasks of the common grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from reports.numbers.bounds import bounds_on, of_changes
from reports.numbers.differences import Difference, Sides, difference, holm
from reports.numbers.grid import SCALES, Common, usable
from reports.numbers.lost import NOTHING, Lost, lost
from reports.runs.cells import Cell, dataset_name
from reports.runs.curves import Curve

__all__ = ["LEVEL", "Finals", "Pair", "corrected", "finals", "over_tasks", "pair_of", "per_task", "side_by_side"]

LEVEL = 0.05
# over tasks of which some are noisier than others, tests of fewer pairs say too often that there is a difference
# (benchmarks/README.md, coverage.py)
FEWEST_PAIRS = 10
Finals = Mapping[tuple[str, str], tuple[Cell, Curve]]  # (task, label) -> a finished cell and its scores that count


@dataclass(frozen=True)
class Pair:
    """Mean final score of `ahead` minus that of `behind`; `task` is empty for a mean over tasks."""

    task: str
    ahead: str
    behind: str
    seeds: str  # how many and how compared, in words
    paired: bool
    difference: Difference
    adjusted: float  # Holm's p, NaN without an interval or a verdict
    lost: tuple[Lost, Lost] = (NOTHING, NOTHING)  # seeds of each side that diverged and have no score

    @property
    def told_apart(self) -> bool:
        """Whether the difference stands after the correction."""
        return self.adjusted < LEVEL and not self.withheld

    @property
    def withheld(self) -> bool:
        """Whether seeds were lost and the test says nothing against their side alone: then there is no verdict."""
        above, below = self.lost if self.difference.interval.point > 0 else self.lost[::-1]
        return bool(above) or (bool(below) and not self.adjusted < LEVEL)

    @property
    def higher(self) -> str | None:
        """The entry whose mean is higher, if the two can be told apart."""
        if not self.told_apart:
            return None
        return self.ahead if self.difference.interval.point > 0 else self.behind

    def seen_from(self, label: str) -> Pair:
        """The same pair with `label` ahead."""
        if label == self.ahead:
            return self
        value = self.difference.interval
        turned = replace(value, point=-value.point, low=-value.high, high=-value.low)
        found = replace(self.difference, interval=turned)
        return replace(self, ahead=self.behind, behind=self.ahead, difference=found, lost=self.lost[::-1])


def finals(cells: Sequence[Cell], metric: str) -> Finals:
    """The finished cells and their usable scores."""
    out = {}
    for cell in cells:
        curve = usable(cell, metric)[0] if cell.finished else None
        if curve is not None:
            out[cell.task, cell.label] = cell, curve
    return out


def side_by_side(one: tuple[Cell, Curve], other: tuple[Cell, Curve], shared: bool = False) -> tuple[Sides, str]:
    """Final scores of two cells, paired by seed where `_unpaired` has nothing against it; and how, in words.

    Else every seed counts, unpaired. `shared` pairs the seeds that both ran, where there are two or more, and leaves
    the others out: worth it where one method is compared with itself.
    """
    (cell, curve), (cell_2, curve_2) = one, other
    both = sorted(set(curve.seeds) & set(curve_2.seeds))
    spare = sorted(set(curve.seeds) ^ set(curve_2.seeds))
    why = _unpaired(cell, cell_2) or ("not the same seeds" if len(both) < 2 or (spare and not shared) else "")
    if why:
        words = f"{len(curve.seeds)} and {len(curve_2.seeds)} seeds, unpaired: {why}"
        return Sides(curve.values[:, -1], curve_2.values[:, -1], False), words
    rows, rows_2 = ([c.seeds.index(s) for s in both] for c in (curve, curve_2))
    words = f"{len(both)} pairs" + (f", seed {', '.join(map(str, spare))} without partner not used" if spare else "")
    return Sides(curve.values[rows, -1], curve_2.values[rows_2, -1], True), words


def _unpaired(cell: Cell, other: Cell) -> str:
    """Why equal seed numbers of two cells do not make a pair; empty if they do.

    A pair shares its data and its evaluation's initial states, those of the first `eval_episodes` reset seeds.
    """
    if cell.first.external or other.first.external:
        return "imported, whose seed numbers mean nothing here"
    if dataset_name(cell.first.run) != dataset_name(other.first.run):
        return "not the same data"
    counts = [dict(c.first.run.get("settings", {}).get("eval_episodes") or {}).get("value") for c in (cell, other)]
    return "" if counts[0] == counts[1] else "not the same initial states"


def per_task(by_key: Finals, metric: str) -> dict[str, list[Pair]]:
    """Every two entries on every task; Holm's correction over the pairs of a task."""
    out = {}
    for task in sorted({task for task, _ in by_key}):
        labels = sorted(label for own, label in by_key if own == task)
        out[task] = corrected([_pair(by_key, [task], x, y, task, metric) for x, y in combinations(labels, 2)])
    return out


def over_tasks(grid: Common, by_key: Finals, metric: str) -> list[Pair]:
    """Every two entries over the tasks of the grid, in units of the metric, with all their seeds; Holm over all pairs.

    Paired where both ran the same `FEWEST_PAIRS` seeds or more. Empty for a metric without a scale: raw returns of
    different tasks have no mean.
    """
    if metric not in SCALES:
        return []
    return corrected([_pair(by_key, grid.tasks, x, y, "", metric) for x, y in combinations(grid.labels, 2)])


def _pair(by_key: Finals, tasks: Sequence[str], x: str, y: str, name: str, metric: str) -> Pair:
    found = [side_by_side(by_key[task, x], by_key[task, y]) for task in tasks]
    gone = lost([by_key[task, x] for task in tasks]), lost([by_key[task, y] for task in tasks])
    return pair_of(name, x, y, found if len(tasks) == 1 else [*map(_cautious, found)], metric, gone)


def _cautious(found: tuple[Sides, str]) -> tuple[Sides, str]:
    """The same two cells unpaired, where their pairs are too few for a test over tasks."""
    sides, how = found
    if not sides.paired or len(sides.ahead) >= FEWEST_PAIRS:
        return found
    return replace(sides, paired=False), f"{how}, unpaired: over tasks from {FEWEST_PAIRS} pairs on"


def pair_of(
    task: str,
    ahead: str,
    behind: str,
    found: Sequence[tuple[Sides, str]],
    metric: str,
    gone: tuple[Lost, Lost] = (NOTHING, NOTHING),
) -> Pair:
    """What `side_by_side` found on each task as one pair, not corrected yet; its interval stays on the scale."""
    sides = [side for side, _ in found]
    words = "; ".join(sorted({how for _, how in found}))
    value = difference(sides)
    value = replace(value, interval=of_changes(bounds_on(metric)).inside(value.interval))
    return Pair(task, ahead, behind, words, all(side.paired for side in sides), value, np.nan, gone)


def corrected(found: Sequence[Pair]) -> list[Pair]:
    """The pairs with Holm's p over all of them; without a p where there is no verdict."""
    adjusted = holm([pair.difference.p for pair in found])
    out = [replace(pair, adjusted=p) for pair, p in zip(found, adjusted, strict=True)]
    return [_silent(pair) if pair.withheld else pair for pair in out]


def _silent(pair: Pair) -> Pair:
    return replace(pair, adjusted=np.nan, difference=replace(pair.difference, p=np.nan))
