"""Natural gradients of a policy whose divergences are known, one per seed, without forming its Fisher matrix.

A seed's parameters are one vector of P numbers; vectors are [S, P]. The Fisher matrix is the Hessian of the mean
KL(old || new) at new = old, and its products come from differentiating twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from algos.contract import row_mean
from algos.networks.dists import Comparable

__all__ = ["as_vector", "at", "conjugate_gradient", "fisher", "kl", "split"]


def as_vector(parts: Sequence[Tensor]) -> Tensor:
    """Flatten parameters or gradients [S, ...] into one vector per seed [S, P]."""
    return torch.cat([p.flatten(1) for p in parts], dim=1)


def split(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Cut a vector [S, P] into parts that have the shapes of `like`."""
    parts = torch.split(vector, [p[0].numel() for p in like], dim=1)
    return [part.view_as(p) for part, p in zip(parts, like, strict=True)]


def at(policy: nn.Module, vector: Tensor, obs: Tensor) -> Comparable:
    """The policy's distribution at obs [S, B, O], had it the parameters `vector` [S, P]."""
    names, parameters = zip(*policy.named_parameters(), strict=True)
    dist = functional_call(policy, dict(zip(names, split(vector, parameters), strict=True)), (obs,))
    assert isinstance(dist, Comparable)
    return dist


def kl(old: Comparable, new: Comparable) -> Tensor:
    """Mean over states of KL(old || new), two distributions of one family: [S]."""
    return row_mean(old.kl(new))  # type: ignore[arg-type]


def fisher(policy: nn.Module, obs: Tensor, damping: float) -> Callable[[Tensor], Tensor]:
    """The product v -> (F + damping) v [S, P], with F the Fisher matrix of the policy at obs [S, B, O]."""
    parameters = list(policy.parameters())
    new = policy(obs)
    first = torch.autograd.grad(kl(new.detached(), new).sum(), parameters, create_graph=True)
    slope = as_vector(first)

    def product(v: Tensor) -> Tensor:
        second = torch.autograd.grad((slope * v).sum(), parameters, retain_graph=True)
        return as_vector(second) + damping * v

    return product


def conjugate_gradient(product: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> Tensor:
    """Solve `product(x)` = b for x, nearly, per seed: [S, P] -> [S, P] (Hestenes and Stiefel 1952).

    Once the solution of a seed is exact, its remaining steps are zero.
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
