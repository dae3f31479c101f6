"""Intervals over seeds that contain the truth as often as they say; every statistic of a report rests on them.

rliable's plain percentile interval is too narrow for few seeds: a resample of n scores spreads sqrt((n - 1) / n)
times as much as it should, and normal quantiles are used where the spread is unknown. So
- from 5 seeds on, percentiles further out (Hesterberg 2014, arXiv:1411.5279): the level whose normal
  quantile, narrowed by sqrt((n - 1) / n), is Student's with tasks x (n - 1) degrees of freedom;
- with fewer seeds, or five scores in all, where the outermost resample is hardly more than the outermost score,
  Student's interval with the bootstrap's standard error: for a mean that is Student's interval of the mean.
How often each contains the truth is measured by benchmarks/coverage.py. `plain=True` gives rliable's interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CONFIDENCE",
    "FEW",
    "REPS",
    "Floats",
    "Interval",
    "by_student",
    "counts",
    "limits",
    "normal",
    "student",
    "student_limits",
]

Floats = NDArray[np.float64]

REPS = 2000  # bootstrap repetitions: a limit is then uncertain by about 2 % of the interval's width
CONFIDENCE = 0.95
FEW = 5  # scores of a task up to which Student's interval takes the place of percentiles; see `by_student`


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; the limits are NaN where a single seed leaves nothing to go by."""

    point: float
    low: float
    high: float


def student(df: float) -> float:
    """Student's quantile of a 95 % interval."""
    from scipy import special

    return float(special.stdtrit(df, (1 + CONFIDENCE) / 2))


def normal() -> float:
    """Normal quantile of a 95 % interval."""
    from scipy import special

    return float(special.ndtri((1 + CONFIDENCE) / 2))


@lru_cache(maxsize=16)
def counts(n: int, tasks: int, reps: int, seed: int, side: int = 0) -> Floats:
    """How often a stratified resample holds each seed: [tasks, reps, n]; `side` makes independent draws."""
    drawn = np.random.default_rng([seed, side]).integers(n, size=(tasks, reps, n))
    rows = drawn + n * np.arange(tasks * reps).reshape(tasks, reps, 1)
    return np.bincount(rows.ravel(), minlength=tasks * reps * n).reshape(tasks, reps, n).astype(np.float64)


def by_student(n: int, tasks: int = 1) -> bool:
    """Whether n seeds on each task are too few for percentiles: on several tasks, one fewer than on one."""
    return n < FEW or n * tasks <= FEW


def limits(point: Any, resampled: Floats, n: int, tasks: int, plain: bool) -> tuple[Any, Any]:
    """The two limits, each [T] or a scalar, from bootstrap estimates [resamples, T] or [resamples]."""
    if n < 2:
        return np.nan, np.nan
    if by_student(n, tasks) and not plain:
        return student_limits(point, resampled.std(axis=0), n, tasks)
    tail = (1 - CONFIDENCE) / 2 if plain else _tail(n, tasks)
    # without interpolation: all resamples of few seeds are few values
    out = max(0, int(np.ceil(tail * len(resampled))) - 1)  # how many lie outside, at each end
    ordered = np.sort(np.ascontiguousarray(resampled.T), axis=-1)  # several times as fast as along the first axis
    return ordered[..., out], ordered[..., len(resampled) - 1 - out]


def student_limits(point: Any, spread: Any, n: int, tasks: int) -> tuple[Any, Any]:
    """Student's limits around `point`, given the standard deviation of its resamples."""
    half = student(tasks * (n - 1)) * spread * np.sqrt(n / (n - 1))
    return point - half, point + half


@lru_cache(maxsize=64)
def _tail(n: int, tasks: int) -> float:
    """Hesterberg's expanded level, one side."""
    from scipy import special

    return float(special.ndtr(-student(tasks * (n - 1)) * np.sqrt(n / (n - 1))))
