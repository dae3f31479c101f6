"""Intervals over seeds that contain the truth as often as they say; every statistic of a report rests on them.

rliable's plain percentile interval is too narrow for few seeds: a resample of n scores spreads sqrt((n - 1) / n)
times as much as it should, and normal quantiles are used where the spread is unknown. So IQM and median of a task
- from 6 seeds on have percentiles further out (Hesterberg 2014, arXiv:1411.5279): the level whose normal
  quantile, narrowed by sqrt((n - 1) / n), is Student's with n - 1 degrees of freedom;
- with fewer seeds, where the outermost resample is hardly more than the outermost score, have Student's interval
  with the bootstrap's standard error: for a mean that is Student's interval of the mean.
How often each contains the truth is measured by benchmarks/coverage.py. `plain=True` gives rliable's interval.
Intervals over tasks are in reports/numbers/aggregates.py.
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
    "effective_df",
    "limits",
    "normal",
    "student",
    "student_limits",
    "tail_of",
]

Floats = NDArray[np.float64]

REPS = 2000  # bootstrap repetitions: a limit is then uncertain by about 2 % of the interval's width
CONFIDENCE = 0.95
FEW = 5  # seeds up to which Student's interval takes the place of percentiles


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


def effective_df(variances: Floats, df: Any) -> float:
    """Degrees of freedom of a sum of variances that are each known to `df` degrees, after Welch and Satterthwaite."""
    squares = float((variances**2 / df).sum())
    return float(variances.sum()) ** 2 / squares if squares > 0 else float(np.min(df))


def by_student(n: int) -> bool:
    """Whether n seeds are too few for percentiles."""
    return n <= FEW


def limits(point: Any, resampled: Floats, n: int, plain: bool) -> tuple[Any, Any]:
    """The two limits, each [T] or a scalar, from bootstrap estimates [resamples, T] or [resamples]."""
    if n < 2:
        return np.nan, np.nan
    if by_student(n) and not plain:
        return student_limits(point, resampled.std(axis=0), n)
    tail = (1 - CONFIDENCE) / 2 if plain else tail_of(n - 1, np.sqrt(n / (n - 1)))
    # without interpolation: all resamples of few seeds are few values
    out = max(0, int(np.ceil(tail * len(resampled))) - 1)  # how many lie outside, at each end
    ordered = np.sort(np.ascontiguousarray(resampled.T), axis=-1)  # several times as fast as along the first axis
    return ordered[..., out], ordered[..., len(resampled) - 1 - out]


def student_limits(point: Any, spread: Any, n: int) -> tuple[Any, Any]:
    """Student's limits around `point`, given the standard deviation of its resamples."""
    half = student(n - 1) * spread * np.sqrt(n / (n - 1))
    return point - half, point + half


@lru_cache(maxsize=256)
def tail_of(df: float, wider: float = 1.0) -> float:
    """Level, one side, of the normal quantile that is `wider` times Student's; Hesterberg's undoes narrowing."""
    from scipy import special

    return float(special.ndtr(-student(df) * wider))
