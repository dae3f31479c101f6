"""XQL (Garg et al. 2023, arXiv:2301.02328): IQL whose V is the soft maximum of Q over data actions.

    V: minimise e^z - z - 1,  z = (min_i target Q_i(s,a) - V(s)) / beta, at most max_clip     (Gumbel regression)
    Q: y = r + gamma (1 - terminated) V(s'), by Huber's distance from it, as in its code
    policy: maximise min(exp(inverse_temperature (Q - V)), weight_cap) log pi(a|s), as IQL

The loss of V is least where V = beta log E[exp(Q / beta)]: the mean of Q for a large beta, the best Q for a small one.
As in its code, each batch's loss is divided by the exponential of its largest z, which moves no minimum of a batch and
keeps the gradient finite; rows at max_clip have no gradient but through -z. Rewards c times as large ask for a beta c
times as large.
Departures: the three losses see the same networks (its code steps V first); neither uniform actions beside the data's
in the loss of V nor noise on them, which its scripts use on some tasks; not the dropout of V on AntMaze.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from algos.contract import BATCH, ENSEMBLE, Metrics, Needs, Step, bellman, row_mean
from algos.methods.iql import imitation_loss, target_q, value_of
from algos.networks.dists import Dist
from algos.networks.nets import Nets, ValueNet
from algos.settings import NOT_NEGATIVE, POSITIVE, POSITIVE_OR_INF, Preset, Settings, setting
from algos.space import Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "critic_loss",
    "gumbel_loss",
    "needs",
    "td_target",
]

METRICS = {
    "value": "V of the batch's states",
    "value_loss": "Gumbel loss of V, divided by the exponential of the batch's largest exponent",
    "value_clipped": "share of rows whose exponent in the Gumbel loss is at max_clip",
}

PRESETS = {
    "official": Preset(
        "Div99's XQL, offline/train_offline.py, learner.py, configs/mujoco_config.py and its README",
        {
            "hidden": (256, 256),
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "log_std_range": (-5.0, 2.0),
            "std_start": 1.0,
            "max_clip": 5.0,
            "inverse_temperature": 3.0,
            "offline_updates": 1_000_000,
        },
        (
            "initialisation",
            "optimiser",
            "dropout",
            "rewards",
            "no online phase: its train_finetune.py calls what its critic.py no longer has",
            "Q stepped after V and the policy, by the new V",
            "uniform actions beside the data's in the loss of V, on locomotion and hands",
        ),
    )
}
SPACE: Space = {"beta": Span(0.3, 30, log=True), "inverse_temperature": Span(0.3, 10, log=True)}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of XQL."""

    beta: float = setting(
        1.0,
        "temperature of the soft maximum that V is: 0 would be the best data action, infinity their mean",
        "XQL's code; its scripts: 0.55 to 10",
        within=POSITIVE,
    )
    max_clip: float = setting(
        7.0, "largest exponent of the Gumbel loss", "XQL's code; its README: 5", within=POSITIVE_OR_INF
    )
    huber_delta: float = setting(
        20.0, "TD error from which the critics' loss grows in a straight line", "XQL's code", within=POSITIVE_OR_INF
    )
    value_layer_norm: bool = setting(True, "normalise the hidden layers of V", "XQL's code")
    inverse_temperature: float = setting(
        3.0,
        "0 is cloning, large trusts only the best actions; the text has 1 / beta",
        "XQL's code: 3 MuJoCo, 0.5 Adroit, 10 AntMaze",
        within=NOT_NEGATIVE,
    )
    weight_cap: float = setting(
        100.0, "largest imitation weight, applied before exp", "XQL's code", within=POSITIVE_OR_INF
    )


def needs(cfg: Config) -> Needs:
    """A value network; no action is drawn."""

    def value(seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int]) -> ValueNet:
        return ValueNet(seeds, obs_dim, hidden, cfg.value_layer_norm)

    return Needs(actions="any", next_action_samples=0, modules={"value": value})


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """r + gamma (1 - terminated) V(s'); [S, B]."""
    return bellman(step, nets.extra["value"](step.batch.next_obs))


def critic_loss(
    cfg: Config, nets: Nets, step: Step, q: Tensor, target: Tensor, next_dist: Dist
) -> tuple[Tensor, Metrics]:
    """Twice Huber's loss of each critic, which is the square of small errors, summed over the critics; [S]."""
    error = (q - target[:, None]).abs()  # [S, E, B]
    if cfg.huber_delta == math.inf:
        return row_mean(error.square().sum(ENSEMBLE)), {}
    small = error.clamp_max(cfg.huber_delta)
    return row_mean((small * (2.0 * error - small)).sum(ENSEMBLE)), {}


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-w(s,a) log pi(a|s), weights without gradient; each [S]."""
    return imitation_loss(cfg.inverse_temperature, cfg.weight_cap, nets, step)


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of V, its Gumbel regression on the target critics' smaller value of the data's actions."""
    v = value_of(nets, step)
    z = (target_q(nets, step) - v) / cfg.beta  # [S, B]
    loss = row_mean(gumbel_loss(z, cfg.max_clip))
    clipped = row_mean((z.detach() >= cfg.max_clip).to(v.dtype))
    return {"value": loss}, {"value": row_mean(v), "value_loss": loss.detach(), "value_clipped": clipped}


def gumbel_loss(z: Tensor, max_clip: float) -> Tensor:
    """(e^z - z - 1) e^-m with m, without gradient, each seed's largest z but at least -1: [S, B] -> [S, B]."""
    z = z.clamp_max(max_clip)
    m = z.detach().amax(BATCH, keepdim=True).clamp_min(-1.0)
    return torch.exp(z - m) - (z + 1.0) * torch.exp(-m)
