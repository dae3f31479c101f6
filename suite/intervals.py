"""95 % intervals of what was measured over episodes."""

from __future__ import annotations

import math

__all__ = ["of_mean", "of_share"]

_CONFIDENCE = 0.95


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
