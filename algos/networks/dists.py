"""Distributions over actions, as policies give them for a batch of states.

An action of a task with n choices is a one-hot vector of width n, so shapes are the same for every family.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

__all__ = ["Categorical", "Comparable", "Deterministic", "Dist", "Gaussian", "SquashedGaussian"]

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
# log-probabilities of given actions are taken this far inside the bounds: at |a| = 1 atanh is infinite, and at
# 1 - 1e-6 a single clipped action would outweigh a whole batch
_BOUND_MARGIN = 1e-3


class Dist(Protocol):
    """A policy's action distribution at a batch of states."""

    @property
    def mode(self) -> Tensor:
        """The action of the deterministic policy [S, B, A]."""

    @property
    def std(self) -> Tensor:
        """Standard deviation before squashing, broadcastable to [S, B, A]."""

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Action [S, B, A] from standard normal noise, with gradient if continuous, and its log-probability [S, B]."""

    def log_prob(self, action: Tensor) -> Tensor:
        """Log-density of given actions [S, B, A] -> [S, B]."""

    def many(self) -> Dist:
        """Add an axis for K samples per state: noise [S, K, B, A] -> actions, log-densities [S, K, B]."""


@dataclass(frozen=True)
class Gaussian:
    """Plain normal around a mean in (-1, 1); samples may leave the bounds, the environment clips them."""

    mean: Tensor  # [S, B, A]
    log_std: Tensor  # [S, 1, A]

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def std(self) -> Tensor:
        return self.log_std.exp()

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean + self.std * noise, _normal_log_prob(noise, self.log_std)

    def log_prob(self, action: Tensor) -> Tensor:
        return _normal_log_prob((action - self.mean) * torch.exp(-self.log_std), self.log_std)

    def many(self) -> Gaussian:
        return Gaussian(self.mean[:, None], self.log_std[:, None])

    @property
    def entropy(self) -> Tensor:
        """Entropy [S, 1], the same in every state."""
        return self.log_std.sum(-1) + self.log_std.shape[-1] * (0.5 + _HALF_LOG_2PI)

    def kl(self, new: Gaussian) -> Tensor:
        """KL(this || new), summed over action dimensions: [S, B]."""
        log_ratio = new.log_std - self.log_std
        distance = (self.mean - new.mean).square() * torch.exp(-2.0 * new.log_std)
        return (log_ratio + 0.5 * (torch.exp(-2.0 * log_ratio) + distance - 1.0)).sum(-1)

    def detached(self) -> Gaussian:
        """The same distribution without gradient."""
        return Gaussian(self.mean.detach(), self.log_std.detach())

    def fixed_spread(self) -> Gaussian:
        """The same distribution, its deviation without gradient."""
        return Gaussian(self.mean, self.log_std.detach())


@dataclass(frozen=True)
class Categorical:
    """One of A choices, as a one-hot vector; nothing is reparameterised: samples carry no gradient."""

    logits: Tensor  # [S, B, A], not normalised

    @property
    def log_probs(self) -> Tensor:
        """Log-probability of each choice [S, B, A]."""
        return self.logits.log_softmax(-1)

    @property
    def mode(self) -> Tensor:
        return _one_hot(self.logits)

    @property
    def std(self) -> Tensor:
        """Standard deviation of each entry of the one-hot vector, sqrt(p (1 - p))."""
        p = self.logits.softmax(-1)
        return (p * (1.0 - p)).sqrt()

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Take the choice whose logit + Gumbel noise is largest (Gumbel 1954), and its log-probability.

        -log(-log Phi(z)) of a standard normal z is Gumbel noise.
        """
        gumbel = -torch.log(-torch.special.log_ndtr(noise))
        action = _one_hot(self.logits + gumbel)
        return action, self.log_prob(action)

    def log_prob(self, action: Tensor) -> Tensor:
        return (action * self.log_probs).sum(-1)

    def many(self) -> Categorical:
        return Categorical(self.logits[:, None])

    @property
    def entropy(self) -> Tensor:
        """Entropy [S, B]."""
        log_probs = self.log_probs
        return -(log_probs.exp() * log_probs).sum(-1)

    def kl(self, new: Categorical) -> Tensor:
        """KL(this || new): [S, B]."""
        log_probs = self.log_probs
        return (log_probs.exp() * (log_probs - new.log_probs)).sum(-1)

    def detached(self) -> Categorical:
        """The same distribution without gradient."""
        return Categorical(self.logits.detach())

    def fixed_spread(self) -> Categorical:
        """The same distribution: it has no spread apart from its probabilities."""
        return self


# families whose entropy and divergence are known: what trust regions and entropy bonuses need
Comparable: TypeAlias = Gaussian | Categorical


def _one_hot(scores: Tensor) -> Tensor:
    """1 at the first of the largest scores, else 0: [..., A]."""
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)


@dataclass(frozen=True)
class SquashedGaussian:
    """tanh of a normal: a = tanh(u), log pi(a) = log N(u) - sum log(1 - a^2).

    `sample` gives the exact log-density, `log_prob` that of the action moved inside the bounds: a difference of the
    two, as a KL estimated from samples, is biased where actions are near the bounds.
    """

    mean: Tensor  # [S, B, A], before squashing
    log_std: Tensor  # [S, B, A]

    @property
    def mode(self) -> Tensor:
        return self.mean.tanh()

    @property
    def std(self) -> Tensor:
        return self.log_std.exp()

    def before_squash(self, noise: Tensor) -> Tensor:
        """The normal sample of which `sample` returns the tanh [S, B, A]."""
        return self.mean + self.std * noise

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        u = self.before_squash(noise)
        return u.tanh(), _normal_log_prob(noise, self.log_std) - _log_tanh_slope(u)

    def log_prob(self, action: Tensor) -> Tensor:
        """Log-density of given actions; those at or beyond the bounds are scored just inside, where it is finite."""
        u = action.clamp(_BOUND_MARGIN - 1.0, 1.0 - _BOUND_MARGIN).atanh()
        normal = _normal_log_prob((u - self.mean) * torch.exp(-self.log_std), self.log_std)
        return normal - _log_tanh_slope(u)

    def many(self) -> SquashedGaussian:
        return SquashedGaussian(self.mean[:, None], self.log_std[:, None])


@dataclass(frozen=True)
class Deterministic:
    """One action per state; samples add clipped exploration noise. It has no density."""

    mean: Tensor  # [S, B, A] in [-1, 1]
    noise: float  # standard deviation

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def std(self) -> Tensor:
        return torch.full_like(self.mean[:, :1], self.noise)

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        return (self.mean + self.noise * noise).clamp(-1.0, 1.0), torch.zeros_like(noise[..., 0])

    def log_prob(self, action: Tensor) -> Tensor:
        raise TypeError("a deterministic policy has no density")

    def many(self) -> Deterministic:
        return Deterministic(self.mean[:, None], self.noise)


def _normal_log_prob(z: Tensor, log_std: Tensor) -> Tensor:
    """Sum over the action axis of the normal log-density of standardised values: [S, B, A] -> [S, B]."""
    return -(0.5 * z.square() + log_std).sum(-1) - z.shape[-1] * _HALF_LOG_2PI


def _log_tanh_slope(u: Tensor) -> Tensor:
    """sum over the action axis of log(1 - tanh(u)^2), in the form that does not underflow."""
    return (2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))).sum(-1)
