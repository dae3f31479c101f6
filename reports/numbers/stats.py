"""Estimates over the seeds of one task: mean, median and IQM (Agarwal et al. 2021, arXiv:2108.13264), with intervals.

All resamples are one array operation on a generator of our own, so that the same scores and seed always give the same
interval and nobody's random stream is touched. reports/numbers/intervals.py says which interval stands where;
reports/numbers/aggregates.py has what is computed over tasks.

Axes: scores [n] or [n, T] have one row per seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reports.numbers.bounds import UNBOUNDED, Bounds
from reports.numbers.intervals import REPS, Floats, Interval, by_student, limits, student, student_limits

__all__ = ["CENTRES", "TRIM", "Score", "interval", "iqm", "iqm_interval", "score", "t_interval"]

TRIM = 0.25  # share cut off at each end by the interquartile mean
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


def iqm_interval(
    scores: Floats, seed: int, bounds: Bounds = UNBOUNDED, reps: int = REPS, plain: bool = False
) -> tuple[Floats, Floats]:
    """Limits of `iqm` for every column of scores [n, T]: two arrays [T], NaN for one seed."""
    return _trimmed_limits(scores, _cut(len(scores)), seed, bounds, reps, plain)


def interval(
    scores: Floats, centre: str, seed: int, bounds: Bounds = UNBOUNDED, reps: int = REPS, plain: bool = False
) -> Interval:
    """One of `CENTRES` of scores [n] on one task with its interval; Student's own for the mean."""
    if centre == "mean" and not plain:
        return t_interval(scores, bounds)
    cut = CENTRES[centre](len(scores))
    low, high = _trimmed_limits(scores[:, None], cut, seed, bounds, reps, plain)
    return Interval(float(_centre(scores, cut)), float(low[0]), float(high[0]))


def _trimmed_limits(
    scores: Floats, cut: int, seed: int, bounds: Bounds, reps: int, plain: bool
) -> tuple[Floats, Floats]:
    n = len(scores)
    if n < 2:
        none = np.full(scores.shape[1], np.nan)
        return none, none
    if not plain and cut == 0:
        return _mean_limits(scores, bounds)
    weights, ordered, point = _rank_weights(n, cut, reps, seed), np.sort(scores, axis=0), _centre(scores, cut)
    if not plain and by_student(n):  # the same as `limits`, without a matrix of resamples
        spread = np.maximum(((np.cov(weights.T, ddof=0) @ ordered) * ordered).sum(axis=0), 0) ** 0.5
        return bounds.any(point, *student_limits(point, spread, n), n)
    return bounds.any(point, *limits(point, weights @ ordered, n, plain), n)


def _mean_limits(scores: Floats, bounds: Bounds) -> tuple[Floats, Floats]:
    n = len(scores)
    return bounds.mean(scores.mean(axis=0), student(n - 1) * scores.std(axis=0, ddof=1) / np.sqrt(n), n)


def t_interval(scores: Floats, bounds: Bounds = UNBOUNDED) -> Interval:
    """Mean of scores [n] with Student's interval, which allows for the spread being unknown for small n."""
    if len(scores) < 2:
        return Interval(float(scores.mean()), np.nan, np.nan)
    low, high = _mean_limits(scores[:, None], bounds)
    return Interval(float(scores.mean()), float(low[0]), float(high[0]))


@dataclass(frozen=True)
class Score:
    """Estimates of one score over the seeds of a cell."""

    iqm: Interval
    mean: Interval  # Student's t
    median: Interval
    spread: float  # standard deviation between seeds, NaN for one seed


def score(values: Floats, seed: int, bounds: Bounds = UNBOUNDED) -> Score:
    """Estimates and intervals of values [n], one per seed, that can be what `bounds` says."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    iqm, mean, median = (interval(values, centre, seed, bounds) for centre in ("IQM", "mean", "median"))
    return Score(iqm, mean, median, spread)
