"""PPO (Schulman et al. 2017): several passes over fresh data, with the likelihood ratio kept near 1.

    maximise E[min(rho A, clip(rho, 1 - eps, 1 + eps) A)],  rho = pi(a|s) / pi_old(a|s)
    V: minimise E[(R - V(s))^2 / 2],  R = A + V_old(s),  A by GAE

An on-policy reference: prior data serve to clone its first policy and for nothing else. A cloned Gaussian is narrow
(deviation 0.05 on the hand tasks), and the clip bounds the likelihood ratio of rows, not the step: at Table 2's step
size or above it may leave its clone within one iteration; policy_lr=5e-5 kept it on pen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import LearnerConfig, Metrics, Needs, Phase, Stage, Step, Trajectories, row_mean
from algos.networks.dists import Comparable
from algos.networks.nets import Nets, value_net
from algos.parts import on_policy
from algos.parts.on_policy import cloning_loss, estimates
from algos.parts.returns import standardised
from algos.settings import AT_LEAST_ONE, FRACTION, NOT_NEGATIVE, POSITIVE_OR_INF, Preset, Settings, setting
from algos.space import Choice, Space, Span

__all__ = ["METRICS", "PRESETS", "SPACE", "Config", "actor_loss", "auxiliary_losses", "needs", "prepare", "stages"]

METRICS = {
    **on_policy.METRICS,
    "ratio_clipped": "share of likelihood ratios outside the clip",
    "kl_old": "estimate of KL(pi_old || pi)",
}
PRESETS = {
    "official": Preset(
        "CleanRL's cleanrl/ppo_continuous_action.py",
        {
            "hidden": (64, 64),
            "activation": "tanh",
            "policy_weight_decay": 0.0,
            "log_std_range": (-5.0, 2.0),
            "std_start": 1.0,
            "start": "scratch",
        },
        (
            "initialisation",
            "linear-mean",
            "optimiser",
            "observations",
            "rewards",
            "a clip of V's step, which is in units of its scaled rewards; gradients of both networks clipped together",
        ),
    )
}
SPACE: Space = {
    "clip": Span(0.1, 0.4),
    "gae_lambda": Span(0.9, 1),
    "entropy_weight": Choice((0.0, 0.001, 0.01)),
    "passes": Choice((5, 10, 20)),
}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of PPO."""

    start: Literal["clone", "scratch"] = setting(
        "clone", "policy cloned from prior data, or scratch", "ours: the comparison has prior data"
    )
    clip: float = setting(0.2, "eps: how far the likelihood ratio counts", "PPO", within=POSITIVE_OR_INF)
    passes: int = setting(10, "passes over each iteration's data", "PPO", within=AT_LEAST_ONE)
    minibatch: int = setting(64, "rows per update", "PPO", within=AT_LEAST_ONE)
    gae_lambda: float = setting(0.95, "trace of the advantages", "PPO", within=FRACTION)
    clip_value: bool = setting(False, "keep V within eps of its old value in its loss too", "CleanRL: on")
    entropy_weight: float = setting(0.0, "weight of an entropy bonus", "CleanRL", within=NOT_NEGATIVE)
    max_grad_norm: float = setting(
        0.5, "gradient norm of each network and seed", "CleanRL, over both networks", within=POSITIVE_OR_INF
    )


def needs(cfg: Config) -> Needs:
    """Fresh trajectories and V."""
    return Needs(
        actions="any",
        critics=0,
        columns=("ends",),
        window="iteration",
        offline_data=cfg.start == "clone",
        modules={"value": value_net},
        max_grad_norm=cfg.max_grad_norm,
    )


def stages(cfg: Config, phase: Phase, collected: int, learner: LearnerConfig) -> tuple[Stage, ...]:
    """Stages: shuffled passes over what was collected; offline cloning alone."""
    if phase == "offline":
        return ()
    batch = min(cfg.minibatch, collected)
    updates = cfg.passes * (collected // batch)
    return (Stage("passes", updates, ("policy", "value"), batch, passes=True),)


def prepare(cfg: Config, nets: Nets, stage: str, paths: Trajectories, learner: LearnerConfig) -> dict[str, Tensor]:
    """Advantages, returns, and log-probabilities and values before the first pass: each [S, N]."""
    advantage, value = estimates(nets, paths, learner, cfg.gae_lambda)
    return {
        "advantage": advantage,
        "target": advantage + value,
        "old_value": value,
        "old_log_prob": paths.map(lambda batch: nets.policy(batch.obs).log_prob(batch.action)),
    }


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """The clipped surrogate, advantages standardised within the batch; the clone's likelihood offline; each [S]."""
    if step.stage is None:
        return cloning_loss(step)
    log_prob = step.dist.log_prob(step.batch.action)  # [S, B]
    columns = step.batch.columns
    advantage = standardised(columns["advantage"], 1e-8)
    log_ratio = log_prob - columns["old_log_prob"]
    ratio = log_ratio.clamp_max(20.0).exp()  # exp(20) is far outside any clip, and finite
    clipped = ratio.clamp(1.0 - cfg.clip, 1.0 + cfg.clip)
    loss = -torch.minimum(ratio * advantage, clipped * advantage)
    if cfg.entropy_weight:
        assert isinstance(step.dist, Comparable)
        loss = loss - cfg.entropy_weight * step.dist.entropy
    return row_mean(loss), {
        "advantage": row_mean(columns["advantage"]),
        "ratio_clipped": row_mean((ratio != clipped).to(ratio.dtype)),
        "kl_old": row_mean(ratio - 1.0 - log_ratio),
        "log_prob_data": row_mean(log_prob),
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of V, half its squared error; [S]."""
    if step.stage is None:
        return {}, {}
    columns = step.batch.columns
    v = nets.extra["value"](step.batch.obs)
    error = (v - columns["target"]).square()
    if cfg.clip_value:
        near = columns["old_value"] + (v - columns["old_value"]).clamp(-cfg.clip, cfg.clip)
        error = torch.maximum(error, (near - columns["target"]).square())
    loss = 0.5 * row_mean(error)
    return {"value": loss}, {"value": row_mean(v), "value_loss": loss.detach()}
