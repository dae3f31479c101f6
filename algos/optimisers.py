"""Gradients and steps of seed-stacked networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["clipped", "gradients_of", "make_optimiser", "per_seed"]


def make_optimiser(
    module: nn.Module, lr: float, weight_decay: float = 0.0, momentum: float | None = None
) -> torch.optim.Optimizer:
    """Adam with L2 in its gradient, or SGD where a momentum is given; one kernel, and safe to record."""
    parameters = list(module.parameters())
    if momentum is not None:
        return torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)
    capturable = parameters[0].is_cuda
    return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True, capturable=capturable)


def gradients_of(loss: Tensor, module: nn.Module, retain: bool = False) -> Sequence[Tensor]:
    """d(sum over seeds of loss [S]) / d(parameters of this module), and of no other."""
    assert loss.ndim == 1, f"a loss must be [S], got {tuple(loss.shape)}"
    return torch.autograd.grad(
        loss.sum(), list(module.parameters()), retain_graph=retain, allow_unused=True, materialize_grads=True
    )


def per_seed(value: Tensor, like: Tensor) -> Tensor:
    """[S] shaped to multiply a parameter [S, ...]."""
    return value.view(-1, *[1] * (like.ndim - 1))


def clipped(gradients: Sequence[Tensor], max_norm: float) -> list[Tensor]:
    """Each seed's gradient [S, ...] scaled down to this norm over all its parts, where it is larger."""
    norm = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()  # [S]
    scale = (max_norm / norm.clamp_min(1e-6)).clamp_max(1.0)
    return [g * per_seed(scale, g) for g in gradients]
