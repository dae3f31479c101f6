"""The complete grid of entries and tasks, on which all statistics over tasks rest, and what is computed on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from reports.numbers.aggregates import Runs, iqm_over_tasks
from reports.numbers.bounds import Bounds, bounds_of, floor_of
from reports.numbers.intervals import Floats, Interval
from reports.numbers.lost import NOTHING, Lost, lost, together
from reports.numbers.shares import improvement
from reports.runs.cells import Cell
from reports.runs.curves import Curve
from suite.record.metrics import SCORE_UNITS

__all__ = [
    "SCALES",
    "Common",
    "Efficiency",
    "Gap",
    "common",
    "efficiency",
    "finished_curves",
    "improvements",
    "unused",
    "usable",
]

_SOLVED = {"share": 1.0, "percent": 100.0}  # by the unit of a score
# metrics that mean the same on every task, and the value that counts as solved
SCALES = {metric: _SOLVED[unit] for metric, unit in SCORE_UNITS.items() if unit in _SOLVED}

LARGEST = 1e100  # of a score

Efficiency = tuple[Floats, Floats, Floats, Floats]


@dataclass(frozen=True)
class Gap:
    """Something that is not in a comparison, and why."""

    task: str
    label: str
    reason: str


@dataclass(frozen=True)
class Common:
    """The complete grid of entries and tasks: `scores[label]` has an array of seeds for each task, 1 is solved."""

    labels: tuple[str, ...]
    tasks: tuple[str, ...]
    scores: Mapping[str, Runs] = field(repr=False)
    bounds: Mapping[str, Sequence[Bounds]] = field(repr=False)  # of the scores of each task
    left_out: tuple[Gap, ...]
    lost: Mapping[str, Sequence[Lost]] = field(default_factory=dict, repr=False)  # seeds without a score, of each task

    def ordered(self, label: str) -> Runs:
        """The scores where only their order matters: a seed that diverged and has none is below all others."""
        gone = [one.seeds for one in self.lost.get(label, [NOTHING] * len(self.tasks))]
        return [np.append(x, [-np.inf] * n) for x, n in zip(self.scores[label], gone, strict=True)]

    @property
    def incomplete(self) -> str:
        """What of the entries has diverged and has no score, in words; empty if nothing has."""
        counts = {label: together(own) for label, own in self.lost.items()}
        return "; ".join(f"{label}: {one.words}" for label, one in counts.items() if one)

    def seeds(self, label: str | None = None) -> str:
        """Seeds per task of one entry or of all, in words: `10`, or `3 to 10`."""
        runs = self.scores.values() if label is None else [self.scores[label]]
        counts = sorted({len(x) for own in runs for x in own})
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def usable(cell: Cell, metric: str) -> tuple[Curve | None, list[str]]:
    """The scores of a cell that count, as `Cell.usable` gives them, without seeds that hold infinite values.

    So are those beyond `LARGEST`, whose squares no double holds. On a scale with a lower bound a seed that diverged
    counts with that bound from then on; on another one it is lost, see `reports.numbers.lost`.
    """
    curve, why = cell.usable(metric, floor_of(metric))
    if curve is None:
        return curve, why
    finite = np.asarray((np.abs(curve.values) <= LARGEST).all(axis=1))
    infinite = [seed for seed, good in zip(curve.seeds, finite.tolist(), strict=True) if not good]
    why += [f"seed {seed} has a {metric!r} that is infinite or beyond {LARGEST:.0e}" for seed in infinite]
    if not finite.any():
        return None, why
    seeds = tuple(seed for seed in curve.seeds if seed not in infinite)
    return Curve(seeds, curve.steps, curve.values[finite]), why


def unused(cell: Cell, metric: str) -> list[str]:
    """What of a cell does not count besides seeds that diverged, and why."""
    why = usable(cell, metric)[1]
    named = floor_of(metric) is None and cell.curve(metric) is not None
    why = why[len(cell.diverged) :] if named else why
    doubled = sum(source.replaced.get(metric, 0) for source in cell.sources)
    return [*why, f"{doubled} value(s) of a step that has a later one, which counts"] if doubled else why


def finished_curves(cells: Sequence[Cell], metric: str) -> tuple[list[tuple[Cell, Curve]], list[Gap]]:
    """Finished cells with the scores that count, and by name what of them does not."""
    found, gaps = [], []
    for cell in cells:
        if not cell.finished:
            gaps.append(Gap(cell.task, cell.label, f"unfinished: {cell.first.where}"))
            continue
        curve, why = usable(cell, metric)
        gaps += [Gap(cell.task, cell.label, reason) for reason in why]
        if curve is not None:
            found.append((cell, curve))
    return found, gaps


def common(cells: Sequence[Cell], metric: str) -> Common:
    """The largest complete grid of entries x tasks, and by name everything that is not in it.

    Entries that completed the fewest tasks are dropped one by one as long as the grid of the rest is larger:
    one entry run on a single task must not reduce everybody's comparison to that task.
    """
    finished, gaps = finished_curves(cells, metric)
    done: dict[str, dict[str, Curve]] = {}  # label -> task -> curve
    for cell, curve in finished:
        done.setdefault(cell.label, {})[cell.task] = curve
    labels, tasks = _largest_grid({label: set(by_task) for label, by_task in done.items()})
    for label, by_task in done.items():
        if label not in labels:
            reason = f"completed only {len(by_task)} task(s): comparing it would leave out more than it adds"
            gaps += [Gap(task, label, reason) for task in by_task]
        else:
            for task in sorted(set(by_task) - set(tasks)):
                lacking = ", ".join(other for other in labels if task not in done[other])
                gaps.append(Gap(task, label, f"the task is left out: not completed by {lacking}"))
    scores = {label: [done[label][task].values[:, -1] / SCALES[metric] for task in tasks] for label in labels}
    by_key = {(cell.label, cell.task): cell for cell, _ in finished}
    bounds = {label: [bounds_of(by_key[label, task], metric) for task in tasks] for label in labels}
    gone = {label: [lost([(by_key[label, task], done[label][task])]) for task in tasks] for label in labels}
    return Common(labels, tasks, scores, bounds, tuple(sorted(gaps, key=lambda g: (g.task, g.label, g.reason))), gone)


def _largest_grid(done: dict[str, set[str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    order = sorted(done, key=lambda label: (-len(done[label]), label))
    best: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    if len(order) == 1:
        return (order[0],), tuple(sorted(done[order[0]]))
    for count in range(len(order), 1, -1):
        tasks = set.intersection(*(done[label] for label in order[:count]))
        if count * len(tasks) > len(best[0]) * len(best[1]):
            best = tuple(sorted(order[:count])), tuple(sorted(tasks))
    return best


def improvements(grid: Common) -> dict[tuple[str, str], Interval]:
    """P(X > Y) of each pair of compared entries."""
    return {(x, y): improvement(grid.ordered(x), grid.ordered(y)) for x, y in combinations(grid.labels, 2)}


def efficiency(grid: Common, cells: Sequence[Cell], metric: str, seed: int) -> tuple[Mapping[str, Efficiency], str]:
    """IQM over all runs of the grid during the online phase: label -> (x, point, low, high), and what x counts.

    Where all cells share one calendar x is the environment step; else the share of each task's online phase, as far
    as the shortest run of the task went, at the points of the coarsest calendar. A run's score at a point is its last
    evaluation so far, so an entry without an online phase is a level line at its score at the switch. In units of the
    metric. Empty if the grid is, or if no cell has an online phase.
    """
    curves = _online_curves(grid, cells, metric)
    online = {key: curve for key, curve in curves.items() if curve.steps[-1] > 0}
    if not online:
        return {}, ""
    ends = {t: min((int(c.steps[-1]) for (_, own), c in online.items() if own == t), default=0) for t in grid.tasks}
    calendars = {(ends[t], tuple(c.steps[c.steps <= ends[t]].tolist())) for (_, t), c in online.items()}
    end, calendar = min(calendars, key=lambda one: (len(one[1]), one))
    name, x = "environment steps", np.array(calendar, dtype=np.float64)
    if len(calendars) > 1:
        name, x = "share of the online phase", x / end
    out: dict[str, Efficiency] = {}
    for label in grid.labels:
        at = {t: x * ends[t] if len(calendars) > 1 else x for t in grid.tasks}
        runs = [_so_far(curves[label, t], at[t]) for t in grid.tasks]  # of each task [seeds, points]
        known = ~np.array([np.isnan(one).any(axis=0) for one in runs]).any(axis=0)
        scaled = [(one[:, known] / SCALES[metric]).T for one in runs]
        found = [iqm_over_tasks(point, seed, grid.bounds[label]) for point in zip(*scaled, strict=True)]
        limits = SCALES[metric] * np.array([(one.point, one.low, one.high) for one in found]).reshape(-1, 3).T
        out[label] = (x[known], *limits)
    return out, name


def _online_curves(grid: Common, cells: Sequence[Cell], metric: str) -> dict[tuple[str, str], Curve]:
    """Scores from the switch on by (label, task)."""
    out = {}
    for cell in cells:
        if not cell.finished or cell.label not in grid.labels or cell.task not in grid.tasks:
            continue
        curve, _ = usable(cell, metric)
        if curve is not None:
            since = curve.steps >= min(0, int(curve.steps[-1]))  # what stops before the switch counts with its last
            out[cell.label, cell.task] = Curve(curve.seeds, curve.steps[since], curve.values[:, since])
    return out


def _so_far(curve: Curve, points: Floats) -> Floats:
    """Each seed's last evaluation at or before each point, NaN before its first: [seeds, points]."""
    column = np.searchsorted(curve.steps, points + 1e-6, side="right") - 1  # a share times a length is rounded
    return np.where(column < 0, np.nan, curve.values[:, np.maximum(column, 0)])
