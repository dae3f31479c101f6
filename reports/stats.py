"""rliable's estimators over seeds with their intervals, vectorised (Agarwal et al. 2021, arXiv:2108.13264).

Point estimates over tasks come from rliable. Its interval path calls the estimator once per resample (over a
second per algorithm at 10 seeds x 12 tasks), ignores `random_state` and draws from numpy's global generator;
here all resamples are one array operation on a generator of our own, so that the same scores and seed always
give the same interval and nobody's random stream is touched. Seeds are resampled within each task
(stratified), percentile method.

Axes: scores [n] or [n, T] have one row per seed; scores [n, M] have one column per task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AGGREGATES", "CONFIDENCE", "FEW", "REPS", "Interval",
    "aggregates", "improvement", "iqm", "iqm_interval", "profile", "seeds_needed", "t_interval",
]  # fmt: skip

Floats = NDArray[np.float64]

REPS = 2000  # bootstrap repetitions: a limit is then uncertain by about 2 % of the interval's width
CONFIDENCE = 0.95
FEW = 5  # below so many seeds a bootstrap interval is too narrow to be trusted
TRIM = 0.25  # share cut off at each end by the interquartile mean
AGGREGATES = ("median", "IQM", "mean", "optimality gap")


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; the limits are NaN where a single seed leaves nothing to go by."""

    point: float
    low: float
    high: float


def iqm(scores: Floats) -> Floats:
    """Interquartile mean over the seed axis, the mean below 4 seeds: [n, T] -> [T], [n] -> scalar array."""
    n = len(scores)
    cut = int(TRIM * n)
    return np.asarray(np.sort(scores, axis=0)[cut : n - cut].mean(axis=0))


@lru_cache(maxsize=64)
def _rank_weights(n: int, reps: int, seed: int) -> Floats:
    """[reps, n]: the weight each order statistic of n scores gets in the IQM of a resample.

    A resample is a draw of n ranks, and its order statistics are the scores of the sorted ranks. So the IQM
    of every resample of every column is one matrix product with the sorted scores.
    """
    ranks = np.sort(np.random.default_rng(seed).integers(n, size=(reps, n)), axis=1)
    cut = int(TRIM * n)
    kept = ranks[:, cut : n - cut]
    flat = kept + n * np.arange(reps)[:, None]
    counts = np.bincount(flat.ravel(), minlength=reps * n).reshape(reps, n)
    weights: Floats = counts / kept.shape[1]
    return weights


def iqm_interval(scores: Floats, seed: int, reps: int = REPS) -> tuple[Floats, Floats]:
    """Bootstrap limits of `iqm` for every column of scores [n, T]: two arrays [T], NaN for one seed."""
    if len(scores) < 2:
        none = np.full(scores.shape[1], np.nan)
        return none, none
    resampled = _rank_weights(len(scores), reps, seed) @ np.sort(scores, axis=0)  # [reps, T]
    low, high = _percentiles(resampled)
    return low, high


def t_interval(scores: Floats) -> Interval:
    """Mean of scores [n] with Student's interval, which allows for the spread being unknown for small n."""
    from scipy import stats

    n = len(scores)
    mean = float(scores.mean())
    if n < 2:
        return Interval(mean, np.nan, np.nan)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * scores.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half)


def seeds_needed(spread: float, gap: float) -> int:
    """Seeds per algorithm to tell means `gap` apart: 80 % power, 5 % level, normal approximation."""
    return max(2, int(np.ceil(2 * ((1.96 + 0.8416) * spread / gap) ** 2)))


def aggregates(scores: Floats, seed: int, reps: int = REPS) -> dict[str, Interval]:
    """rliable's four aggregates of scores [n, M] (on a scale where 1 is solved) with stratified intervals."""
    from rliable import metrics

    points: dict[str, Callable[[Floats], float]] = {
        "median": metrics.aggregate_median,
        "IQM": metrics.aggregate_iqm,
        "mean": metrics.aggregate_mean,
        "optimality gap": metrics.aggregate_optimality_gap,
    }
    sample = _resample(scores, np.random.default_rng(seed), reps)  # [reps, n, M]
    task_means = sample.mean(axis=1)
    resampled = {
        "median": np.median(task_means, axis=1),
        "IQM": iqm(sample.reshape(reps, -1).T),
        "mean": task_means.mean(axis=1),
        "optimality gap": 1 - np.minimum(sample, 1).mean(axis=(1, 2)),
    }
    return {name: _interval(float(points[name](scores)), resampled[name], len(scores)) for name in AGGREGATES}


def profile(scores: Floats, taus: Floats, seed: int, reps: int = REPS) -> tuple[Floats, Floats, Floats]:
    """Performance profile of scores [n, M]: share of runs above each tau and its limits, each [taus]."""
    above = scores.reshape(-1, 1) > taus  # [n * M, taus]
    n, tasks = scores.shape
    if n < 2:
        none = np.full(len(taus), np.nan)
        return above.mean(axis=0), none, none
    by_task = (scores.T[:, :, None] > taus).astype(np.float64)  # [M, n, taus]
    resampled = (_counts(n, tasks, reps, seed, 0) @ by_task).sum(axis=0) / scores.size  # [reps, taus]
    low, high = _percentiles(resampled)
    return above.mean(axis=0), low, high


def improvement(x: Floats, y: Floats, seed: int, reps: int = REPS) -> Interval:
    """Probability that a run of x [n, M] scores above one of y [k, M] on the same task, ties counting half.

    The two sides are resampled independently, as in rliable; its own estimate is the same number from one
    Mann-Whitney test per task.
    """
    ahead, behind = x.T[:, :, None], y.T[:, None, :]
    wins = (ahead > behind) + 0.5 * (ahead == behind)  # [M, n, k]
    drawn_x, drawn_y = _counts(*x.shape, reps, seed, 0), _counts(*y.shape, reps, seed, 1)
    resampled = ((drawn_x @ wins) * drawn_y).sum(axis=(0, 2)) / wins.size  # [reps]
    return _interval(float(wins.mean()), resampled, min(len(x), len(y)))


@lru_cache(maxsize=16)
def _counts(n: int, tasks: int, reps: int, seed: int, side: int) -> Floats:
    """[tasks, reps, n]: how often a stratified resample holds each seed; `side` makes independent draws."""
    drawn = np.random.default_rng([seed, side]).integers(n, size=(tasks, reps, n))
    rows = drawn + n * np.arange(tasks * reps).reshape(tasks, reps, 1)
    return np.bincount(rows.ravel(), minlength=tasks * reps * n).reshape(tasks, reps, n).astype(np.float64)


def _resample(scores: Floats, generator: np.random.Generator, reps: int) -> Floats:
    """[reps, n, M]: seeds drawn with replacement within each task."""
    drawn = generator.integers(len(scores), size=(reps, *scores.shape))
    return np.take_along_axis(scores[None], drawn, axis=1)


def _percentiles(resampled: Floats) -> Any:
    """The two limits, each [T], of bootstrap estimates [reps, T] or [reps]."""
    tail = 50 * (1 - CONFIDENCE)
    return np.percentile(resampled, [tail, 100 - tail], axis=0)


def _interval(point: float, resampled: Floats, n: int) -> Interval:
    if n < 2:
        return Interval(point, np.nan, np.nan)
    low, high = _percentiles(resampled)
    return Interval(point, float(low), float(high))
