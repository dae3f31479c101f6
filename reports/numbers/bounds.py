"""What a score can be at all: limits of its scale, and the episodes that a share was counted from.

An interval that leaves the scale says less than was known before: no share is below 0. Staying on it costs no coverage.
A share of few episodes is known no better than a coin that was thrown so often, however well few seeds agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reports.numbers.intervals import Floats, Interval, normal
from reports.runs.cells import Cell
from suite.record.metrics import SCORE_UNITS

__all__ = ["UNBOUNDED", "Bounds", "bounds_of", "bounds_on", "floor_of", "of_changes", "of_falls"]

COUNTED = ("success", "success_any")  # each episode succeeds or does not
MOST = 1000  # episodes of an evaluation that are looked for in results that do not name their number


@dataclass(frozen=True)
class Bounds:
    """The scale of a score, and how many episodes each seed's share was counted from (None: it is no such share)."""

    low: float = -np.inf
    high: float = np.inf
    episodes: int | None = None

    def noise(self, mean: Any, n: int) -> Any:
        """Variance of the mean of n seeds that counting episodes brings alone, after Laplace; 0 without episodes."""
        if self.episodes is None:
            return np.zeros_like(mean)
        total = n * self.episodes
        likely = (mean * total + 1) / (total + 2)  # away from 0 and 1
        return likely * (1 - likely) / total

    def mean(self, point: Any, half: Any, n: int) -> tuple[Any, Any]:
        """Limits of a mean over n seeds whose Student's interval reaches `half` to each side; scalars or arrays.

        Between two finite bounds they are Wilson's (1927) for as many throws as would make a share that uncertain, as
        is done in surveys of clusters (Korn and Graubard 1998), and never for more throws than there were episodes.
        """
        if not np.isfinite([self.low, self.high]).all():
            return self.clip(point - half, point + half)
        width = self.high - self.low
        share = np.clip((point - self.low) / width, 0, 1)  # 1 + 1e-16 is rounding
        half = np.maximum(half / width, normal() * np.sqrt(self.noise(share, n)))
        spread = share * (1 - share) if self.episodes is None else self.noise(share, n) * n * self.episodes
        with np.errstate(divide="ignore", invalid="ignore"):
            worth = np.where(half > 0, half**2 / spread, 0.0)  # z^2 / throws
        centre = (share + worth / 2) / (1 + worth)
        reach = np.sqrt(share * (1 - share) * worth + worth**2 / 4) / (1 + worth)
        low, high = np.clip(centre - reach, 0, share), np.clip(centre + reach, share, 1)
        return self.low + width * low, self.low + width * high

    def any(self, point: Any, low: Any, high: Any, n: int) -> tuple[Any, Any]:
        """Limits of another estimate than the mean: inside the scale, and no narrower than the episodes allow."""
        if self.episodes is not None:
            floor = self.mean(point, 0.0 * np.asarray(low), n)  # NaN stays NaN
            low, high = np.minimum(low, floor[0]), np.maximum(high, floor[1])
        return self.clip(low, high)

    def clip(self, low: Any, high: Any) -> tuple[Any, Any]:
        """Limits inside the scale."""
        return np.clip(low, self.low, self.high), np.clip(high, self.low, self.high)

    def inside(self, value: Interval) -> Interval:
        """The interval without what lies outside the scale."""
        low, high = self.clip(value.low, value.high)
        return Interval(value.point, float(low), float(high))


UNBOUNDED = Bounds()


def bounds_of(cell: Cell, metric: str) -> Bounds:
    """What the metric can be in this cell: a share between 0 and 1, of the episodes that its settings name.

    Results from elsewhere do not name them: there the smallest number that explains every value of the cell is taken.
    """
    bounds = bounds_on(metric)
    if metric not in COUNTED:
        return bounds
    settings = cell.first.run.get("settings", {})
    episodes = dict(settings.get("eval_episodes") or {}).get("value")
    if episodes is None:
        curve = cell.curve(metric)
        episodes = None if curve is None else _episodes(curve.values)
    return replace(bounds, episodes=episodes)


def bounds_on(metric: str) -> Bounds:
    """What the metric can be on any task."""
    return Bounds(0.0, 1.0) if SCORE_UNITS.get(metric) == "share" else UNBOUNDED


def floor_of(metric: str) -> float | None:
    """What a seed that diverged scores: no policy of it is left, so the lowest there is; None where nothing is."""
    low = bounds_on(metric).low
    return low if np.isfinite(low) else None


def of_changes(bounds: Bounds) -> Bounds:
    """What the difference of two such scores can be."""
    return Bounds(bounds.low - bounds.high, bounds.high - bounds.low)


def of_falls(bounds: Bounds) -> Bounds:
    """What a fall of such a score can be: 0 where it never fell."""
    return Bounds(bounds.low - bounds.high, 0.0)


def _episodes(values: Floats) -> int | None:
    """The smallest number of episodes of which all these values can be shares; None where there is none."""
    found = np.unique(values[np.isfinite(values)])
    found = found[np.abs(found) <= 1]  # others are no shares, and are left out of everything
    for count in range(1, MOST + 1):
        counted = found * count
        if (np.abs(counted - np.round(counted)) < 1e-8 * count).all():
            return count
    return None
