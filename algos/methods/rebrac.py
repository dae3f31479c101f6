"""ReBRAC (Tarasov et al. 2023, arXiv:2305.09836): TD3+BC with a penalty in the target too, and normalised critics.

    y = r + gamma (1 - terminated) [min_i target Q_i(s', a') - beta_2 |a' - a'_data|^2],  a' smoothed as in TD3
    minimise E[beta_1 |pi(s) - a|^2 - min_i Q_i(s, pi(s)) / mean |min_i Q_i(s, pi(s))|]

Squares are sums over action dimensions. The last row of an episode has no next data action and so no penalty; the
authors drop such rows. Online beta_2 is 0, beta_1 decays and half of each batch is prior data. Departures from the
authors' code: layers are normalised before their ReLU, as all critics here, instead of after it, and first weights are
those of every other method.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from torch import Tensor

from algos.contract import ENSEMBLE, Metrics, Needs, Phase, Step, bellman, row_mean
from algos.methods.td3 import NOISE_CLIP, smoothed_action
from algos.methods.td3_bc import DECAY_FLOOR, DECAY_UPDATES, METRICS, bc_decay, inverse_scale
from algos.networks.dists import Dist
from algos.networks.nets import Nets
from algos.settings import AT_LEAST_ONE, BELOW_ONE, NOT_NEGATIVE, POSITIVE, Preset, Settings, setting
from algos.space import Choice, Space, Span

__all__ = ["METRICS", "PRESETS", "SPACE", "Config", "actor_loss", "needs", "on_phase", "td_target"]

PRESETS = {
    "official": Preset(
        "DT6A's ReBRAC, src/algorithms/rebrac_finetune.py; penalties of tinkoff-ai's ReBRAC on cloned data",
        {
            "hidden": (256, 256, 256),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "update_order": "post",
            "bc_decay_floor": 0.0,
            "offline_updates": 1_000_000,
        },
        ("norm-after", "initialisation", "rewards"),
    )
}
SPACE: Space = {
    "actor_bc_weight": Span(1e-3, 0.3, log=True),
    "critic_bc_weight": Choice((0.0, 0.01, 0.1, 0.5)),
    "bc_decay_floor": Span(0, 1),
}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of ReBRAC."""

    actor_bc_weight: float = setting(
        0.05,
        "beta_1: weight of the distance to the data in the policy's loss",
        "ReBRAC on pen-cloned; door 0.01",
        within=NOT_NEGATIVE,
    )
    critic_bc_weight: float = setting(
        0.5,
        "beta_2: weight of the next action's distance to the data in the target",
        "ReBRAC on pen-cloned; door 0.1",
        within=NOT_NEGATIVE,
    )
    online_critic_bc_weight: float = setting(0.0, "beta_2 online", "ReBRAC's fine-tuning code", within=NOT_NEGATIVE)
    bc_decay_floor: float = setting(
        0.5,
        "share of beta_1 that is left when it has decayed online",
        "CORL; ReBRAC's own code: 0",
        within=DECAY_FLOOR,
        only={"actor_bc_weight": POSITIVE},
    )
    bc_decay_updates: int = setting(
        1_000_000,
        "online updates in which beta_1 would decay to nothing, in a straight line",
        "ReBRAC's code",
        within=DECAY_UPDATES,
        schedule="online_updates",
        only={"actor_bc_weight": POSITIVE, "bc_decay_floor": BELOW_ONE},
    )
    layer_norm: bool = setting(True, "normalise the critics' hidden layers", "ReBRAC")
    target_noise: float = setting(
        0.2, "standard deviation of the noise on target actions", "TD3 section 6.1", within=NOT_NEGATIVE
    )
    target_noise_clip: float = setting(
        0.5, "largest noise on target actions", "TD3 section 6.1", within=NOISE_CLIP, only={"target_noise": POSITIVE}
    )
    policy_every: int = setting(
        2, "updates between steps of the policy and of all targets", "TD3 section 6.1", within=AT_LEAST_ONE
    )
    exploration_noise: float = setting(
        0.03,
        "standard deviation of the noise on collected actions",
        "ReBRAC's fine-tuning code; CORL: 0",
        within=NOT_NEGATIVE,
    )


def needs(cfg: Config) -> Needs:
    """As TD3, with normalised critics and the next data action."""
    return Needs(
        policy="deterministic",
        layer_norm=cfg.layer_norm,
        next_action_samples=int(cfg.target_noise > 0),
        policy_every=cfg.policy_every,
        targets_every=cfg.policy_every,
        target_policy=True,
        exploration_noise=cfg.exploration_noise,
        columns=("next_action", "has_next"),
    )


def on_phase(cfg: Config, phase: Phase) -> Config:
    """Online beta_2 changes at once and beta_1 decays."""
    if phase == "offline":
        return dataclasses.replace(cfg, bc_decay_floor=1.0)
    return dataclasses.replace(cfg, critic_bc_weight=cfg.online_critic_bc_weight)


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """TD3's target on values that fall with the distance from the data's next action; [S, B]."""
    columns = step.batch.columns
    next_action = smoothed_action(cfg.target_noise, cfg.target_noise_clip, step, next_dist)
    distance = (next_action - columns["next_action"]).square().sum(-1)  # [S, B]
    next_q = nets.target_q(step.batch.next_obs, next_action).amin(ENSEMBLE)
    return bellman(step, next_q - cfg.critic_bc_weight * columns["has_next"] * distance)


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """Weighted distance to the data's actions minus scaled Q; each [S]."""
    action = step.dist.mode  # [S, B, A]
    q = nets.q(step.batch.obs, action).amin(ENSEMBLE)  # [S, B]
    q_coef = inverse_scale(q)  # [S]
    bc_coef = cfg.actor_bc_weight * bc_decay(cfg.bc_decay_floor, cfg.bc_decay_updates, step)  # [S]
    distance = (action - step.batch.action).square()  # [S, B, A]
    return bc_coef * row_mean(distance.sum(-1)) - q_coef * row_mean(q), {
        "q_policy": row_mean(q),
        "mse_data": row_mean(distance.mean(-1)),
        "q_coef": q_coef,
        "bc_coef": bc_coef,
    }
