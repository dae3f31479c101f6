"""TD3 (Fujimoto et al. 2018, arXiv:1802.09477), and DDPG (Lillicrap et al. 2016) as its one-critic case.

    y = r + gamma (1 - terminated) min_i target Q_i(s', a'),  a' = clip(target pi(s') + clip(noise, -c, c), -1, 1)
    minimise -E[Q_1(s, pi(s))], every `policy_every` updates, and move all targets with it       (Algorithm 1)

DDPG is `critics=1`, `target_noise=0` and `policy_every=1`. Neither protects itself against actions that the data lack:
offline they are references for what such protection is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from algos.contract import ENSEMBLE, Metrics, Needs, Step, bellman, row_mean
from algos.networks.dists import Dist
from algos.networks.nets import Nets
from algos.settings import AT_LEAST_ONE, NOT_NEGATIVE, POSITIVE, Interval, Preset, Settings, setting
from algos.space import Choice, Space, Span

__all__ = [
    "DDPG_SPACE",
    "NOISE_CLIP",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "needs",
    "smoothed_action",
    "smoothed_target",
    "td_target",
]

PRESETS = {  # the original DDPG: hidden 400 and 300, policy_lr 1e-4, critic_lr 1e-3, batch 64, tau 1e-3
    "official": Preset(
        "sfujim's TD3, main.py, whose OurDDPG has the same sizes",
        {
            "hidden": (256, 256),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "update_order": "post",
            "warmup_steps": 25_000,
            "warmup_actions": "uniform",
        },
        ("no-offline-phase", "initialisation"),
    )
}
NOISE_CLIP = Interval(0, math.inf, "(]", "target_noise=0 is no noise")
SPACE: Space = {
    "exploration_noise": Span(0.03, 0.3, log=True),
    "target_noise": Span(0.05, 0.4),
    "policy_every": Choice((1, 2, 4)),
}
DDPG_SPACE: Space = {"exploration_noise": Span(0.03, 0.3, log=True)}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of TD3."""

    critics: int = setting(
        2, "critics, whose minimum the target takes; 1 is DDPG's", "TD3 Algorithm 1", within=AT_LEAST_ONE
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
        0.1,
        "standard deviation of the noise on collected actions",
        "TD3 section 6.1; DDPG's own: Ornstein-Uhlenbeck",
        within=NOT_NEGATIVE,
    )


def needs(cfg: Config) -> Needs:
    """A deterministic policy with a slow copy, and delays."""
    return Needs(
        policy="deterministic",
        critics=cfg.critics,
        next_action_samples=int(cfg.target_noise > 0),
        policy_every=cfg.policy_every,
        targets_every=cfg.policy_every,
        target_policy=True,
        exploration_noise=cfg.exploration_noise,
    )


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """The smallest target critic at the smoothed target action; [S, B]."""
    return smoothed_target(cfg.target_noise, cfg.target_noise_clip, nets, step, next_dist)


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-Q_1(s, pi(s)); each [S]."""
    action = step.dist.mode  # [S, B, A]
    q = nets.q(step.batch.obs, action)  # [S, E, B]
    return row_mean(-q[:, 0]), {
        "q_policy": row_mean(q.amin(ENSEMBLE)),
        "mse_data": row_mean((action - step.batch.action).square().mean(-1)),
    }


def smoothed_action(std: float, clip: float, step: Step, next_dist: Dist) -> Tensor:
    """The target policy's action with clipped noise, inside the bounds: [S, B, A]."""
    if not std:
        return next_dist.mode
    assert step.noise.next_action is not None
    return (next_dist.mode + (std * step.noise.next_action).clamp(-clip, clip)).clamp(-1.0, 1.0)


def smoothed_target(std: float, clip: float, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """r + gamma (1 - terminated) min_i target Q_i(s', a'), a' smoothed; [S, B]."""
    next_action = smoothed_action(std, clip, step, next_dist)
    return bellman(step, nets.target_q(step.batch.next_obs, next_action).amin(ENSEMBLE))
