"""SAC (Haarnoja et al. 2018) in the three starts of AWAC's Figure 2: scratch, prior data, pretrained policy.

    y = r + gamma (1 - terminated) [min_i target Q_i(s',a') - alpha log pi(a'|s')]
    minimise E[alpha log pi(a|s) - min_i Q_i(s,a)], a ~ pi reparameterised

`start=pretrain` clones the demonstrations while the critics learn the clone's value, without entropy bonus, on all
offline data; at the switch the policy's loss becomes SAC's. Data that mark no demonstrations are cloned as a whole. The
tuned alpha is left alone until then: a clone's entropy says nothing about it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import ENSEMBLE, Metrics, Needs, Phase, Step, bellman, row_mean
from algos.networks.dists import Dist
from algos.networks.nets import Nets
from algos.parts.entropy import alpha, alpha_loss, alpha_modules, check_alpha
from algos.settings import AT_LEAST_ONE, FINITE, NOT_NEGATIVE, Preset, Settings, setting
from algos.space import Choice, Space

__all__ = [
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "needs",
    "on_phase",
    "smallest",
    "soft_actor_loss",
    "soft_target",
    "td_target",
]

PRESETS = {
    "official": Preset(
        "rlkit's examples/sac.py",
        {
            "hidden": (256, 256),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "copy_targets": False,
            "warmup_steps": 1000,
        },
        ("no-offline-phase", "initialisation"),
    )
}
SPACE: Space = {"alpha": Choice(("auto", 0.0, 0.01, 0.1))}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of SAC."""

    start: Literal["pretrain", "prior", "scratch"] = setting(
        "pretrain",
        "cloned policy and prior data, prior data, neither",
        "AWAC section 3.2, Figure 2; A.5: pretrain",
    )
    clone: Literal["demos", "data"] = setting(
        "demos",
        "what is cloned: the demonstrations, or all offline rows; all where none are demonstrations",
        "AWAC A.5 and its code: demonstrations",
        only={"start": ("pretrain",)},
    )
    demo_batch: int = setting(
        128,
        "cloned rows per update, beside the critics' batch",
        "AWAC's code",
        within=AT_LEAST_ONE,
        only={"start": ("pretrain",), "clone": ("demos",)},
    )
    alpha: Literal["auto"] | float = setting(
        "auto", "entropy temperature: tuned, or fixed", "SAC; AWAC's own scripts: 0", within=NOT_NEGATIVE
    )
    target_entropy: float | None = setting(
        None, "entropy that auto alpha aims at; none: -(action dimensions)", "SAC section 5", within=FINITE
    )
    policy_family: Literal["squashed", "gaussian"] = setting(
        "squashed", "tanh-squashed normal, or normal around a tanh mean", "SAC; AWAC's own scripts: gaussian"
    )
    policy_loss: Literal["sac", "bc"] = setting(
        "sac", "loss of the policy; `start` sets bc offline", "ours: what `start` switches"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha, self.target_entropy)


def needs(cfg: Config) -> Needs:
    """One policy sample per state, the demonstrations to clone, and the dual variable where alpha is tuned."""
    return Needs(
        policy=cfg.policy_family,
        action_samples=1,
        demo_batch=cfg.demo_batch if cfg.start == "pretrain" and cfg.clone == "demos" else 0,
        demo_rows="marked or all",
        offline_data=cfg.start != "scratch",
        bounded_q=cfg.alpha == 0,
        modules=alpha_modules(cfg.alpha),
    )


def on_phase(cfg: Config, phase: Phase) -> Config:
    """A pretrained start clones offline; online it is what a start from prior data is."""
    if cfg.start != "pretrain":
        return cfg
    return dataclasses.replace(cfg, policy_loss="bc") if phase == "offline" else dataclasses.replace(cfg, start="prior")


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """Soft value of s'; without the entropy while cloning; [S, B]."""
    return soft_target(cfg.alpha if cfg.policy_loss == "sac" else 0.0, nets, step, next_dist)


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """SAC's policy loss, or the clone's likelihood; each [S]."""
    if cfg.policy_loss == "sac":
        return soft_actor_loss(cfg.alpha, nets, step)
    log_prob = row_mean(step.dist.log_prob(step.batch.action))
    demo = step.batch.demo
    cloned = log_prob if demo is None else row_mean(nets.policy(demo.obs).log_prob(demo.action))
    with torch.no_grad():
        q = nets.q(step.batch.obs, step.sampled[0]).amin(ENSEMBLE)
    return -cloned, {"log_prob_data": log_prob, "q_policy": row_mean(q)}


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of the dual variable of alpha, where it is tuned."""
    return alpha_loss(cfg.alpha, cfg.target_entropy, nets, step) if cfg.policy_loss == "sac" else ({}, {})


def smallest(q: Tensor) -> Tensor:
    """The least of the critics: [S, E, B] -> [S, B]."""
    return q.amin(ENSEMBLE)


def soft_target(
    fixed_or_auto: Literal["auto"] | float,
    nets: Nets,
    step: Step,
    next_dist: Dist,
    rated: Callable[[Tensor], Tensor] = smallest,
) -> Tensor:
    """Soft target r + gamma (1 - terminated) [min_i target Q_i(s',a') - alpha log pi(a'|s')], a' ~ pi; [S, B].

    `rated` is what stands for the minimum over the critics: [S, E, B] -> [S, B].
    """
    assert step.noise.next_action is not None
    action, log_prob = next_dist.sample(step.noise.next_action)
    next_q = rated(nets.target_q(step.batch.next_obs, action))
    return bellman(step, next_q - alpha(fixed_or_auto, nets, next_q) * log_prob)


def soft_actor_loss(
    fixed_or_auto: Literal["auto"] | float, nets: Nets, step: Step, rated: Callable[[Tensor], Tensor] = smallest
) -> tuple[Tensor, Metrics]:
    """alpha log pi(a|s) - min_i Q_i(s,a), a ~ pi with gradient through both; each [S]. `rated` as in `soft_target`."""
    action, log_prob = step.sampled
    q = rated(nets.q(step.batch.obs, action))  # [S, B]
    coef = alpha(fixed_or_auto, nets, q)  # [S, 1]
    return row_mean(coef * log_prob - q), {
        "q_policy": row_mean(q),
        "entropy": row_mean(-log_prob),
        "entropy_coef": coef[:, 0],
    }
