"""Shares between 0 and 1 with score intervals: the performance profile and the probability of improvement.

A bootstrap of shares has no width where all runs agree, which few seeds often do, however little that proves. A score
interval (Wilson 1927) asks instead which true shares would make the observed one surprising, and has no such hole.
Estimates are rliable's. Runs are one array of seeds [n] per task; tasks may have different numbers of seeds and count
equally.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reports.numbers.aggregates import Runs
from reports.numbers.intervals import Floats, Interval, normal

__all__ = ["improvement", "profile"]

GRID = 4001  # true shares that are tried: limits to 0.00025


def profile(runs: Runs, taus: Floats) -> tuple[Floats, Floats, Floats]:
    """Performance profile: share of runs above each tau, and its lower and upper limits, each [taus].

    Wilson's interval, for as many runs as would, on a single task, leave the share as uncertain as the seeds of each
    task do: tasks that every run or none passes add no uncertainty.
    """
    passed = np.array([(x[:, None] > taus).mean(axis=0) for x in runs])  # [M, taus]
    seeds, share = np.array([[len(x)] for x in runs]), passed.mean(axis=0)
    if seeds.min() < 2:
        none = np.full(len(taus), np.nan)
        return share, none, none
    likely = (passed * seeds + 0.5) / (seeds + 1)  # [M, taus], away from 0 and 1
    middle = likely.mean(axis=0)
    worth = len(runs) ** 2 * middle * (1 - middle) / (likely * (1 - likely) / seeds).sum(axis=0)
    return share, *_wilson(share, worth)


def improvement(x: Runs, y: Runs) -> Interval:
    """Probability that a run of x scores above one of y on the same task, ties counting half.

    rliable's own estimate is the same number from one Mann-Whitney test per task. The interval is Newcombe's (2006,
    Statistics in Medicine 25, method 5), with the variance summed over tasks, and widened where the wins of single runs
    scatter more than its model allows, as they do if one side is all or nothing.
    """
    tasks = [_wins(one, other) for one, other in zip(x, y, strict=True)]
    point = float(np.mean([wins.mean() for wins in tasks]))
    if min(min(wins.shape) for wins in tasks) < 2:
        return Interval(point, np.nan, np.nan)
    likely, model, seen = np.array([_spreads(wins) for wins in tasks]).T
    n, k = (len(tasks) / sum(1 / wins.shape[side] for wins in tasks) for side in (0, 1))  # harmonic means
    scale = max(model.sum(), seen.sum()) / float(newcombe_variance(likely.mean(), n, k)) / len(tasks) ** 2
    return _score_interval(point, lambda share: scale * newcombe_variance(share, n, k))


def _wins(x: Floats, y: Floats) -> Floats:
    """Who wins each pair of runs, [n, k]: 1 for x, 0.5 for a tie."""
    return np.asarray((x[:, None] > y) + 0.5 * (x[:, None] == y))


def _spreads(wins: Floats) -> tuple[float, float, float]:
    """Of one task: the share of wins, away from 0 and 1, and its variance by Newcombe's model and as seen."""
    n, k = wins.shape
    few = min(n, k)
    likely = (wins.mean() * few + 0.5) / (few + 1)
    seen = wins.mean(axis=1).var(ddof=1) / n + wins.mean(axis=0).var(ddof=1) / k
    return float(likely), float(newcombe_variance(likely, n, k)), float(seen)


def newcombe_variance(share: Floats, n: float, k: float) -> Floats:
    """Variance of the share of wins among n x k pairs if both sides are exponentially distributed (method 5)."""
    between = (1 - share) / (2 - share) + share / (1 + share)
    return np.asarray(share * (1 - share) * (1 + ((n + k) / 2 - 1) * between) / (n * k))


def _score_interval(point: float, variance: Callable[[Floats], Floats]) -> Interval:
    """From the lowest to the highest true share that lies within the normal quantile of the observed one."""
    shares = np.linspace(0, 1, GRID)
    near = shares[np.abs(shares - point) <= normal() * np.sqrt(variance(shares)) + 1e-12]
    low, high = (float(near[0]), float(near[-1])) if len(near) else (point, point)
    return Interval(point, min(low, point), max(high, point))


def _wilson(share: Floats, runs: Floats) -> tuple[Floats, Floats]:
    z = normal()
    centre = (share + z**2 / (2 * runs)) / (1 + z**2 / runs)
    half = z * np.sqrt(share * (1 - share) / runs + z**2 / (4 * runs**2)) / (1 + z**2 / runs)
    # rounding must not put a limit on the wrong side of the share
    return np.minimum(centre - half, share), np.maximum(centre + half, share)
