"""What happens during fine-tuning: dip and recovery after the switch, area and regret, steps to a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports.numbers.bounds import bounds_of, of_falls
from reports.numbers.calendars import Steps, online_calendars
from reports.numbers.grid import SCALES, Gap, finished_curves
from reports.numbers.intervals import Floats
from reports.numbers.stats import Score, score
from reports.runs.cells import Cell
from reports.runs.curves import Curve
from suite.record.folders import RecordError

__all__ = ["Online", "Times", "area", "dip", "online"]

WINDOW = 0.25  # share of the online phase in which the dip is looked for
THRESHOLD = 0.5  # of what counts as solved


@dataclass(frozen=True)
class Times:
    """When something happened, over seeds; a seed in which it never did counts as later than all others."""

    steps: tuple[float, ...]  # per seed, inf: never

    @property
    def happened(self) -> int:
        """Number of seeds in which it happened."""
        return int(np.isfinite(self.steps).sum())

    @property
    def median(self) -> float:
        """Median over all seeds: inf if half of them or more never got there; NaN without seeds."""
        if not self.steps:
            return float("nan")
        ordered, middle = sorted(self.steps), (len(self.steps) - 1) // 2
        return float(np.mean(ordered[middle : len(ordered) // 2 + 1]))


@dataclass(frozen=True)
class Online:
    """What happened in the online phase of one cell, over its seeds."""

    cell: Cell
    seeds: int
    final_step: int
    window: int  # environment steps after the switch
    threshold: float | None  # None: the metric has no scale and nobody gave one
    dip: Score
    fell: int  # seeds that scored below the switch within the window
    regained: Times  # of those that fell: steps from the switch to the first score at its level after the dip
    area: Score
    regret: Score | None  # None: the metric has no scale
    reached: Times | None


def online(
    cells: Sequence[Cell], metric: str, seed: int, window: int | None = None, threshold: float | None = None
) -> tuple[list[Online], list[Gap]]:
    """The online phases of all finished cells, and by name those that cannot have a row.

    Dip, recovery and first reaching are looked for at the evaluations that all entries of a task share, the area is of
    a cell's own. `window` is in environment steps (None: the first quarter of the online phase, or up to the first
    evaluation in it), `threshold` in units of the metric (None: half of solved, where that is known). Cells that train
    offline only are passed over. Raises `RecordError` if `window` is not positive or `threshold` is NaN.
    """
    if window is not None and window < 1:
        raise RecordError(f"dip window {window}: give a number of environment steps, 1 or more")
    if threshold is not None and not np.isfinite(threshold):
        raise RecordError(f"threshold {threshold}: give a finite value of {metric}")
    if threshold is None and metric in SCALES:
        threshold = THRESHOLD * SCALES[metric]
    rows, gaps = [], []
    found = finished_curves([cell for cell in cells if not cell.offline_only], metric)[0]
    calendars, apart = online_calendars(found)
    unshared = {(gap.task, gap.label): gap.reason for gap in apart}
    for cell, curve in found:
        why = unshared.get((cell.task, cell.label)) or _unfit(curve.steps, window)
        shared = calendars.get(cell.task)
        why = why or ("" if shared is None else _unfit(shared, window))
        if why or shared is None:
            gaps.append(Gap(cell.task, cell.label, why))
        else:
            rows.append(_row(cell, curve, shared, metric, seed, window, threshold))
    return rows, gaps


def _unfit(steps: Steps, window: int | None) -> str:
    """Why evaluations at these steps make no row; empty if they do."""
    later = steps[steps > 0]
    if not len(later):
        return "no evaluation after the switch"
    if 0 not in steps:
        return "no evaluation at the switch: dip and area need it"
    if window is not None and later[0] > window:
        return f"no evaluation within {window:,} steps of the switch: the first is at {int(later[0]):,}"
    return ""


def _row(
    cell: Cell,
    curve: Curve,
    shared: Steps,
    metric: str,
    seed: int,
    window: int | None,
    threshold: float | None,
) -> Online:
    since, common = curve.steps >= 0, np.isin(curve.steps, shared)
    steps, values = shared.astype(np.float64), curve.values[:, common]
    if window is None:
        window = max(int(WINDOW * steps[-1]), int(steps[1]))
    depth, regained = dip(steps, values, window)
    areas = area(curve.steps[since].astype(np.float64), curve.values[:, since])
    bounds = replace(bounds_of(cell, metric), episodes=None)  # means over evaluations, not of one
    return Online(
        cell=cell,
        seeds=len(curve.seeds),
        final_step=int(curve.steps[-1]),
        window=window,
        threshold=threshold,
        dip=score(depth, seed, of_falls(bounds)),
        fell=int((depth < 0).sum()),
        regained=Times(tuple(regained[depth < 0].tolist())),
        area=score(areas, seed, bounds),
        regret=score(SCALES[metric] - areas, seed, bounds) if metric in SCALES else None,
        reached=None if threshold is None else Times(tuple(first_time(steps, values >= threshold).tolist())),
    )


def dip(steps: Floats, values: Floats, window: int) -> tuple[Floats, Floats]:
    """Lowest score within `window` minus the score at the switch, 0 if it never fell; and when that was regained.

    `values` [seeds, T] at `steps` [T], of which the first is the switch. Regained: the step of the first evaluation
    after the dip that is no lower than the score at the switch, inf if there is none.
    """
    inside = values[:, steps <= window] - values[:, :1]
    lowest = inside.argmin(axis=1)
    back = (values >= values[:, :1]) & (np.arange(len(steps)) > lowest[:, None])
    return np.minimum(inside.min(axis=1), 0), first_time(steps, back)


def first_time(steps: Floats, happened: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """The first of `steps` [T] at which `happened` [seeds, T], inf where never: [seeds]."""
    return np.where(happened.any(axis=1), steps[happened.argmax(axis=1)], np.inf)


def area(steps: Floats, values: Floats) -> Floats:
    """Mean score over the online phase by trapezoids, [seeds]: the same unit as the score."""
    widths = np.diff(steps)
    return np.asarray((values[:, 1:] + values[:, :-1]) @ widths / 2 / widths.sum())
