"""AlgaeDICE (Nachum et al. 2019, arXiv:1912.02074): the policy and Q as two players of one objective.

    delta_i = r + gamma (1 - terminated) [share Q_i(s',a') + (1 - share) min_j target Q_j(s',a') - alpha log pi(a'|s')]
              - Q_i(s,a),  a' ~ pi(s')
    critics minimise  E[|delta|^p / p] + (1 - gamma) dice_alpha E[Q_i(s0,a0)],  s0 first states of episodes, a0 ~ pi(s0)
    policy maximises  E[max(delta, 0)^(p-1) delta] + (1 - gamma) dice_alpha E[Q_i(s0,a0)],  the power held fixed

The critics' gradient also flows through the share of Q_i(s',a'): neither temporal difference (share 0) nor the whole
residual's gradient (share 1). Q is a dual variable here, so no bound on returns applies to it. Departures from the
authors' code: initial weights are the skeleton's, not orthogonal; log-std is clamped, not squashed; alpha looks at the
entropy at s, not at s'. Published D4RL scores came from a copy that inverted the terminal flag.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from algos.contract import ENSEMBLE, Metrics, Needs, Step, bellman, discounts, row_mean
from algos.networks.dists import Dist
from algos.networks.nets import Linear, Nets
from algos.parts.entropy import alpha, alpha_loss, alpha_modules, check_alpha
from algos.settings import AT_LEAST_ONE, FINITE, FRACTION, NOT_NEGATIVE, Interval, Preset, Settings, setting
from algos.space import Choice, Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "critic_loss",
    "needs",
    "off_diagonal",
    "td_target",
]

METRICS = {
    "residual": "Bellman residual delta, mean over the critics",
    "residual_positive": "share of residuals above 0: those that push the policy",
    "q_initial": "Q at first states of episodes, minimum over critics",
}

PRESETS = {
    "official": Preset(
        "google-research's algae_dice, flags of train_eval.py",
        {
            "hidden": (256, 256),
            "batch_size": 256,
            "policy_lr": 1e-3,
            "critic_lr": 1e-3,
            "policy_weight_decay": 0.0,
            "update_order": "post",
            "q_bound": "none",
            "log_std_range": (-5.0, 2.0),
            "std_start": 0.223,  # its map's middle, exp(-1.5)
            "warmup_steps": 10_000,
            "warmup_actions": "uniform",
        },
        ("no-offline-phase", "initialisation", "alpha", "updates from step 1000 on, while actions are still random"),
    )
}

_LARGEST_RESIDUAL = 1e6  # in the policy's weights, as in the authors' code
SPACE: Space = {"dice_alpha": Span(1e-3, 1, log=True), "exponent": Choice((1.5, 2.0))}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of AlgaeDICE."""

    exponent: float = setting(
        1.5,
        "p of f(x) = |x|^p / p, above 1",
        "AlgaeDICE's runs; its class default: 2",
        within=Interval(1, math.inf, "()"),
    )
    dice_alpha: float = setting(
        0.01, "weight of Q at first states", "AlgaeDICE's runs; its class default: 1", within=NOT_NEGATIVE
    )
    online_share: float = setting(
        0.05, "share of the online critic in the value of s'", "AlgaeDICE's code", within=FRACTION
    )
    orthogonality: float = setting(
        1e-4, "penalty on products of the policy's weight columns", "AlgaeDICE's code", within=NOT_NEGATIVE
    )
    policy_every: int = setting(
        2, "updates between steps of policy, targets and alpha", "AlgaeDICE's code", within=AT_LEAST_ONE
    )
    initial_batch: int = setting(
        256, "first states per update", "AlgaeDICE's code: as many as transitions, 256", within=AT_LEAST_ONE
    )
    alpha: Literal["auto"] | float = setting(
        "auto", "entropy temperature: tuned, or fixed", "AlgaeDICE's code: tuned, from 1", within=NOT_NEGATIVE
    )
    target_entropy: float | None = setting(
        None, "entropy that auto alpha aims at; none: -(action dimensions)", "AlgaeDICE's code", within=FINITE
    )
    policy_family: Literal["squashed", "gaussian"] = setting(
        "squashed", "tanh-squashed normal, or normal around a tanh mean", "AlgaeDICE's code"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha, self.target_entropy)


def needs(cfg: Config) -> Needs:
    """First states of episodes, a delayed policy with the targets and alpha, and Q without a bound."""
    return Needs(
        policy=cfg.policy_family,
        action_samples=1,
        policy_every=cfg.policy_every,
        targets_every=cfg.policy_every,
        modules_every=cfg.policy_every,
        initial_batch=cfg.initial_batch,
        bounded_q=False,
        modules=alpha_modules(cfg.alpha),
        module_lr={"log_alpha": 1e-3} if cfg.alpha == "auto" else {},  # AlgaeDICE's code
    )


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """The part of the residual that holds no online critic; [S, B]."""
    assert step.noise.next_action is not None
    action, log_prob = next_dist.sample(step.noise.next_action)
    slow_q = nets.target_q(step.batch.next_obs, action).amin(ENSEMBLE)
    return bellman(step, (1.0 - cfg.online_share) * slow_q - alpha(cfg.alpha, nets, slow_q) * log_prob)


def critic_loss(
    cfg: Config, nets: Nets, step: Step, q: Tensor, target: Tensor, next_dist: Dist
) -> tuple[Tensor, Metrics]:
    """f(delta) and Q at first states, summed over the critics; each [S]."""
    assert step.noise.next_action is not None
    with torch.no_grad():
        next_action, _ = next_dist.sample(step.noise.next_action)
        first_action = _first_action(nets, step)
    residual = _residual(cfg, step, q, target, nets.q(step.batch.next_obs, next_action))
    first_q = nets.q(_first_obs(step), first_action)  # [S, E, M]
    f = residual.abs().pow(cfg.exponent) / cfg.exponent  # [S, E, B]
    loss = row_mean(f.sum(ENSEMBLE)) + _first_weight(cfg, step) * row_mean(first_q.sum(ENSEMBLE))
    return loss, {"td_target": row_mean((residual + q).mean(ENSEMBLE)), "q_initial": row_mean(first_q.amin(ENSEMBLE))}


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """Minus what the policy maximises, mean over the critics, plus the penalty on its weights; each [S]."""
    batch, noise = step.batch, step.noise
    assert step.q_data is not None
    assert noise.next_action is not None
    next_dist: Dist = nets.policy(batch.next_obs)
    next_action, log_prob = next_dist.sample(noise.next_action)
    next_q = nets.q(batch.next_obs, next_action)  # [S, E, B]
    residual = _residual(cfg, step, step.q_data, td_target(cfg, nets, step, next_dist), next_q)
    slope = residual.detach().clamp(0.0, _LARGEST_RESIDUAL).pow(cfg.exponent - 1.0)
    first_q = nets.q(_first_obs(step), _first_action(nets, step))
    gain = row_mean((slope * residual).mean(ENSEMBLE)) + _first_weight(cfg, step) * row_mean(first_q.mean(ENSEMBLE))
    return cfg.orthogonality * off_diagonal(nets.policy) - gain, {
        "q_policy": row_mean(next_q.amin(ENSEMBLE)),
        "entropy": row_mean(-log_prob),
        "entropy_coef": alpha(cfg.alpha, nets, log_prob)[:, 0],
        "residual": row_mean(residual.mean(ENSEMBLE)),
        "residual_positive": row_mean((residual > 0).to(residual.dtype).mean(ENSEMBLE)),
        "log_prob_data": row_mean(step.dist.log_prob(batch.action)),
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of the dual variable of alpha, where it is tuned."""
    return alpha_loss(cfg.alpha, cfg.target_entropy, nets, step)


def off_diagonal(policy: nn.Module) -> Tensor:
    """Squared products of different columns of each layer's weights, summed per seed: [S] (arXiv:1809.11096, eq. 3)."""
    total = []
    for layer in policy.modules():
        if isinstance(layer, Linear):
            gram = layer.weight.mT @ layer.weight  # [S, outputs, outputs]
            diagonal = gram.diagonal(dim1=-2, dim2=-1).square().sum(-1)
            total.append(gram.square().sum((-2, -1)) - diagonal)
    return torch.stack(total).sum(0)


def _residual(cfg: Config, step: Step, q: Tensor, target: Tensor, next_q: Tensor) -> Tensor:
    """delta of each critic: [S, E, B]."""
    return target[:, None] + cfg.online_share * discounts(step)[:, None] * next_q - q


def _first_weight(cfg: Config, step: Step) -> float:
    return (1.0 - step.learner.discount) * cfg.dice_alpha


def _first_obs(step: Step) -> Tensor:
    assert step.batch.initial_obs is not None
    return step.batch.initial_obs


def _first_action(nets: Nets, step: Step) -> Tensor:
    """a0 ~ pi(s0): [S, M, A]."""
    assert step.noise.initial is not None
    action: Tensor = nets.policy(_first_obs(step)).sample(step.noise.initial)[0]
    return action
