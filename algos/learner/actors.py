"""Actors in files: a policy, or all networks of a method that acts by more than its policy.

BEAR and BCQ choose among samples by their critics, so their files hold every network but the slow copies, under the
family `networks`, with the settings that `act` goes by. Everything else is a policy of `algos.networks.policy_file`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import algos
from algos.contract import LearnerConfig, Objective
from algos.learner.build import build
from algos.learner.replay import Layout
from algos.networks.nets import MLP, Linear, Nets
from algos.networks.policies import GaussianPolicy, SquashedPolicy, family_of
from algos.networks.policy_file import activation_of, load_policy, load_stacked, read_policy

__all__ = ["Chosen", "Networks", "acting", "load_actor", "meta_of"]

_NETWORKS = "networks"  # stands where a policy file names its family
Scale = tuple[Tensor, Tensor]  # mean and deviation [O] of the observations, where a method standardises them


class Networks(nn.Module):
    """An objective's `act` with the networks it uses; called as a policy is: obs [S, B, O] -> `Chosen`."""

    def __init__(self, objective: Objective, cfg: Any, nets: Nets, obs_dim: int, scale: Scale | None = None) -> None:
        super().__init__()
        self.objective, self.cfg = objective, cfg
        self.nets = copy.copy(nets)
        self.nets._modules = {**nets._modules, "target_policy": None, "target_critic": None}  # acting uses neither
        weight = next(nets.parameters())
        mean, std = scale or (weight.new_zeros(obs_dim), weight.new_ones(obs_dim))
        by_seed = (len(weight), 1, obs_dim)
        self.mean, self.std = (nn.Parameter(x.expand(by_seed).clone(), requires_grad=False) for x in (mean, std))

    def forward(self, obs: Tensor) -> Chosen:
        return Chosen(self, (obs - self.mean) / self.std)

    @property
    def meta(self) -> dict[str, Any]:
        """Family and settings, for a file."""
        return {"family": _NETWORKS, "config": dataclasses.asdict(self.cfg), "q_max": self.nets.q_max}


@dataclass(frozen=True)
class Chosen:
    """Actions at a batch of states, with the interface of a distribution; their likelihood is not known."""

    networks: Networks
    obs: Tensor  # [S, B, O], standardised where the method does so

    @property
    def mode(self) -> Tensor:
        """Actions [S, B, A] that evaluations score."""
        return self._act(None)

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions [S, B, A] as the method collects them, from standard normal noise, and NaN [S, B] as likelihood."""
        return self._act(noise), self.obs.new_full(self.obs.shape[:2], torch.nan)

    def _act(self, noise: Tensor | None) -> Tensor:
        of = self.networks
        return of.objective.act(of.cfg, of.nets, self.obs, noise)


def acting(objective: Objective, cfg: Any, nets: Nets, obs_dim: int, scale: Scale | None) -> nn.Module:
    """A module that acts on obs [S, B, O] as the environment gives them, and returns what has `mode` and `sample`.

    It is the policy alone where that is enough; a standardisation of obs goes into the policy's first layer, exactly.
    """
    if not objective.acts_by_policy:
        return Networks(objective, cfg, nets, obs_dim, scale)
    if scale is None:
        return nets.policy
    mean, std = scale
    policy = copy.deepcopy(nets.policy)
    first = next(m for m in policy.modules() if isinstance(m, Linear))
    with torch.no_grad():
        first.weight.div_(std[:, None])
        first.bias.sub_((mean[:, None] * first.weight).sum(-2, keepdim=True))
    return policy


def meta_of(actor: nn.Module) -> dict[str, Any]:
    """What an actor's file must say beside sizes, for `load_actor`."""
    activation = next((m.activation for m in actor.modules() if isinstance(m, MLP)), MLP.activation)
    if isinstance(actor, Networks):
        return {**actor.meta, "activation": activation}
    own = isinstance(actor, GaussianPolicy | SquashedPolicy) and (actor.low, actor.high) != actor.LOG_STD_RANGE
    spread = {"log_std_range": (actor.low, actor.high)} if own else {}
    return {"family": family_of(actor), "activation": activation, **spread}


def load_actor(paths: Sequence[Path]) -> tuple[nn.Module, dict[str, Any]]:
    """Load files of equal shape as one seed-stacked module that acts as `acting` says, with the meta of the first.

    Raises `SettingError` when a file is missing, damaged, or holds nothing that acts.
    """
    if read_policy(paths[0])[0].get("family") != _NETWORKS:
        return load_policy(paths)
    return load_stacked(paths, _networks, ("family", "algo", "config", "obs_dim", "action_dim", "hidden", "activation"))


def _networks(meta: dict[str, Any], seeds: int) -> Networks:
    objective = algos.load(meta["algo"])
    # JSON has no tuples
    cfg = objective.Config(**{name: tuple(v) if isinstance(v, list) else v for name, v in meta["config"].items()})
    layout = Layout(meta["obs_dim"], meta["action_dim"])
    learner = LearnerConfig(hidden=tuple(meta["hidden"]), activation=activation_of(meta))
    nets = build(objective.needs(cfg), learner, range(seeds), layout, output_bound=meta["q_max"])
    return Networks(objective, cfg, nets, layout.obs_dim)
