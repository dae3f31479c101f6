"""One score over the seeds of a cell, three ways, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.numbers import stats
from reports.numbers.stats import Floats, Interval

__all__ = ["Score", "score"]


@dataclass(frozen=True)
class Score:
    """One score of one cell over its seeds."""

    iqm: Interval
    mean: Interval  # Student's t
    median: Interval
    spread: float  # standard deviation between seeds, NaN for one seed


def score(values: Floats, seed: int) -> Score:
    """Of values [n], one per seed."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    iqm, mean, median = (stats.interval(values, centre, seed) for centre in ("IQM", "mean", "median"))
    return Score(iqm, mean, median, spread)
