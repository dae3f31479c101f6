"""What the numbers say: curves, before and after fine-tuning, the grid for statistics, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports import stats
from reports.collect import SCORES, Cell, Curve
from reports.stats import Interval
from suite.record import RecordError

__all__ = [
    "SCALES", "SCORE_COLUMNS", "BeforeAfter", "Common", "Gap", "Line", "Score",
    "before_after", "common", "headline", "improvements", "lines", "spread_note", "warnings",
]  # fmt: skip

# metrics that mean the same on every task, and the value that counts as solved
SCALES = {"success": 1.0, "success_any": 1.0, "success_steps": 1.0, "normalized_score": 100.0}
HEADLINES = ("success", "normalized_score", "return")  # in this order, unless the user names one
LAST = 3  # evaluations averaged for the score that does not depend on one lucky evaluation
SCORE_COLUMNS = ("switch", "final", "best", "last", "dip")


@dataclass(frozen=True)
class Score:
    """One score of one cell over its seeds."""

    iqm: Interval  # stratified bootstrap
    mean: Interval  # Student's t
    spread: float  # standard deviation between seeds, NaN for one seed


@dataclass(frozen=True)
class Line:
    """A learning curve: IQM and limits at `steps` [T], single seeds in `seeds` [n, T] over `seed_steps`."""

    label: str
    task: str
    finished: bool
    offline_only: bool
    steps: NDArray[np.int64]
    point: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    all_seeds: Curve
    diverged: frozenset[int]


@dataclass(frozen=True)
class BeforeAfter:
    """One row of the before-and-after table; a score is None where the cell cannot have it."""

    cell: Cell
    seeds: int
    final_step: int
    evaluations: int  # from the switch on
    scores: dict[str, Score | None]


@dataclass(frozen=True)
class Gap:
    """Something that is not in a comparison, and why."""

    task: str
    label: str
    reason: str


@dataclass(frozen=True)
class Common:
    """The complete grid under all statistics over tasks: `scores[label]` is [seeds, tasks], 1 is solved."""

    labels: tuple[str, ...]
    tasks: tuple[str, ...]
    seeds: int
    scores: dict[str, NDArray[np.float64]] = field(repr=False)
    left_out: tuple[Gap, ...]


def lines(cells: Sequence[Cell], metric: str, seed: int) -> list[Line]:
    """The curves of every cell that has the metric, unfinished ones included."""
    out = []
    for cell in cells:
        everything, (curve, _) = cell.curve(metric), cell.usable(metric)
        if everything is None or curve is None:
            continue
        low, high = stats.iqm_interval(curve.values, seed)
        out.append(
            Line(
                cell.label, cell.task, cell.finished, cell.offline_only, curve.steps, stats.iqm(curve.values),
                low, high, everything, frozenset(cell.diverged),
            )
        )  # fmt: skip
    return out


def before_after(cells: Sequence[Cell], metric: str, seed: int) -> tuple[list[BeforeAfter], list[Gap]]:
    """Scores at the switch and afterwards of all finished cells; and the seeds and cells left out."""
    rows, gaps = [], []
    for cell in cells:
        if not cell.finished:
            gaps.append(Gap(cell.task, cell.label, f"unfinished: {cell.first.where}"))
            continue
        curve, why = cell.usable(metric)
        gaps += [Gap(cell.task, cell.label, reason) for reason in why]
        if curve is not None:
            rows.append(_row(cell, curve, seed))
    return rows, gaps


def _row(cell: Cell, curve: Curve, seed: int) -> BeforeAfter:
    at_switch = curve.values[:, curve.steps == 0]  # [n, 0 or 1]
    online = curve.values[:, curve.steps > 0]
    since = curve.values[:, curve.steps >= 0]
    raw: dict[str, NDArray[np.float64] | None] = dict.fromkeys(SCORE_COLUMNS)
    raw["final"] = curve.values[:, -1]
    if at_switch.size:
        raw["switch"] = at_switch[:, 0]
    if online.size:
        raw["best"] = since.max(axis=1)
        raw["last"] = since[:, -LAST:].mean(axis=1)
    if online.size and at_switch.size:
        raw["dip"] = np.minimum(since - at_switch, 0).min(axis=1)
    scores = {name: None if v is None else _score(v, seed) for name, v in raw.items()}
    return BeforeAfter(cell, len(curve.seeds), int(curve.steps[-1]), since.shape[1], scores)


def _score(values: NDArray[np.float64], seed: int) -> Score:
    low, high = stats.iqm_interval(values[:, None], seed)
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return Score(Interval(float(stats.iqm(values)), float(low[0]), float(high[0])), stats.t_interval(values), spread)


def common(cells: Sequence[Cell], metric: str) -> Common:
    """The largest complete grid of entries x tasks, and by name everything that is not in it.

    Entries that completed the fewest tasks are dropped one by one as long as the grid of the rest is larger:
    one entry run on a single task must not reduce everybody's comparison to that task.
    """
    gaps: list[Gap] = []
    done: dict[str, dict[str, Curve]] = {}  # label -> task -> curve
    for cell in cells:
        if not cell.finished:
            gaps.append(Gap(cell.task, cell.label, f"unfinished: {cell.first.where}"))
            continue
        curve, why = cell.usable(metric)
        gaps += [Gap(cell.task, cell.label, reason) for reason in why]
        if curve is not None:
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
    seeds = min((len(done[label][task].seeds) for label in labels for task in tasks), default=0)
    scores = {}
    for label in labels:
        scores[label] = np.stack([done[label][t].values[:seeds, -1] for t in tasks], axis=1) / SCALES[metric]
        for task in tasks:
            spare = done[label][task].seeds[seeds:]
            if spare:
                names = ", ".join(map(str, spare))
                gaps.append(Gap(task, label, f"seed(s) {names} not used: the common number of seeds is {seeds}"))
    return Common(labels, tasks, seeds, scores, tuple(sorted(gaps, key=lambda g: (g.task, g.label, g.reason))))


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


def improvements(grid: Common, seed: int) -> dict[tuple[str, str], Interval]:
    """P(X > Y) of each pair of compared entries."""
    pairs = combinations(grid.labels, 2)
    return {(x, y): stats.improvement(grid.scores[x], grid.scores[y], seed) for x, y in pairs}


def spread_note(rows: Sequence[BeforeAfter], metric: str) -> str:
    """How many seeds a visible difference needs, from the spread of final scores; empty if unknowable."""
    finals = [row.scores["final"] for row in rows if row.seeds > 1]
    spreads = [score.spread for score in finals if score is not None]
    if not spreads or metric not in SCALES or not max(spreads):
        return ""
    spread, gap = float(np.sqrt(np.mean(np.square(spreads)))), 0.1 * SCALES[metric]
    return (
        f"Final scores here differ between seeds with a standard deviation of about {spread:.2g}: telling "
        f"two algorithms {gap:g} apart on one task (80 % power, 5 % level) needs about "
        f"{stats.seeds_needed(spread, gap)} seeds of each."
    )


def warnings(cells: Sequence[Cell], rows: Sequence[BeforeAfter]) -> list[str]:
    """What a reader must know before believing a figure."""
    out = []
    profiles: dict[str, set[str]] = {}
    for cell in cells:
        profiles.setdefault(cell.first.profile, set()).add(cell.label)
    for name in sorted(set(profiles) - {"paper", "external"}):
        out.append(f"Profile {name}: sizes are not the paper's.")
    if len(set(profiles) - {"external"}) > 1:
        parts = "; ".join(f"{name}: {', '.join(sorted(profiles[name]))}" for name in sorted(profiles))
        out.append(f"Runs of different profiles are on this page and not comparable with each other ({parts}).")
    if "external" in profiles:
        names = ", ".join(sorted(profiles["external"]))
        out.append(f"Imported from elsewhere, settings unknown: {names}.")
    few = sorted({row.seeds for row in rows if row.seeds < stats.FEW})
    if few:
        out.append(
            f"Some cells rest on {' or '.join(map(str, few))} seed(s). A bootstrap interval from so few is "
            "too narrow (it cannot reach beyond the scores observed), and below 4 seeds the IQM is the plain "
            "mean: read the t-intervals."
        )
    for task in sorted({cell.task for cell in cells}):
        out += _unequal(task, [c for c in cells if c.task == task], [r for r in rows if r.cell.task == task])
    return out


def _unequal(task: str, cells: Sequence[Cell], rows: Sequence[BeforeAfter]) -> list[str]:
    """Where the entries of one task were not given the same thing."""
    facts: dict[str, dict[str, set[str]]] = {"dataset": {}, "success rule": {}, "final step": {}}
    for cell in cells:
        for source in cell.sources:
            if source.external:
                continue
            data: dict[str, Any] = dict(source.run.get("dataset") or {})
            if data:
                key = f"{data.get('id')} ({data.get('fingerprint')})"
                facts["dataset"].setdefault(key, set()).add(cell.label)
            facts["success rule"].setdefault(str(source.run.get("success_rule")), set()).add(cell.label)
    for row in rows:
        if not row.cell.offline_only:
            facts["final step"].setdefault(f"{row.final_step:,}", set()).add(row.cell.label)
    out = []
    for fact, values in facts.items():
        if len(values) > 1:
            parts = "; ".join(f"{value}: {', '.join(sorted(names))}" for value, names in sorted(values.items()))
            out.append(f"{task}: not the same {fact} for all ({parts}).")
    return out


def headline(cells: Sequence[Cell], metric: str | None) -> str:
    """The metric that curves and tables show: the user's, or the first of `HEADLINES` that every evaluated run has.

    A task without a success rule so moves the page to normalised scores. If no metric is everybody's, the first that
    somebody has. Raises `RecordError` with the metrics there are, if nobody has it.
    """
    recorded = [source.curves.keys() for cell in cells for source in cell.sources]
    evaluated = [names for names in recorded if not names.isdisjoint(SCORES)]
    if metric is None:
        everybodys = [name for name in HEADLINES if all(name in names for names in evaluated)]
        somebodys = [name for name in HEADLINES if any(name in names for names in evaluated)]
        metric = [*everybodys, *somebodys, HEADLINES[0]][0]
    if not any(metric in names for names in recorded):
        present = ", ".join(sorted(set().union(*recorded))) or "none at all"
        raise RecordError(f"no run has the metric {metric!r}; recorded are: {present}")
    return metric
