"""The four families of policies: networks that make a distribution over actions of observations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from algos.networks.dists import Categorical, Deterministic, Gaussian, SquashedGaussian
from algos.networks.nets import MLP, Linear

__all__ = [
    "POLICIES",
    "Builder",
    "CategoricalPolicy",
    "DeterministicPolicy",
    "Family",
    "GaussianPolicy",
    "SquashedPolicy",
    "builder",
    "family_of",
]

Family = Literal["gaussian", "squashed", "deterministic", "categorical"]
Builder = Callable[[int, int, int, Sequence[int]], nn.Module]  # (S, O, A, hidden) -> a module of the objective's own


class GaussianPolicy(nn.Module):
    """Normal around a tanh mean; its log-std, alike in every state, starts amid `log_std_range` (AWAC's code: -3)."""

    LOG_STD_RANGE = (-6.0, 0.0)

    def __init__(
        self,
        seeds: int,
        obs_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        log_std_range: tuple[float, float] = LOG_STD_RANGE,
    ) -> None:
        super().__init__()
        self.mean = MLP((seeds,), (obs_dim, *hidden, action_dim), last_scale=1e-3)
        self.log_std_logits = nn.Parameter(torch.zeros(seeds, 1, action_dim))
        self.low, self.high = log_std_range

    @torch.no_grad()
    def start_at(self, std: float | Tensor) -> None:
        """Begin with this standard deviation in every dimension, or these [A], as near as the range comes to them."""
        share = (torch.as_tensor(std, dtype=torch.float64).log() - self.low) / (self.high - self.low)
        self.log_std_logits.copy_(share.clamp(1e-3, 1.0 - 1e-3).logit())

    def forward(self, obs: Tensor) -> Gaussian:
        log_std = self.low + (self.high - self.low) * self.log_std_logits.sigmoid()
        return Gaussian(self.mean(obs).tanh(), log_std)


class CategoricalPolicy(nn.Module):
    """Policy over A choices: the softmax of a network, at first nearly the same for all."""

    def __init__(self, seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.body = MLP((seeds,), (obs_dim, *hidden, action_dim), last_scale=1e-3)

    def forward(self, obs: Tensor) -> Categorical:
        return Categorical(self.body(obs))


class SquashedPolicy(nn.Module):
    """State-dependent mean and log-std of a tanh-squashed normal; log-std clamped, as in SAC's code to [-20, 2]."""

    LOG_STD_RANGE = (-20.0, 2.0)

    def __init__(self, seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.body = MLP((seeds,), (obs_dim, *hidden, 2 * action_dim), last_scale=1e-3)
        self.low, self.high = self.LOG_STD_RANGE

    @torch.no_grad()
    def start_at(self, std: float) -> None:
        """Begin with this standard deviation in every dimension, up to what the last layer's small weights add."""
        last = self.body.layers[-1]
        assert isinstance(last, Linear)
        last.bias.chunk(2, dim=-1)[1].fill_(math.log(std))

    def forward(self, obs: Tensor) -> SquashedGaussian:
        mean, log_std = self.body(obs).chunk(2, dim=-1)
        return SquashedGaussian(mean, log_std.clamp(self.low, self.high))


class DeterministicPolicy(nn.Module):
    """Policy of one action per state: the tanh of a network (Fujimoto et al. 2018, TD3)."""

    def __init__(self, seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int], noise: float = 0.0) -> None:
        super().__init__()
        self.body = MLP((seeds,), (obs_dim, *hidden, action_dim))
        self.noise = noise

    def forward(self, obs: Tensor) -> Deterministic:
        return Deterministic(self.body(obs).tanh(), self.noise)


POLICIES: dict[
    str, type[GaussianPolicy] | type[SquashedPolicy] | type[DeterministicPolicy] | type[CategoricalPolicy]
] = {
    "gaussian": GaussianPolicy,
    "squashed": SquashedPolicy,
    "deterministic": DeterministicPolicy,
    "categorical": CategoricalPolicy,
}


def builder(kind: Family | Builder, discrete: bool) -> Builder:
    """Builder of a network that acts: of its family, categorical where actions are choices, or its own builder."""
    if not isinstance(kind, str):
        return kind
    return POLICIES["categorical" if discrete else kind]


def family_of(policy: nn.Module) -> str:
    """Name of a policy's class in `POLICIES`."""
    return next(name for name, kind in POLICIES.items() if type(policy) is kind)
