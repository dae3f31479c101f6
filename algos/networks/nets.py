"""Seed-stacked networks: every layer holds one weight matrix per seed, so S seeds cost one batched product.

Parameters have shape [S, in, out] (critics [S, E, in, out]). Initial values are drawn on the CPU from one stream per
seed, so that a seed starts from the same weights alone, packed, and on any device.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["ACTIVATIONS", "MLP", "Activation", "Dual", "Linear", "Nets", "TwinQ", "ValueNet", "activate", "value_net"]

Activation = Literal["relu", "tanh"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
_IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu_, "tanh": Tensor.tanh_}


class Linear(nn.Module):
    """A stack of linear layers: [*lead, B, inputs] -> [*lead, B, outputs]."""

    def __init__(self, lead: tuple[int, ...], inputs: int, outputs: int, scale: float | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(*lead, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(*lead, 1, outputs))
        self.bound = scale if scale is not None else 1.0 / math.sqrt(inputs)

    @torch.no_grad()
    def init(self, generators: Sequence[torch.Generator]) -> None:
        """Draw weights uniformly in +-1/sqrt(inputs), or +-scale, from one stream per seed."""
        for seed, generator in enumerate(generators):
            for p in (self.weight, self.bias):
                p[seed].uniform_(-self.bound, self.bound, generator=generator)


class LayerNorm(nn.Module):
    """Layer normalisation (Ba et al. 2016): rows are standardised, then scaled and shifted per member of `lead`."""

    def __init__(self, lead: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(*lead, 1, width))
        self.shift = nn.Parameter(torch.zeros(*lead, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x, x.shape[-1:])
        return torch.addcmul(self.shift.flatten(0, -3), x, self.scale.flatten(0, -3))


class MLP(nn.Module):
    """Network per member of `lead` (seeds, or seeds x critics): [*lead, B, sizes[0]] -> [*lead, B, sizes[-1]].

    `activation` follows each hidden layer, which `layer_norm` normalises before it.
    """

    activation: Activation = "relu"

    def __init__(
        self, lead: tuple[int, ...], sizes: Sequence[int], last_scale: float | None = None, layer_norm: bool = False
    ) -> None:
        super().__init__()
        last = len(sizes) - 2
        self.layers = nn.ModuleList(
            Linear(lead, i, o, last_scale if n == last else None) for n, (i, o) in enumerate(itertools.pairwise(sizes))
        )
        self.norms = nn.ModuleList(LayerNorm(lead, width) for width in sizes[1:-1]) if layer_norm else None

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[:-2]
        x = x.flatten(0, -3)
        for n, layer in enumerate(self.layers):
            assert isinstance(layer, Linear)
            x = _products(x, layer.weight.flatten(0, -3)).add_(layer.bias.flatten(0, -3))
            if n < len(self.layers) - 1:
                x = _IN_PLACE[self.activation](x if self.norms is None else self.norms[n](x))
        return x.view(*lead, *x.shape[1:])


def _products(x: Tensor, weight: Tensor) -> Tensor:
    """Matrix products [N, B, inputs], [N, inputs, outputs] -> [N, B, outputs].

    A single output is a sum of products: libraries take some fifty times as long over a stack of matrices that thin.
    """
    if weight.shape[-1] == 1 and len(weight) > 1:
        return (x * weight.mT).sum(-1, keepdim=True)
    return torch.bmm(x, weight)


def activate(network: nn.Module, activation: Activation) -> None:
    """Give every hidden layer of a network this activation."""
    for part in network.modules():
        if isinstance(part, MLP):
            part.activation = activation


class TwinQ(nn.Module):
    """E critics per seed: (obs [S, B, O], action [S, B, A]) -> [S, E, B]."""

    def __init__(
        self, seeds: int, critics: int, obs_dim: int, action_dim: int, hidden: Sequence[int], layer_norm: bool = False
    ) -> None:
        super().__init__()
        self.critics = critics
        self.body = MLP((seeds, critics), (obs_dim + action_dim, *hidden, 1), layer_norm=layer_norm)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        x = torch.cat((obs, action), dim=-1)[:, None]
        out: Tensor = self.body(x.expand(-1, self.critics, -1, -1))
        return out.squeeze(-1)


class ValueNet(nn.Module):
    """Network of state values: obs [S, B, O] -> [S, B]."""

    def __init__(self, seeds: int, obs_dim: int, hidden: Sequence[int], layer_norm: bool = False) -> None:
        super().__init__()
        self.body = MLP((seeds,), (obs_dim, *hidden, 1), layer_norm=layer_norm)

    def forward(self, obs: Tensor) -> Tensor:
        out: Tensor = self.body(obs)
        return out.squeeze(-1)


def value_net(seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int]) -> ValueNet:
    """Build a network of state values, as `Needs.modules` calls its builders."""
    return ValueNet(seeds, obs_dim, hidden)


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


class Nets(nn.Module):
    """The networks of S seeds: policy, critics with their targets, and whatever else an objective asked for."""

    def __init__(
        self,
        policy: nn.Module,
        critic: TwinQ | None,
        extra: dict[str, nn.Module],
        q_max: float | None,
        target_policy: bool = False,
    ) -> None:
        super().__init__()
        self.policy = policy
        self.target_policy = copy.deepcopy(policy).requires_grad_(False) if target_policy else None
        self.critic = critic
        self.target_critic = copy.deepcopy(critic).requires_grad_(False) if critic is not None else None
        self.extra = nn.ModuleDict(extra)
        self.q_max = q_max  # bound on the critics' outputs; None where the bound is elsewhere or absent

    @torch.no_grad()
    def init(self, generators: Sequence[torch.Generator], copy_targets: bool) -> None:
        """Draw all initial weights; `generators` are CPU streams, one per seed."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.init(generators)
        for online, target in self.targets() if copy_targets else ():
            target.load_state_dict(online.state_dict())

    def targets(self) -> list[tuple[nn.Module, nn.Module]]:
        """Each network that has a slow copy, with that copy."""
        pairs = ((self.critic, self.target_critic), (self.policy, self.target_policy))
        return [(online, target) for online, target in pairs if online is not None and target is not None]

    def q(self, obs: Tensor, action: Tensor) -> Tensor:
        """Values by the critics: [S, B, O], [S, B, A] -> [S, E, B]."""
        assert self.critic is not None
        return self._bounded(self.critic(obs, action))

    def target_q(self, obs: Tensor, action: Tensor) -> Tensor:
        """Values by the target critics: [S, B, O], [S, B, A] -> [S, E, B]."""
        assert self.target_critic is not None
        return self._bounded(self.target_critic(obs, action))

    def q_of_many(self, obs: Tensor, actions: Tensor, target: bool = False) -> Tensor:
        """Values of K actions per state by the critics: [S, B, O], [S, K, B, A] -> [S, E, K, B]."""
        s, k, b, a = actions.shape
        obs = obs[:, None].expand(-1, k, -1, -1).reshape(s, k * b, -1)
        q = (self.target_q if target else self.q)(obs, actions.reshape(s, k * b, a))
        return q.view(s, -1, k, b)

    def _bounded(self, q: Tensor) -> Tensor:
        return q if self.q_max is None else q.clamp_max(self.q_max)
