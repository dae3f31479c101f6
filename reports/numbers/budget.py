"""What a search finds with fewer trials than it had: the expected best of k, and the best so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from suite.record.trials import Trial

__all__ = ["best_so_far", "expected_best", "scores_of"]


def scores_of(trials: Sequence[Trial]) -> list[float]:
    """Score of each finished trial, in their order.

    Those that were given up or diverged are no better than the worst complete one, and count as that. Empty where none
    is complete.
    """
    complete = [trial.score for trial in trials if trial.score is not None]
    if not complete:
        return []
    return [min(complete) if trial.score is None else trial.score for trial in trials if trial.done]


def expected_best(scores: Sequence[float]) -> NDArray[np.float64]:
    """Expected best of k = 1, ..., n trials, drawn with replacement from these n scores: [n].

    Sum over the sorted scores v_1 <= ... <= v_n of v_i ((i/n)^k - ((i-1)/n)^k), as in "Show Your Work" (Dodge et al.
    2019). It presumes trials that are drawn independently, and is below the truth for k near n.
    """
    n = len(scores)
    below = np.arange(n + 1)[None, :] / n  # [1, n + 1], share of scores up to each
    k = np.arange(1, n + 1)[:, None]
    return np.asarray(np.diff(below**k, axis=1) @ np.sort(np.asarray(scores, np.float64)))


def best_so_far(scores: Sequence[float]) -> NDArray[np.float64]:
    """The best of the first k trials in the order in which they were tried: [n]."""
    return np.maximum.accumulate(np.asarray(scores, np.float64))
