"""Gradients and steps of seed-stacked networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import get_proxy_mode

__all__ = ["apply", "clipped", "gradients_of", "make_optimiser", "per_seed"]


def make_optimiser(
    module: nn.Module, lr: float, weight_decay: float = 0.0, momentum: float | None = None
) -> torch.optim.Optimizer:
    """Make Adam with L2 in its gradient, or SGD where a momentum is given; fused, and safe to record as a graph."""
    parameters = list(module.parameters())
    if momentum is not None:
        return torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)
    capturable = parameters[0].is_cuda
    return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True, capturable=capturable)


def apply(optimiser: torch.optim.Optimizer, gradients: Sequence[Tensor]) -> None:
    """Step the parameters; while an update is traced (see `compiled`), by operations that a compiler can join."""
    parameters = optimiser.param_groups[0]["params"]
    if get_proxy_mode() is not None:
        for p, g in zip(parameters, gradients, strict=True):
            _step(optimiser, p, g)
        return
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g
    optimiser.step()


@torch.no_grad()
def _step(optimiser: torch.optim.Optimizer, p: Tensor, g: Tensor) -> None:
    """Step one parameter as the fused kernels do, its state being there (Kingma and Ba 2015, Algorithm 1)."""
    group, state = optimiser.param_groups[0], optimiser.state[p]
    if group["weight_decay"]:
        g = g + group["weight_decay"] * p
    if isinstance(optimiser, torch.optim.SGD):
        if group["momentum"]:
            g = state["momentum_buffer"].mul_(group["momentum"]).add_(g)
        p.sub_(group["lr"] * g)
        return
    beta1, beta2 = group["betas"]
    state["step"].add_(1)
    mean = state["exp_avg"].lerp_(g, 1 - beta1)
    square = state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
    corrections = (1 - beta ** state["step"].double() for beta in (beta1, beta2))  # as the kernels: 1 - 0.999 is small
    correction1, correction2 = (c.to(p.dtype) for c in corrections)
    p.sub_(group["lr"] / correction1 * mean / (square.sqrt() / correction2.sqrt() + group["eps"]))


def gradients_of(loss: Tensor, module: nn.Module, retain: bool = False) -> Sequence[Tensor]:
    """Gradient of a loss [S], summed over seeds, with respect to the parameters of this module alone."""
    assert loss.ndim == 1, f"a loss must be [S], got {tuple(loss.shape)}"
    return torch.autograd.grad(
        loss.sum(), list(module.parameters()), retain_graph=retain, allow_unused=True, materialize_grads=True
    )


def per_seed(value: Tensor, like: Tensor) -> Tensor:
    """Reshape [S] so that it multiplies a parameter [S, ...]."""
    return value.view(-1, *[1] * (like.ndim - 1))


def clipped(gradients: Sequence[Tensor], max_norm: float) -> list[Tensor]:
    """Scale each seed's gradient [S, ...] down to this norm over all its parts, where it is larger."""
    norm = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()  # [S]
    scale = (max_norm / norm.clamp_min(1e-6)).clamp_max(1.0)
    return [g * per_seed(scale, g) for g in gradients]
