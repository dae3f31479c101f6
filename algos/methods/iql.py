"""IQL (Kostrikov et al. 2021, arXiv:2110.06169): values learned from data actions alone, then weighted imitation.

    V: minimise |expectile - 1(u < 0)| u^2,  u = min_i target Q_i(s,a) - V(s)                  (eq. 5)
    Q: y = r + gamma (1 - terminated) V(s')                                                    (eq. 6)
    policy: maximise min(exp(inverse_temperature u), weight_cap) log pi(a|s)                   (eq. 7)

No loss rates an action of the policy. Rewards c times as large are the same as c times the inverse temperature: its
code scales MuJoCo's so that the data's returns span 1000.
Departures: the three losses see the same networks (its code steps V first); neither the dropout of 0.1 that its code
gives the policy on Adroit, nor the cosine schedule of the policy's offline step size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from algos.contract import BATCH, ENSEMBLE, Metrics, Needs, Step, bellman, effective_sample_size, row_mean
from algos.networks.dists import Dist
from algos.networks.nets import Nets, value_net
from algos.settings import NOT_NEGATIVE, POSITIVE_OR_INF, Interval, Preset, Settings, setting
from algos.space import Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "expectile_loss",
    "imitation_loss",
    "needs",
    "target_q",
    "td_target",
    "value_of",
]

METRICS = {
    "value": "V of the batch's states",
    "value_loss": "expectile loss of V",
}

PRESETS = {
    "official": Preset(
        "implicit_q_learning's train_finetune.py, learner.py and configs/mujoco_config.py",
        {
            "hidden": (256, 256),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "inverse_temperature": 3.0,
            "log_std_range": (-5.0, 2.0),
            "std_start": 1.0,
            "offline_updates": 1_000_000,
        },
        ("initialisation", "optimiser", "dropout", "rewards", "Q stepped after V and the policy, by the new V"),
    )
}
SPACE: Space = {"expectile": Span(0.5, 0.95), "inverse_temperature": Span(0.3, 10, log=True)}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of IQL."""

    expectile: float = setting(
        0.7,
        "0.5: V is the mean of Q over data actions; towards 1: their best",
        "IQL: 0.7; AntMaze 0.9",
        within=Interval(0, 1, "()"),
    )
    inverse_temperature: float = setting(
        3.0,
        "beta: 0 is cloning, large trusts only the best actions",
        "IQL: 3 MuJoCo, 0.5 Adroit, 10 AntMaze",
        within=NOT_NEGATIVE,
    )
    weight_cap: float = setting(
        100.0, "largest imitation weight, applied before exp", "IQL's code", within=POSITIVE_OR_INF
    )


def needs(cfg: Config) -> Needs:
    """A value network; no action is drawn."""
    return Needs(actions="any", next_action_samples=0, modules={"value": value_net})


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """r + gamma (1 - terminated) V(s'); [S, B]."""
    return bellman(step, nets.extra["value"](step.batch.next_obs))


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-w(s,a) log pi(a|s), weights without gradient; each [S]."""
    return imitation_loss(cfg.inverse_temperature, cfg.weight_cap, nets, step)


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of V, its regression on the target critics' smaller value of the data's actions."""
    v = value_of(nets, step)
    loss = row_mean(expectile_loss(target_q(nets, step) - v, cfg.expectile))
    return {"value": loss}, {"value": row_mean(v), "value_loss": loss.detach()}


def imitation_loss(inverse_temperature: float, weight_cap: float, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-min(exp(inverse_temperature (Q - V)), weight_cap) log pi(a|s), with what it logs; each [S]."""
    advantage = target_q(nets, step) - value_of(nets, step).detach()  # [S, B]
    w = (inverse_temperature * advantage).clamp_max(math.log(weight_cap)).exp()
    log_prob = step.dist.log_prob(step.batch.action)  # [S, B]
    with torch.no_grad():  # for the record only: no loss of IQL rates an action of the policy
        q_policy = nets.q(step.batch.obs, step.dist.mode).amin(ENSEMBLE)
    return row_mean(-w * log_prob), {
        "q_policy": row_mean(q_policy),
        "advantage": row_mean(advantage),
        "advantage_std": advantage.std(BATCH, correction=0),
        "weight_ess": effective_sample_size(w),
        "weight_max": w.amax(BATCH) / row_mean(w).clamp_min(torch.finfo(w.dtype).tiny),
        "log_prob_data": row_mean(log_prob),
    }


def expectile_loss(u: Tensor, expectile: float) -> Tensor:
    """Loss |expectile - 1(u < 0)| u^2: errors of too low a V count `expectile`, of too high a V the rest; any shape."""
    return (expectile - (u < 0).to(u.dtype)).abs() * u.square()


def target_q(nets: Nets, step: Step) -> Tensor:
    """The target critics' smaller value of the data's actions: [S, B]."""
    return step.once("q", lambda: nets.target_q(step.batch.obs, step.batch.action).amin(ENSEMBLE))


def value_of(nets: Nets, step: Step) -> Tensor:
    """V of the batch's states, with gradient: [S, B]."""
    v: Tensor = step.once("v", lambda: nets.extra["value"](step.batch.obs))
    return v
