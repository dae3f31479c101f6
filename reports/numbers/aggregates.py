"""Aggregates of scores over tasks, rliable's four (Agarwal et al. 2021, arXiv:2108.13264), and their intervals.

Runs are one array of seeds per task; tasks may have different numbers of seeds and count equally. The estimates are
rliable's, whose intervals are too narrow for few seeds, and the narrower the more one task is noisier than the rest. So
- mean and optimality gap: Student's interval, the variances of the tasks added, with the degrees of freedom of Welch
  and Satterthwaite: one noisy task of ten leaves hardly more of them than that task alone;
- IQM: the same, where a task's share of the variance is that of its winsorised runs (Tukey and McLaughlin 1963) or, if
  larger, what moving the task to the ends of its own Student's interval does to the IQM;
- median: quantiles of the median of normal draws, one per task around its mean, at Student's level, which keeps the
  asymmetry that the other tasks' levels give it.
benchmarks/coverage.py measures how often each holds the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reports.numbers.bounds import UNBOUNDED, Bounds
from reports.numbers.intervals import REPS, Floats, Interval, effective_df, student, tail_of
from reports.numbers.stats import TRIM, interval, t_interval

__all__ = ["AGGREGATES", "Runs", "aggregates", "evened", "iqm_over_tasks"]

AGGREGATES = ("median", "IQM", "mean", "optimality gap")
Runs = Sequence[Floats]  # scores [n] of each task, where 1 is solved


def aggregates(runs: Runs, seed: int, bounds: Sequence[Bounds] = ()) -> dict[str, Interval]:
    """rliable's four aggregates with intervals, whose limits are NaN where a task has a single seed.

    `bounds` says what the scores of each task can be (none given: anything), `seed` is that of the median's draws.
    """
    from rliable import metrics

    bounds = bounds or [UNBOUNDED] * len(runs)
    same = evened(runs)
    points: dict[str, Callable[[Floats], float]] = {
        "median": metrics.aggregate_median,
        "mean": metrics.aggregate_mean,
        "optimality gap": metrics.aggregate_optimality_gap,
    }
    point = {name: float(found(same)) for name, found in points.items()}
    mean = _student(point["mean"], runs, bounds)
    gap = _student(point["optimality gap"], [1 - np.minimum(x, 1) for x in runs], [replace(b, low=0.0) for b in bounds])
    return {
        "median": mean if len(runs) < 3 else _median(point["median"], runs, bounds, seed),
        "IQM": iqm_over_tasks(runs, seed, bounds),
        "mean": mean,
        "optimality gap": gap,
    }


def evened(runs: Runs) -> Floats:
    """Each run repeated as often as makes all tasks equally long, [seeds, tasks]: what rliable's functions take."""
    length = int(np.lcm.reduce([len(x) for x in runs]))
    return np.stack([np.repeat(x, length // len(x)) for x in runs], axis=1)


def _over_tasks(bounds: Sequence[Bounds]) -> Bounds:
    """The scale of what is averaged over tasks."""
    return Bounds(min(one.low for one in bounds), max(one.high for one in bounds))


def _variances(runs: Runs, bounds: Sequence[Bounds]) -> tuple[Floats, Floats]:
    """Variance of each task's mean and its degrees of freedom, [M]; counted episodes set the least variance."""
    seen = np.array([float(x.var(ddof=1)) / len(x) if len(x) > 1 else np.nan for x in runs])
    least = np.array([float(b.noise(x.mean(), len(x))) for x, b in zip(runs, bounds, strict=True)])
    counted = np.array([len(x) * (b.episodes or 1) - 1 for x, b in zip(runs, bounds, strict=True)])
    return np.maximum(seen, least), np.where(seen < least, counted, [len(x) - 1 for x in runs])


def _student(point: float, runs: Runs, bounds: Sequence[Bounds]) -> Interval:
    """Student's interval of the mean over tasks."""
    if len(runs) == 1:
        return t_interval(runs[0], bounds[0])
    variances, df = _variances(runs, bounds)
    if np.isnan(variances).any():
        return Interval(point, np.nan, np.nan)
    half = student(effective_df(variances, df)) * np.sqrt(variances.sum()) / len(runs)
    low, high = _over_tasks(bounds).mean(point, half, sum(map(len, runs)))
    return Interval(point, float(low), float(high))


def _median(point: float, runs: Runs, bounds: Sequence[Bounds], seed: int) -> Interval:
    """Interval of the median of the tasks' means."""
    variances, df = _variances(runs, bounds)
    if np.isnan(variances).any():
        return Interval(point, np.nan, np.nan)
    drawn = _normal_draws(len(runs), seed)  # [reps, M]
    medians = np.median(np.array([x.mean() for x in runs]) + np.sqrt(variances) * drawn, axis=1)
    moved = drawn.T @ (medians - medians.mean()) / len(drawn)  # how far a deviation of each task moves the median
    out = int(tail_of(effective_df(moved**2, df)) * len(medians))  # how many lie outside, at each end
    ordered = np.sort(medians)
    low, high = _over_tasks(bounds).clip(min(ordered[out], point), max(ordered[-1 - out], point))
    return Interval(point, float(low), float(high))


@lru_cache(maxsize=8)
def _normal_draws(tasks: int, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((REPS, tasks))


def iqm_over_tasks(runs: Runs, seed: int, bounds: Sequence[Bounds] = ()) -> Interval:
    """The IQM over all runs as in `aggregates`, alone: for curves of hundreds of points.

    On a single task it is the task's own, whose interval `seed` is for.
    """
    bounds = bounds or [UNBOUNDED] * len(runs)
    if len(runs) == 1:
        return interval(runs[0], "IQM", seed, bounds[0])
    flat, (weights, task) = np.concatenate(runs), _layout(tuple(map(len, runs)))
    variances, df = _variances(runs, bounds)
    point, low, high = _trimmed(flat[None], weights)
    value = float(point[0])
    if np.isnan(variances).any():
        return Interval(value, np.nan, np.nan)
    winsorised = np.clip(flat, low[0], high[0])
    kept = 1 - 2 * TRIM
    within = np.array([winsorised[task == t].var(ddof=1) / len(x) for t, x in enumerate(runs)])
    within /= (len(runs) * kept) ** 2
    quantiles = np.array([student(one) for one in df])
    shifts = np.where(np.eye(len(runs), dtype=bool)[:, task], (quantiles * np.sqrt(variances))[:, None], 0)  # [M, runs]
    halves = []
    for moved in (-shifts, shifts):
        by_shift = ((_trimmed(flat + moved, weights)[0] - value) / quantiles) ** 2
        parts = np.maximum(by_shift, within)
        halves.append(student(effective_df(parts, df)) * np.sqrt(parts.sum()))
    limits = _over_tasks(bounds).clip(value - halves[0], value + halves[1])
    return Interval(value, *map(float, limits))


@lru_cache(maxsize=64)
def _layout(lengths: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How often each run counts so that all tasks count equally, and its task; runs task by task."""
    common = int(np.lcm.reduce(lengths))
    return np.repeat([common // n for n in lengths], lengths), np.repeat(np.arange(len(lengths)), lengths)


def _trimmed(scores: Floats, weights: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """IQM of every row of scores [R, runs] and the lowest and highest score that it keeps, each [R]."""
    order = np.argsort(scores, axis=1, kind="stable")
    ordered, total = np.take_along_axis(scores, order, axis=1), int(weights.sum())
    cut = int(TRIM * total)
    running = np.clip(np.cumsum(weights[order], axis=1), cut, total - cut)
    kept = np.diff(running, axis=1, prepend=cut)
    ends = (kept > 0).argmax(axis=1), kept.shape[1] - 1 - (kept[:, ::-1] > 0).argmax(axis=1)
    low, high = (ordered[np.arange(len(ordered)), end] for end in ends)
    return (ordered * kept).sum(axis=1) / (total - 2 * cut), low, high
