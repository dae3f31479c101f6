"""Natural gradients of a Gaussian policy, one per seed, without forming its Fisher matrix.

A seed's parameters are one vector of P numbers; vectors are [S, P]. The Fisher matrix is the Hessian of the mean
KL(old || new) at new = old, and its products come from differentiating twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from algos.core import row_mean
from algos.nets import Gaussian

__all__ = ["as_vector", "at", "conjugate_gradient", "fisher", "kl", "split"]


def as_vector(parts: Sequence[Tensor]) -> Tensor:
    """Parameters or gradients [S, ...] -> [S, P]."""
    return torch.cat([p.flatten(1) for p in parts], dim=1)


def split(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """[S, P] -> parts shaped as the parameters are."""
    parts = torch.split(vector, [p[0].numel() for p in like], dim=1)
    return [part.view_as(p) for part, p in zip(parts, like, strict=True)]


def at(policy: nn.Module, vector: Tensor, obs: Tensor) -> Gaussian:
    """The policy's distribution at obs [S, B, O], had it the parameters `vector` [S, P]."""
    names, parameters = zip(*policy.named_parameters(), strict=True)
    dist = functional_call(policy, dict(zip(names, split(vector, parameters), strict=True)), (obs,))
    assert isinstance(dist, Gaussian)
    return dist


def kl(old: Gaussian, new: Gaussian) -> Tensor:
    """Mean over states of KL(old || new), summed over action dimensions: [S]."""
    log_ratio = new.log_std - old.log_std
    distance = (old.mean - new.mean).square() * torch.exp(-2.0 * new.log_std)
    per_dimension = log_ratio + 0.5 * (torch.exp(-2.0 * log_ratio) + distance - 1.0)
    return row_mean(per_dimension.sum(-1))


def fisher(policy: nn.Module, obs: Tensor, damping: float) -> Callable[[Tensor], Tensor]:
    """v -> (F + damping) v, F the Fisher matrix of the policy at obs [S, B, O]; [S, P] -> [S, P]."""
    parameters = list(policy.parameters())
    new = policy(obs)
    old = Gaussian(new.mean.detach(), new.log_std.detach())
    first = torch.autograd.grad(kl(old, new).sum(), parameters, create_graph=True)
    slope = as_vector(first)

    def product(v: Tensor) -> Tensor:
        second = torch.autograd.grad((slope * v).sum(), parameters, retain_graph=True)
        return as_vector(second) + damping * v

    return product


def conjugate_gradient(product: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> Tensor:
    """x with `product(x)` close to b, per seed: [S, P] -> [S, P] (Hestenes and Stiefel 1952).

    A seed that is solved stays as it is: its remaining steps are zero.
    """
    tiny = torch.finfo(b.dtype).tiny
    x, residual, direction = torch.zeros_like(b), b, b
    norm = _dot(residual, residual)
    for _ in range(iterations):
        image = product(direction)
        length = norm / _dot(direction, image).clamp_min(tiny)
        x = x + length * direction
        residual = residual - length * image
        norm, before = _dot(residual, residual), norm
        direction = residual + norm / before.clamp_min(tiny) * direction
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1, keepdim=True)  # [S, 1]
