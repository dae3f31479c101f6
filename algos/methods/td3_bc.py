"""TD3+BC (Fujimoto and Gu 2021, arXiv:2106.06860): TD3 whose policy also stays near the data's actions.

    minimise E[(pi(s) - a)^2 - lambda Q_1(s, pi(s))],  lambda = q_weight / mean |Q_1|        (eq. 3 and 5)

The square is a mean over action dimensions, as in the authors' code (ReBRAC sums: weights do not carry over).
Observations are standardised by the offline data's mean and deviation, which stay as they are online. The paper has no
online phase; `bc_decay_floor` below 1 lets the cloning term fade there.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from algos.contract import ENSEMBLE, SEED, Metrics, Needs, Phase, Step, row_mean
from algos.methods.td3 import NOISE_CLIP, smoothed_target
from algos.networks.dists import Dist
from algos.networks.nets import Nets
from algos.settings import AT_LEAST_ONE, BELOW_ONE, NOT_NEGATIVE, POSITIVE, Interval, Preset, Settings, setting
from algos.space import Space, Span

__all__ = [
    "DECAY_FLOOR",
    "DECAY_UPDATES",
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "bc_decay",
    "inverse_scale",
    "needs",
    "on_phase",
    "td_target",
]

METRICS = {
    "q_coef": "weight of Q in the policy's loss",
    "bc_coef": "weight of the squared distance to the data's actions in the policy's loss",
}

PRESETS = {
    "official": Preset(
        "sfujim's TD3_BC, main.py and TD3_BC.py",
        {
            "hidden": (256, 256),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "update_order": "post",
            "q_scale": "policy",
            "offline_updates": 1_000_000,
        },
        ("initialisation",),
    )
}
DECAY_FLOOR = Interval(0, 1, "[]", "1 is no decay")
DECAY_UPDATES = Interval(1, note="bc_decay_floor=1 is no decay")
SPACE: Space = {"q_weight": Span(0.3, 10, log=True), "bc_decay_floor": Span(0, 1)}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of TD3+BC."""

    q_weight: float = setting(
        2.5, "alpha: weight of Q beside cloning; 0 is cloning", "TD3+BC eq. 5", within=NOT_NEGATIVE
    )
    q_scale: Literal["data", "policy"] = setting(
        "data",
        "whose actions' mean |Q_1| is the scale of Q",
        "TD3+BC eq. 5: data; its code: policy",
        only={"q_weight": POSITIVE},
    )
    bc_decay_floor: float = setting(
        1.0,
        "share of the cloning term that is left when it has decayed online",
        "ours: 1, as the paper is offline",
        within=DECAY_FLOOR,
    )
    bc_decay_updates: int = setting(
        1_000_000,
        "online updates in which it would decay to nothing, in a straight line",
        "CORL's ReBRAC",
        within=DECAY_UPDATES,
        schedule="online_updates",
        only={"bc_decay_floor": BELOW_ONE},
    )
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
        0.1, "standard deviation of the noise on collected actions", "TD3 section 6.1", within=NOT_NEGATIVE
    )


def needs(cfg: Config) -> Needs:
    """As TD3, on standardised observations."""
    return Needs(
        policy="deterministic",
        next_action_samples=int(cfg.target_noise > 0),
        policy_every=cfg.policy_every,
        targets_every=cfg.policy_every,
        target_policy=True,
        exploration_noise=cfg.exploration_noise,
    )


def on_phase(cfg: Config, phase: Phase) -> Config:
    """The cloning term decays online only."""
    return dataclasses.replace(cfg, bc_decay_floor=1.0) if phase == "offline" else cfg


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """TD3's target; [S, B]."""
    return smoothed_target(cfg.target_noise, cfg.target_noise_clip, nets, step, next_dist)


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """Squared distance to the data's actions minus scaled Q_1; each [S]."""
    assert step.q_data is not None
    action = step.dist.mode  # [S, B, A]
    q = nets.q(step.batch.obs, action)  # [S, E, B]
    q_coef = cfg.q_weight * inverse_scale(q[:, 0] if cfg.q_scale == "policy" else step.q_data[:, 0])  # [S]
    bc_coef = bc_decay(cfg.bc_decay_floor, cfg.bc_decay_updates, step)  # [S]
    mse = row_mean((action - step.batch.action).square().mean(-1))  # [S]
    return bc_coef * mse - q_coef * row_mean(q[:, 0]), {
        "q_policy": row_mean(q.amin(ENSEMBLE)),
        "mse_data": mse,
        "q_coef": q_coef,
        "bc_coef": bc_coef,
    }


def inverse_scale(q: Tensor) -> Tensor:
    """1 / mean |Q| of each seed, without gradient, so that rewards of any scale weigh alike: [S, B] -> [S]."""
    return 1.0 / row_mean(q.detach().abs()).clamp_min(1e-8)


def bc_decay(floor: float, updates: int, step: Step) -> Tensor:
    """Factor of a cloning weight: from 1 in a straight line to 0 after `updates`, but not below `floor`; [S]."""
    assert step.age is not None
    reward = step.batch.reward
    return (1.0 - step.age / updates).clamp_min(floor).to(reward.dtype).expand(reward.shape[SEED])
