"""Scores over episodes as they are printed, with 95 % intervals."""

from __future__ import annotations

import math

from suite.metrics import SCORE_UNITS

__all__ = ["digits", "of_mean", "of_share", "shown"]

_CONFIDENCE = 0.95


def digits(metric: str) -> int:
    """How many digits a score is printed with after the point."""
    return 2 if _is_share(metric) else 0


def shown(metric: str, mean: float, std: float, count: int) -> tuple[float, str]:
    """A mean over `count` episodes, rounded, and its interval, "-" where there is none.

    `std`, of a sample, says nothing about a share.
    """
    after = digits(metric)
    low, high = of_share(mean, count) if _is_share(metric) else of_mean(mean, std, count)
    return round(mean, after + 1), f"{low:.{after}f} to {high:.{after}f}" if math.isfinite(low) else "-"


def _is_share(metric: str) -> bool:
    return SCORE_UNITS[metric] == "share"


def of_share(share: float, count: int) -> tuple[float, float]:
    """Wilson's interval of a share of `count` episodes, in [0, 1]."""
    from scipy import stats  # late: takes a second

    limits = stats.binomtest(round(share * count), count).proportion_ci(_CONFIDENCE, method="wilson")
    return float(limits.low), float(limits.high)


def of_mean(mean: float, std: float, count: int) -> tuple[float, float]:
    """Student's interval of a mean of `count` values of this standard deviation (of a sample); NaN of a single one."""
    from scipy import special

    if count < 2:
        return math.nan, math.nan
    half = float(special.stdtrit(count - 1, (1 + _CONFIDENCE) / 2)) * std / math.sqrt(count)
    return mean - half, mean + half
