"""Dual variables: the multipliers of constraints, trained beside the networks and kept within bounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Dual"]


class Dual(nn.Module):
    """`width` numbers per seed [S, width], put back into [low, high] after every step of their optimiser.

    Clamping inside `forward` instead would leave a number that has passed a bound without gradient, stuck there.
    """

    def __init__(
        self, seeds: int, start: float, low: float = -math.inf, high: float = math.inf, width: int = 1
    ) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.full((seeds, width), start))
        self.low, self.high = low, high

    def forward(self) -> Tensor:
        return self.value

    @torch.no_grad()
    def project(self) -> None:
        """Clamp the numbers in place."""
        self.value.clamp_(self.low, self.high)
