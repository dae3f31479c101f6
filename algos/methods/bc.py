"""Behaviour cloning: maximum likelihood of the data's actions, KL(data || pi).

AWAC's Table 3 lists it on the demonstrations alone (`source=demos`) and on demonstrations and rollouts (`all`). It
does not learn online: it initialises other methods, and its score at the switch stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from algos.contract import Metrics, Needs, Step, row_mean
from algos.networks.nets import Nets
from algos.settings import Settings, setting
from algos.space import Space, Span

__all__ = ["SPACE", "Config", "actor_loss", "needs"]

SPACE: Space = {"policy_weight_decay": Span(1e-6, 1e-2, log=True)}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of behaviour cloning."""

    source: Literal["all", "demos"] = setting(
        "all", "clone all offline data or the demonstrations only", "AWAC Table 3, BC(2) and BC(1)"
    )
    bc_loss: Literal["nll", "mse"] = setting("nll", "likelihood, or squared error of the mode", "AWAC's code: nll")


def needs(cfg: Config) -> Needs:
    """A policy and nothing else."""
    likelihood = cfg.bc_loss == "nll"  # the mode of choices has no gradient
    return Needs(actions="any" if likelihood else "continuous", critics=0, source=cfg.source, offline_only=True)


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-log pi(a|s), or |mode(s) - a|^2; each [S]."""
    action = step.batch.action
    log_prob = step.dist.log_prob(action)  # [S, B]
    mse = (step.dist.mode - action).square().mean(-1)  # [S, B]
    loss = row_mean(-log_prob if cfg.bc_loss == "nll" else mse)
    return loss, {"log_prob_data": row_mean(log_prob), "mse_data": row_mean(mse)}
