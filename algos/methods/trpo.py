"""TRPO (Schulman et al. 2015): the natural gradient of fresh data, as long a step as a bound on the KL allows.

    maximise E[pi(a|s) / pi_old(a|s) A]  subject to  mean KL(pi_old || pi) <= max_kl

The direction is F^-1 g by conjugate gradients; the step starts where the quadratic model meets the bound and is
shortened until the surrogate rises and the KL holds. V learns after the policy, from passes over the same data.

An on-policy reference: prior data serve to clone its first policy and for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import LearnerConfig, Metrics, Needs, Phase, Stage, Step, Trajectories, row_mean
from algos.networks.dists import Comparable
from algos.networks.nets import Nets, value_net
from algos.parts import on_policy
from algos.parts.natural import as_vector, at, conjugate_gradient, fisher, kl, split
from algos.parts.on_policy import cloning_loss, estimates, one_step_then_value, value_losses
from algos.parts.returns import standardised
from algos.settings import AT_LEAST_ONE, FRACTION, POSITIVE, Settings, setting
from algos.space import Space, Span

__all__ = ["METRICS", "SPACE", "Config", "actor_loss", "auxiliary_losses", "needs", "policy_step", "prepare", "stages"]

METRICS = {
    **on_policy.METRICS,
    "kl_step": "KL(old || new) of the policy's step",
    "step_share": "share of the longest allowed step that was taken; 0: none",
}

SPACE: Space = {"max_kl": Span(0.003, 0.1, log=True), "gae_lambda": Span(0.9, 1)}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of TRPO."""

    start: Literal["clone", "scratch"] = setting(
        "clone", "policy cloned from prior data, or scratch", "ours: the comparison has prior data"
    )
    max_kl: float = setting(0.01, "delta: largest mean KL of a step", "TRPO", within=POSITIVE)
    cg_iterations: int = setting(10, "of conjugate gradients", "TRPO's code", within=AT_LEAST_ONE)
    damping: float = setting(0.1, "added to the Fisher matrix", "TRPO's code", within=POSITIVE)
    backtracks: int = setting(10, "times a step is halved before it is given up", "TRPO's code", within=AT_LEAST_ONE)
    gae_lambda: float = setting(0.95, "trace of the advantages", "PPO", within=FRACTION)
    value_passes: int = setting(5, "passes of V over each iteration's data", "ours", within=AT_LEAST_ONE)
    value_batch: int = setting(64, "rows per update of V", "ours", within=AT_LEAST_ONE)


def needs(cfg: Config) -> Needs:
    """Fresh trajectories and V."""
    return Needs(
        actions="any",
        critics=0,
        columns=("ends",),
        window="iteration",
        offline_data=cfg.start == "clone",
        modules={"value": value_net},
    )


def stages(cfg: Config, phase: Phase, collected: int, learner: LearnerConfig) -> tuple[Stage, ...]:
    """Stages: one step of the policy on all that was collected, then passes of V over it; offline cloning alone."""
    if phase == "offline":
        return ()
    return one_step_then_value(collected, cfg.value_passes, cfg.value_batch)


def prepare(cfg: Config, nets: Nets, stage: str, paths: Trajectories, learner: LearnerConfig) -> dict[str, Tensor]:
    """Advantages and returns before the policy's step: each [S, N]. The passes of V keep them."""
    if stage == "value":
        return {}
    advantage, value = estimates(nets, paths, learner, cfg.gae_lambda)
    return {"advantage": standardised(advantage), "target": advantage + value}


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-A log pi(a|s), whose gradient is that of the surrogate at the old policy; the clone's likelihood offline."""
    if step.stage is None:
        return cloning_loss(step)
    log_prob = step.dist.log_prob(step.batch.action)  # [S, B]
    return -row_mean(step.batch.columns["advantage"] * log_prob), {"log_prob_data": row_mean(log_prob)}


def policy_step(
    cfg: Config, nets: Nets, step: Step, gradient: Sequence[Tensor]
) -> tuple[Sequence[Tensor], Metrics] | None:
    """Increments of the policy's parameters; none offline, where the optimiser clones."""
    if step.stage is None:
        return None
    obs = step.batch.obs
    product = fisher(nets.policy, obs, cfg.damping)
    direction = -conjugate_gradient(product, as_vector(gradient), cfg.cg_iterations)
    with torch.enable_grad():
        curvature = (direction * product(direction)).sum(1, keepdim=True)  # [S, 1]
    longest = direction * (2.0 * cfg.max_kl / curvature.clamp_min(torch.finfo(curvature.dtype).tiny)).sqrt()
    share, divergence = _search(cfg, nets, step, longest)
    return split(share[:, None] * longest, list(nets.policy.parameters())), {
        "kl_step": divergence,
        "step_share": share,
    }


@torch.no_grad()
def _search(cfg: Config, nets: Nets, step: Step, longest: Tensor) -> tuple[Tensor, Tensor]:
    """The largest of 1, 1/2, 1/4, ... of the step that raises the surrogate within the bound, or 0; and its KL: [S]."""
    old, batch = step.dist, step.batch
    assert isinstance(old, Comparable)
    before = old.log_prob(batch.action)
    here = as_vector(list(nets.policy.parameters()))
    share = longest.new_zeros(len(longest))
    divergence = torch.zeros_like(share)
    for halvings in reversed(range(cfg.backtracks)):  # the longest that fits comes last and stays
        fraction = 0.5**halvings
        new = at(nets.policy, here + fraction * longest, batch.obs)
        ratio = (new.log_prob(batch.action) - before).clamp_max(20.0).exp()
        gain = row_mean((ratio - 1.0) * batch.columns["advantage"])
        distance = kl(old, new)
        fits = (gain > 0) & (distance <= cfg.max_kl)
        share = torch.where(fits, fraction, share)
        divergence = torch.where(fits, distance, divergence)
    return share, divergence


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of V, half its squared error; [S]."""
    return value_losses(nets, step)
