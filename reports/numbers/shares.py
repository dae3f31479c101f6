"""Shares between 0 and 1 with score intervals: the performance profile and the probability of improvement.

A bootstrap of shares has no width where all runs agree, which few seeds often do, however little that proves. A score
interval (Wilson 1927) asks instead which true shares would make the observed one surprising, and has no such hole.
Estimates are rliable's; `plain=True` gives its percentile interval too. Scores [n, M]: one column per task.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reports.numbers.intervals import CONFIDENCE, REPS, Floats, Interval, counts, normal

__all__ = ["improvement", "profile"]

GRID = 4001  # true shares that are tried: limits to 0.00025


def profile(scores: Floats, taus: Floats, seed: int, reps: int = REPS, plain: bool = False) -> tuple[Floats, ...]:
    """Performance profile of scores [n, M]: share of runs above each tau, and its lower and upper limits, each [taus].

    Wilson's interval, for as many runs as would, on a single task, leave the share as uncertain as n runs of each task
    do: tasks that every run or none passes add no uncertainty.
    """
    n, tasks = scores.shape
    by_task = (scores.T[:, :, None] > taus).astype(np.float64)  # [M, n, taus]
    share = by_task.mean(axis=(0, 1))
    if n < 2:
        none = np.full(len(taus), np.nan)
        return share, none, none
    if plain:
        resampled = np.matmul(counts(n, tasks, reps, seed), by_task).sum(axis=0) / scores.size  # [reps, taus]
        return share, *_percentiles(resampled)
    likely = (by_task.sum(axis=1) + 0.5) / (n + 1)  # [M, taus], away from 0 and 1
    middle = likely.mean(axis=0)
    runs = scores.size * middle * (1 - middle) / (likely * (1 - likely)).mean(axis=0)
    return share, *_wilson(share, runs)


def improvement(x: Floats, y: Floats, seed: int, reps: int = REPS, plain: bool = False) -> Interval:
    """Probability that a run of x [n, M] scores above one of y [k, M] on the same task, ties counting half.

    rliable's own estimate is the same number from one Mann-Whitney test per task. The interval is Newcombe's (2006,
    Statistics in Medicine 25, method 5), with the variance summed over tasks, and widened where the wins of single runs
    scatter more than its model allows, as they do if one side is all or nothing.
    """
    ahead, behind = x.T[:, :, None], y.T[:, None, :]
    wins = (ahead > behind) + 0.5 * (ahead == behind)  # [M, n, k]
    point = float(wins.mean())
    (tasks, n, k) = wins.shape
    if min(n, k) < 2:
        return Interval(point, np.nan, np.nan)
    if plain:  # the two sides are resampled independently, as in rliable
        drawn_x, drawn_y = counts(n, tasks, reps, seed), counts(k, tasks, reps, seed, 1)
        low, high = _percentiles(((drawn_x @ wins) * drawn_y).sum(axis=(0, 2)) / wins.size)
        return Interval(point, float(low), float(high))
    few = min(n, k)
    likely = (wins.mean(axis=(1, 2)) * few + 0.5) / (few + 1)  # [M], away from 0 and 1
    model = newcombe_variance(likely, n, k).sum()
    seen = wins.mean(axis=2).var(axis=1, ddof=1).sum() / n + wins.mean(axis=1).var(axis=1, ddof=1).sum() / k
    scale = max(float(model), float(seen)) / float(newcombe_variance(likely.mean(), n, k)) / tasks**2
    return _score_interval(point, lambda share: scale * newcombe_variance(share, n, k))


def newcombe_variance(share: Floats, n: int, k: int) -> Floats:
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


def _percentiles(resampled: Floats) -> tuple[Floats, Floats]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return low, high
