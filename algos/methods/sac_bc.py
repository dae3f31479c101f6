"""SAC+BC: SAC with a cloning term on a second batch of demonstrations (Nair et al. 2018, with SAC in place of DDPG).

minimise L_SAC - bc_weight E_demo[ keep(s,a) log pi(a|s) ],  keep = 1, or Q(s,a) > Q(s,pi(s)) with the Q filter

The defaults are those of AWAC's own comparison: no entropy bonus (so Q keeps its bound), a normal around a tanh mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import ENSEMBLE, Metrics, Needs, Step, row_mean
from algos.methods.sac import soft_actor_loss, soft_target
from algos.networks.dists import Dist
from algos.networks.nets import Nets
from algos.parts.entropy import alpha_loss, alpha_modules, check_alpha
from algos.settings import AT_LEAST_ONE, FINITE, NOT_NEGATIVE, Preset, Settings, setting
from algos.space import Choice, Space, Span

__all__ = ["PRESETS", "SPACE", "Config", "actor_loss", "auxiliary_losses", "needs", "td_target"]

PRESETS = {
    "official": Preset(
        "openai/baselines' her, which is Nair 2018's method on DDPG: its README's run from demonstrations",
        {
            "hidden": (256, 256, 256),
            "policy_lr": 1e-3,
            "critic_lr": 1e-3,
            "tau": 1.28e-3,  # 0.05 once in 40 batches
            "policy_weight_decay": 0.0,
            "q_filter": True,
        },
        (
            "targets-period",
            "observations",
            "demonstrations inside the batch, from which the critic learns too",
            "a deterministic policy with one critic, a penalty on large actions, random actions in 1 of 10 steps",
            "its weights, 1e-3 on Q and 1/128 on summed squared errors: no counterpart beside a likelihood",
            "a discount of 1 - 1/T in episodes of T steps",
        ),
    )
}
SPACE: Space = {"bc_weight": Span(0.03, 10, log=True), "q_filter": Choice((False, True))}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of SAC+BC."""

    bc_weight: float = setting(
        1.0, "weight of the cloning term", "AWAC's own scripts; Nair 2018: 1/128 beside 1e-3 on Q", within=NOT_NEGATIVE
    )
    demo_batch: int = setting(128, "demonstration rows per update", "Nair 2018", within=AT_LEAST_ONE)
    clone: Literal["demos", "data"] = setting(
        "demos", "which offline rows are cloned: the demonstrations, or all", "Nair 2018; data: where there are none"
    )
    q_filter: bool = setting(
        False, "clone only where Q prefers the demonstration to the policy", "Nair 2018; AWAC's scripts: off"
    )
    alpha: Literal["auto"] | float = setting(
        0.0,
        "entropy temperature: tuned, or fixed",
        "AWAC's own scripts, and Nair 2018's DDPG has none; tuned on prior data, the bonus makes Q explode",
        within=NOT_NEGATIVE,
    )
    target_entropy: float | None = setting(
        None, "entropy that auto alpha aims at; none: -(action dimensions)", "SAC section 5", within=FINITE
    )
    policy_family: Literal["squashed", "gaussian"] = setting(
        "gaussian", "tanh-squashed normal, or normal around a tanh mean", "AWAC's own scripts; SAC: squashed"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha, self.target_entropy)


def needs(cfg: Config) -> Needs:
    """As SAC, and a second batch from demonstrations."""
    return Needs(
        policy=cfg.policy_family,
        action_samples=1,
        demo_batch=cfg.demo_batch,
        demo_rows="all" if cfg.clone == "data" else "marked",
        bounded_q=cfg.alpha == 0,
        modules=alpha_modules(cfg.alpha),
    )


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """SAC's target; [S, B]."""
    return soft_target(cfg.alpha, nets, step, next_dist)


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """SAC's policy loss plus the weighted likelihood of the demonstrations; each [S]."""
    demo = step.batch.demo
    assert demo is not None
    loss, metrics = soft_actor_loss(cfg.alpha, nets, step)
    dist = nets.policy(demo.obs)
    log_prob = dist.log_prob(demo.action)  # [S, D]
    keep = _keep(cfg, nets, demo.obs, demo.action, dist)
    bc_loss = row_mean(-keep * log_prob)
    return loss + cfg.bc_weight * bc_loss, {**metrics, "bc_loss": bc_loss.detach(), "bc_kept": row_mean(keep)}


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of the dual variable of alpha, where it is tuned."""
    return alpha_loss(cfg.alpha, cfg.target_entropy, nets, step)


@torch.no_grad()
def _keep(cfg: Config, nets: Nets, obs: Tensor, action: Tensor, dist: Dist) -> Tensor:
    """Mask of the demonstration rows: 1 for those that are cloned, else 0; [S, D]."""
    if not cfg.q_filter:
        return torch.ones_like(action[..., 0])
    better = nets.q(obs, action).amin(ENSEMBLE) > nets.q(obs, dist.mode).amin(ENSEMBLE)
    return better.to(action.dtype)
