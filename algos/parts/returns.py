"""Returns and advantages, computed backwards along whole trajectories.

Methods that learn from returns (AWR, MARWIL, PPO, ...) compute them when a stage begins, for all rows at once, and
then sample rows like any other method.
"""

from __future__ import annotations

import torch
from torch import Tensor

from algos.contract import Trajectories

__all__ = ["advantages", "backwards", "standardised", "td_lambda"]


def backwards(first: Tensor, factor: Tensor) -> Tensor:
    """Solve x_t = first_t + factor_t x_{t+1} along the last axis, with x = 0 after the end: [S, N], [S, N] -> [S, N].

    By doubling: each pass lets a row see twice as far ahead, so that twenty passes serve a million rows.
    """
    x, factor, ahead = first.clone(), factor.clone(), 1
    while ahead < x.shape[-1]:
        x = torch.cat((x[..., :-ahead] + factor[..., :-ahead] * x[..., ahead:], x[..., -ahead:]), dim=-1)
        beyond = torch.zeros_like(factor[..., -ahead:])
        factor = torch.cat((factor[..., :-ahead] * factor[..., ahead:], beyond), dim=-1)
        ahead *= 2
    return x


def td_lambda(paths: Trajectories, next_value: Tensor, discount: float, trace: float) -> Tensor:
    """TD(lambda) returns [S, N]: r + discount [(1 - trace) V(s') + trace R'] with R' the next row's (AWR, section 3).

    After a true end nothing follows; where an episode was only cut off, V(s') stands for what would have followed.
    """
    alive = discount * (1.0 - paths.terminated)
    goes_on = 1.0 - paths.ends
    return backwards(paths.reward + alive * (1.0 - trace * goes_on) * next_value, alive * trace * goes_on)


def advantages(paths: Trajectories, value: Tensor, next_value: Tensor, discount: float, trace: float) -> Tensor:
    """Generalised advantage estimates [S, N]: TD(lambda) returns minus V(s) (Schulman et al. 2016, eq. 16)."""
    return td_lambda(paths, next_value, discount, trace) - value


def standardised(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Shift and scale each seed's rows to mean 0 and deviation 1: [S, N] -> [S, N]."""
    return (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True, correction=0) + eps)
