"""Choosing among several actions per state by their Q, as BCQ and BEAR do in their targets and when they act."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from algos.contract import ENSEMBLE
from algos.networks.nets import Nets

__all__ = ["SAMPLE", "best", "normal_points", "soft_clipped_max"]

SAMPLE = 1  # axis of samples [S, K, B, ...], also of [S, K, B] once the critics are reduced


def soft_clipped_max(q: Tensor, min_weight: float) -> Tensor:
    """The largest of K values per state, each a mix of the least and the greatest critic: [S, E, K, B] -> [S, B]."""
    mixed = min_weight * q.amin(ENSEMBLE) + (1.0 - min_weight) * q.amax(ENSEMBLE)
    return mixed.amax(SAMPLE)


def best(nets: Nets, obs: Tensor, actions: Tensor) -> Tensor:
    """Among K actions per state, the one that the first critic rates highest: [S, K, B, A] -> [S, B, A]."""
    choice = nets.q_of_many(obs, actions)[:, 0].argmax(SAMPLE)  # [S, B]
    index = choice[:, None, :, None].expand(-1, 1, -1, actions.shape[-1])
    return actions.gather(SAMPLE, index).squeeze(SAMPLE)


@functools.cache
def _hypercube(count: int, width: int) -> Tensor:
    """Latin hypercube: `count` points whose coordinates are each spread evenly in [0, 1]; the same at every call."""
    shuffle = torch.Generator().manual_seed(0)
    ranks = torch.stack([torch.randperm(count, generator=shuffle) for _ in range(width)], dim=-1)
    return (ranks.double() + 0.5) / count


def normal_points(count: int, noise: Tensor) -> Tensor:
    """Standard normal points for each state, the same ones turned by its noise: [S, n, W] -> [S, count, n, W].

    Without noise (zeros) they are a fixed Latin hypercube, so that what is chosen among them does not depend on
    chance. Noise shifts the points around the cube, each by its own normal value's quantile: then every point is a
    normal draw, and together they are still spread evenly.
    """
    cube = _hypercube(count, noise.shape[-1]).to(noise.device)[:, None]  # [count, 1, W]
    shift = torch.special.ndtr(noise.double())[:, None] - 0.5  # [S, 1, n, W]
    points: Tensor = torch.special.ndtri((cube + shift).remainder(1.0).clamp(1e-9, 1.0 - 1e-9))
    return points.to(noise.dtype)
