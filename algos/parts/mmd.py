"""Maximum mean discrepancy between two sets of actions per state, as BEAR's code measures it (Kumar et al. 2019)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from algos.contract import row_mean
from algos.parts.candidates import SAMPLE

__all__ = ["SMALLEST", "mmd"]

SMALLEST = 1e-3  # least value of `mmd`: its root is that of the square + 1e-6, so that the gradient stays finite


def mmd(
    x: Tensor, y: Tensor, kernel: Literal["laplacian", "gaussian"], sigma: float, estimator: Literal["v", "u"]
) -> Tensor:
    """Root of the discrepancy between sets of N actions [S, N, B, A], mean over states: [S].

    The v estimate counts each action's pair with itself, so that two sets from one distribution are apart. The u
    estimate does not; that of a state may be negative, and its root is that of the batch's mean.
    """
    own = 0.0 if estimator == "v" else 1.0

    def similarity(x: Tensor, y: Tensor, own: float) -> Tensor:  # [S, B]
        n, norm = x.shape[SAMPLE], 1.0 if kernel == "laplacian" else 2.0
        distance = torch.cdist(  # [S, B, N, N], by differences: a matrix product would lose the small ones
            x.movedim(SAMPLE, 2), y.movedim(SAMPLE, 2), norm, compute_mode="donot_use_mm_for_euclid_dist"
        )
        return ((-distance.pow(norm) / (2.0 * sigma)).exp().sum(dim=(2, 3)) - own * n) / (n * (n - own))

    squared = similarity(x, x, own) + similarity(y, y, own) - 2.0 * similarity(x, y, 0.0)
    if estimator == "v":
        return row_mean((squared.clamp_min(0.0) + SMALLEST**2).sqrt())
    return (row_mean(squared).clamp_min(0.0) + SMALLEST**2).sqrt()
