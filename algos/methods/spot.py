"""SPOT (Wu et al. 2022, arXiv:2202.06239): TD3 whose policy stays where a VAE of the data, as TD3+BC near one action.

    VAE: minimise |a - tanh decode(s, z)|^2 / A + 1/2 KL( q(z|s,a) || N(0, 1) ) / L,  z ~ q(z|s,a),  offline only
    y = r + gamma (1 - terminated) min_i target Q_i(s', a'),  a' smoothed, as TD3
    minimise E[-Q_1(s, pi(s)) / mean |Q_1(s, pi(s))| + support_weight C(s, pi(s))]

C(s,a) is the VAE's own loss at a: 4A times it is, up to a constant, minus the evidence bound on log p(a|s), so that the
policy may do whatever the data do with enough density, without a distance to any one of their actions. Online the VAE
stays as it is, and support_weight decays in a straight line to its floor.
Departures: its code fits the VAE for 100,000 updates before the policy and critics, here all learn together; neither
its IWAE estimate nor several latents per action, which its scripts leave at one; no dropout in the policy.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from algos.contract import ENSEMBLE, Metrics, Needs, Phase, Step, row_mean
from algos.methods.td3 import NOISE_CLIP, smoothed_target
from algos.methods.td3_bc import DECAY_FLOOR, DECAY_UPDATES, bc_decay, inverse_scale
from algos.networks.dists import Dist
from algos.networks.nets import Nets
from algos.parts import vae
from algos.settings import AT_LEAST_ONE, BELOW_ONE, NOT_NEGATIVE, POSITIVE, Preset, Settings, setting
from algos.space import Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "behaviour_log_prob",
    "needs",
    "on_phase",
    "td_target",
]

METRICS = {
    **vae.METRICS,
    "q_coef": "weight of Q in the policy's loss",
    "support_cost": "loss of the VAE at the policy's actions: large where the data have no density",
    "support_coef": "its weight in the policy's loss",
}

PRESETS = {
    "official": Preset(
        "thuml's SPOT, main.py, main_finetune.py, train_vae.py and their configs",
        {
            "hidden": (256, 256),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "update_order": "post",
            "vae_lr": 1e-3,
            "offline_updates": 1_000_000,
        },
        (
            "initialisation",
            "dropout",
            "a VAE fitted for 100,000 updates before policy and critics, and frozen then",
            "a discount of 0.99 offline and 0.995 online on the large maze: `discount` is one",
        ),
    )
}
SPACE: Space = {"support_weight": Span(0.02, 2, log=True), "support_decay_floor": Span(0, 1)}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of SPOT."""

    support_weight: float = setting(
        1.0,
        "lambda: weight of the VAE's loss at the policy's action beside Q over its mean; 0 is TD3",
        "SPOT's code; its configs: 0.025 to 1; CORL on door, relocate and hammer: 1",
        within=NOT_NEGATIVE,
    )
    support_decay_floor: float = setting(
        0.2,
        "share of it that is left when it has decayed online",
        "SPOT's code; CORL: 0.5",
        within=DECAY_FLOOR,
        only={"support_weight": POSITIVE},
    )
    support_decay_updates: int = setting(
        1_000_000,
        "online updates in which it would decay to nothing, in a straight line",
        "SPOT's code",
        within=DECAY_UPDATES,
        schedule="online_updates",
        only={"support_weight": POSITIVE, "support_decay_floor": BELOW_ONE},
    )
    behaviour_fit: Literal["offline", "always"] = setting(
        "offline", "the VAE is fitted offline only, or to what is collected as well", "SPOT: offline"
    )
    vae_hidden: tuple[int, ...] = setting(
        (750, 750), "hidden layers of encoder and decoder", "SPOT's code", within=AT_LEAST_ONE
    )
    vae_lr: float = setting(
        3e-4, "Adam step size of the VAE", "AWAC Table 2, as for every network; SPOT's code: 1e-3", within=POSITIVE
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
        0.1, "standard deviation of the noise on collected actions", "SPOT's code", within=NOT_NEGATIVE
    )


def needs(cfg: Config) -> Needs:
    """As TD3, with a VAE and two draws for a latent of the policy's action, two for one of the data's."""
    return Needs(
        policy="deterministic",
        next_action_samples=int(cfg.target_noise > 0),
        action_samples=2 * vae.ENCODER_DRAWS,
        policy_every=cfg.policy_every,
        targets_every=cfg.policy_every,
        target_policy=True,
        exploration_noise=cfg.exploration_noise,
        offline_fit=cfg.behaviour_fit == "offline",
        modules={"vae": lambda seeds, obs_dim, action_dim, hidden: vae.VAE(seeds, obs_dim, action_dim, cfg.vae_hidden)},
        module_lr={"vae": cfg.vae_lr},
    )


def on_phase(cfg: Config, phase: Phase) -> Config:
    """The weight decays online only, where a VAE that is fitted offline stays as it is."""
    if phase == "offline":
        return dataclasses.replace(cfg, support_decay_floor=1.0, behaviour_fit="always")
    return cfg


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """TD3's target; [S, B]."""
    return smoothed_target(cfg.target_noise, cfg.target_noise_clip, nets, step, next_dist)


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """Weighted loss of the VAE at the policy's actions minus scaled Q_1; each [S]."""
    assert step.noise.action is not None
    action = step.dist.mode  # [S, B, A]
    q = nets.q(step.batch.obs, action)  # [S, E, B]
    cost = row_mean(vae.row_loss(vae.model_of(nets), step.batch.obs, action, step.noise.action[:, : vae.ENCODER_DRAWS]))
    q_coef = inverse_scale(q[:, 0])  # [S]
    support_coef = cfg.support_weight * bc_decay(cfg.support_decay_floor, cfg.support_decay_updates, step)  # [S]
    return support_coef * cost - q_coef * row_mean(q[:, 0]), {
        "q_policy": row_mean(q.amin(ENSEMBLE)),
        "mse_data": row_mean((action - step.batch.action).square().mean(-1)),
        "q_coef": q_coef,
        "support_cost": cost,
        "support_coef": support_coef,
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of the VAE on the batch, where it is fitted in this phase."""
    assert step.noise.action is not None
    if cfg.behaviour_fit == "offline":
        return {}, {}
    loss, metrics = vae.vae_loss(vae.model_of(nets), step, step.noise.action[:, vae.ENCODER_DRAWS :])
    return {"vae": loss}, metrics


def behaviour_log_prob(cfg: Config, nets: Nets, obs: Tensor, action: Tensor) -> Tensor:
    """Bound that the VAE gives on the log-likelihood of given actions; [S, n]."""
    return vae.log_prob_bound(vae.model_of(nets), obs, action)
