"""rliable's estimators over seeds with intervals (Agarwal et al. 2021, arXiv:2108.13264).

Point estimates over tasks come from rliable. Its interval path calls the estimator once per resample (over a
second per algorithm at 10 seeds x 12 tasks), ignores `random_state` and draws from numpy's global generator;
here all resamples are one array operation on a generator of our own, so that the same scores and seed always
give the same interval and nobody's random stream is touched. Seeds are resampled within each task (stratified).
Its plain percentile interval is too narrow for few seeds: reports/numbers/intervals.py says what takes its place.

Axes: scores [n] or [n, T] have one row per seed; scores [n, M] have one column per task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reports.numbers.intervals import (
    REPS,
    Floats,
    Interval,
    by_student,
    counts,
    limits,
    student,
    student_limits,
)

__all__ = [
    "AGGREGATES",
    "CENTRES",
    "Score",
    "aggregates",
    "interval",
    "iqm",
    "iqm_interval",
    "iqm_over_tasks",
    "score",
    "seeds_needed",
    "t_interval",
]

TRIM = 0.25  # share cut off at each end by the interquartile mean
AGGREGATES = ("median", "IQM", "mean", "optimality gap")
ALL = 4000  # up to so many possible resamples all are taken: 3125 of 5 seeds


def _cut(n: int) -> int:
    return int(TRIM * n)


# estimator over seeds -> how many scores it leaves out at each end
CENTRES: dict[str, Callable[[int], int]] = {"mean": lambda n: 0, "median": lambda n: (n - 1) // 2, "IQM": _cut}


def iqm(scores: Floats) -> Floats:
    """Interquartile mean over the seed axis, the mean below 4 seeds: [n, T] -> [T], [n] -> scalar array."""
    return _centre(scores, _cut(len(scores)))


def _centre(scores: Floats, cut: int) -> Floats:
    return np.asarray(np.sort(scores, axis=0)[cut : len(scores) - cut].mean(axis=0))


@lru_cache(maxsize=64)
def _rank_weights(n: int, cut: int, reps: int, seed: int) -> Floats:
    """Weight that each order statistic of n scores gets in the trimmed mean of a resample: [resamples, n].

    A resample is a draw of n ranks, and its order statistics are the scores of the sorted ranks. So the trimmed
    mean of every resample of every column is one matrix product with the sorted scores.
    """
    if n**n <= ALL:
        ranks = np.indices((n,) * n).reshape(n, -1).T  # every resample there is
    else:
        ranks = np.random.default_rng(seed).integers(n, size=(reps, n))
    kept = np.sort(ranks, axis=1)[:, cut : n - cut]
    flat = kept + n * np.arange(len(kept))[:, None]
    counts = np.bincount(flat.ravel(), minlength=len(kept) * n).reshape(-1, n)
    weights: Floats = counts / kept.shape[1]
    return weights


def iqm_interval(scores: Floats, seed: int, reps: int = REPS, plain: bool = False) -> tuple[Floats, Floats]:
    """Limits of `iqm` for every column of scores [n, T]: two arrays [T], NaN for one seed."""
    return _trimmed_limits(scores, _cut(len(scores)), seed, reps, plain)


def interval(scores: Floats, centre: str, seed: int, reps: int = REPS, plain: bool = False) -> Interval:
    """One of `CENTRES` of scores [n] on one task with its interval; Student's own for the mean."""
    if centre == "mean" and not plain:
        return t_interval(scores)
    cut = CENTRES[centre](len(scores))
    low, high = _trimmed_limits(scores[:, None], cut, seed, reps, plain)
    return Interval(float(_centre(scores, cut)), float(low[0]), float(high[0]))


def _trimmed_limits(scores: Floats, cut: int, seed: int, reps: int, plain: bool) -> tuple[Floats, Floats]:
    n = len(scores)
    if n < 2:
        none = np.full(scores.shape[1], np.nan)
        return none, none
    weights, ordered = _rank_weights(n, cut, reps, seed), np.sort(scores, axis=0)
    if not plain and by_student(n):  # the same as `limits`, without a matrix of resamples
        spread = np.maximum(((np.cov(weights.T, ddof=0) @ ordered) * ordered).sum(axis=0), 0) ** 0.5
        return student_limits(_centre(scores, cut), spread, n, 1)
    return limits(_centre(scores, cut), weights @ ordered, n, 1, plain)


def t_interval(scores: Floats) -> Interval:
    """Mean of scores [n] with Student's interval, which allows for the spread being unknown for small n."""
    n = len(scores)
    mean = float(scores.mean())
    if n < 2:
        return Interval(mean, np.nan, np.nan)
    half = student(n - 1) * float(scores.std(ddof=1)) / np.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def seeds_needed(spread: float, gap: float) -> int:
    """Seeds per algorithm to tell means `gap` apart: 80 % power, 5 % level, normal approximation."""
    return max(2, int(np.ceil(2 * ((1.96 + 0.8416) * spread / gap) ** 2)))


def aggregates(scores: Floats, seed: int, reps: int = REPS, plain: bool = False) -> dict[str, Interval]:
    """rliable's four aggregates of scores [n, M] (on a scale where 1 is solved) with stratified intervals."""
    from rliable import metrics

    points: dict[str, Callable[[Floats], float]] = {
        "median": metrics.aggregate_median,
        "IQM": metrics.aggregate_iqm,
        "mean": metrics.aggregate_mean,
        "optimality gap": metrics.aggregate_optimality_gap,
    }
    n, tasks = scores.shape
    drawn = counts(n, tasks, reps, seed)  # [M, reps, n]
    task_means = np.matmul(drawn, scores.T[:, :, None])[..., 0] / n  # [M, reps]
    resampled = {
        "median": _centre(task_means, (tasks - 1) // 2),
        "IQM": _resampled_iqm(scores, seed, reps),
        "mean": task_means.mean(axis=0),
        "optimality gap": 1 - np.matmul(drawn, np.minimum(scores, 1).T[:, :, None]).sum(axis=(0, 2)) / scores.size,
    }
    out = {}
    for name in AGGREGATES:
        point = float(points[name](scores))
        low, high = limits(point, resampled[name], n, tasks, plain)
        out[name] = Interval(point, float(low), float(high))
    return out


def iqm_over_tasks(scores: Floats, seed: int, reps: int = REPS) -> Interval:
    """The IQM over all runs of scores [n, M] as in `aggregates`, alone: for curves of hundreds of points."""
    n, tasks = scores.shape
    point = float(iqm(scores.ravel()))
    low, high = limits(point, _resampled_iqm(scores, seed, reps), n, tasks, False)
    return Interval(point, float(low), float(high))


def _resampled_iqm(scores: Floats, seed: int, reps: int) -> Floats:
    """IQMs over all runs, [reps]: with the scores in order, what a resample keeps is a range of running counts."""
    flat = scores.T.ravel()  # task by task
    order = np.argsort(flat, kind="stable")
    running = np.cumsum(_counts_by_run(*scores.shape, reps, seed)[order], axis=0, dtype=np.int32)  # [n * M, reps]
    cut = _cut(len(flat))
    kept = np.clip(running, cut, len(flat) - cut, out=running)
    # sum of score x (kept - kept before it), summed by parts
    ordered = flat[order]
    total = ordered[-1] * kept[-1] - ordered[0] * cut - np.diff(ordered) @ kept[:-1]
    return np.asarray(total / (len(flat) - 2 * cut))


@lru_cache(maxsize=4)
def _counts_by_run(n: int, tasks: int, reps: int, seed: int) -> NDArray[np.int32]:
    """`counts` as [tasks * n, reps]."""
    return np.ascontiguousarray(counts(n, tasks, reps, seed).transpose(0, 2, 1).reshape(tasks * n, reps), np.int32)


@dataclass(frozen=True)
class Score:
    """Estimates of one score over the seeds of a cell."""

    iqm: Interval
    mean: Interval  # Student's t
    median: Interval
    spread: float  # standard deviation between seeds, NaN for one seed


def score(values: Floats, seed: int) -> Score:
    """Estimates and intervals of values [n], one per seed."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    iqm, mean, median = (interval(values, centre, seed) for centre in ("IQM", "mean", "median"))
    return Score(iqm, mean, median, spread)
