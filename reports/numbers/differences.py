"""Differences of mean scores: paired by seed where both sides ran the same seeds, and Holm's correction.

Closed forms: on one task Student's interval of the paired differences, or Welch's (1947) where seeds are not paired;
over tasks the mean of the differences per task, variances added within tasks (stratified), degrees of freedom after
Welch and Satterthwaite. benchmarks/coverage.py measures them beside the bootstrap over pairs, which is not better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.numbers.intervals import Floats, Interval, effective_df, student

__all__ = ["Difference", "Sides", "difference", "holm"]


@dataclass(frozen=True)
class Sides:
    """The scores of two sides on one task; row i of both is the same seed if `paired`."""

    ahead: Floats  # [n]
    behind: Floats  # [k]
    paired: bool


@dataclass(frozen=True)
class Difference:
    """Mean of `ahead` minus mean of `behind`, averaged over tasks; p is two-sided, NaN where there is no interval."""

    interval: Interval
    p: float
    error: float = np.nan  # standard error, to `df` degrees of freedom
    df: float = np.nan


def difference(by_task: Sequence[Sides]) -> Difference:
    """The mean difference over tasks; a task with a single seed on a side leaves no interval.

    Without any spread between seeds Student's p would be 0 on two seeds: it is then what flipping signs gives,
    2^(1 - pairs), or 1 without a difference.
    """
    from scipy import special

    parts = [part for sides in by_task for part in _variances(sides)]
    point = float(np.mean([sides.ahead.mean() - sides.behind.mean() for sides in by_task]))
    if any(np.isnan(variance) for variance, _ in parts):
        return Difference(Interval(point, np.nan, np.nan), np.nan)
    variances = np.array([variance for variance, _ in parts]) / len(by_task) ** 2
    df = effective_df(variances, np.array([df for _, df in parts]))
    error = float(np.sqrt(variances.sum()))
    if error <= 1e-12 * max(1.0, abs(point)):
        pairs = sum(min(len(sides.ahead), len(sides.behind)) for sides in by_task)
        return Difference(Interval(point, point, point), 1.0 if abs(point) < 1e-12 else 2.0 ** (1 - pairs), 0.0, df)
    half = student(df) * error
    p = float(2 * special.stdtr(df, -abs(point) / error))
    return Difference(Interval(point, point - half, point + half), p, error, df)


def _variances(sides: Sides) -> list[tuple[float, int]]:
    """Independent parts of the variance of the difference, each with its degrees of freedom."""
    samples = [sides.ahead - sides.behind] if sides.paired else [sides.ahead, sides.behind]
    return [(float(x.var(ddof=1)) / len(x) if len(x) > 1 else np.nan, len(x) - 1) for x in samples]


def holm(p: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values: below 0.05, no more than 5 % chance of any false finding; NaN stays NaN."""
    known = sorted((value, i) for i, value in enumerate(p) if not np.isnan(value))
    out, highest = [float("nan")] * len(p), 0.0
    for rank, (value, i) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        out[i] = highest
    return out
