"""BEAR (Kumar et al. 2019, arXiv:1906.00949): maximise Q among policies whose support stays within the data's.

    maximise E[ Q(s, a) ] subject to MMD(pi(.|s), behaviour(.|s)) <= eps,  by a multiplier per seed
    y = r + gamma (1 - terminated) max_k [ 3/4 min_i + 1/4 max_i ] target Q_i(s', a'_k),  a'_k ~ pi

The behaviour model is a VAE of the replayed actions, trained at every update, offline and online. The MMD compares
samples before their tanh. For scores the policy acts by the best of several samples, to collect by a single one.
AWAC runs rlkit's BEAR: the defaults are those of its lead author's scripts, in the networks of AWAC's Table 2.

The MMD between N samples of a policy and N samples of the very same policy is not zero: `mmd_floor` in the record says
what it is. With eps below it no policy satisfies the constraint, and the multiplier climbs to its bound.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from algos.conditions import NEVER
from algos.contract import ENSEMBLE, Metrics, Needs, Phase, Step, bellman, row_mean
from algos.networks.dists import Dist, SquashedGaussian
from algos.networks.nets import Dual, Nets
from algos.parts import vae
from algos.parts.candidates import best, normal_points, soft_clipped_max
from algos.parts.mmd import SMALLEST, mmd
from algos.settings import (
    AT_LEAST_ONE,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    Interval,
    Preset,
    SettingError,
    Settings,
    setting,
)
from algos.space import Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "act",
    "actor_loss",
    "auxiliary_losses",
    "behaviour_log_prob",
    "needs",
    "on_phase",
    "td_target",
]

METRICS = {
    **vae.METRICS,
    "mmd": "discrepancy between the policy's and the behaviour model's actions",
    "mmd_floor": "the same between two sets of the policy's own actions: no policy of this spread gets below",
    "mmd_multiplier": "weight of the discrepancy in the policy's loss",
}
PRESETS = {
    "official": Preset(
        "aviralkumar2907's BEAR: commands of its readme, main.py, algos.py",
        {
            "hidden": (400, 300),
            "batch_size": 100,
            "policy_lr": 1e-3,
            "critic_lr": 1e-3,
            "policy_weight_decay": 0.0,
            "update_order": "post",
            "q_bound": "none",
            "vae_lr": 1e-3,
            "mmd_samples": 5,
            "mmd_sigma": 10.0,
            "noise_clip": 0.5,
            "target_policy": True,
            "policy_q": "mean",
            "warm_start": 20_000,  # 20 epochs of eval_freq 1,000
            "offline_updates": 1_000_000,
            "act_candidates": 10,
        },
        ("initialisation", "a multiplier that starts at random, a log-deviation without bounds"),
    )
}
_LOG_MULTIPLIER = (-5.0, 10.0)
_MEASURABLE = Interval(SMALLEST, math.inf, "()", "an MMD as measured is never less")
SPACE: Space = {
    "eps_offline": Span(0.01, 0.3, log=True),
    "eps_online": Span(0.01, 0.3, log=True),
    "mmd_sigma": Span(5, 100, log=True),
}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of BEAR."""

    eps_offline: float = setting(
        0.05,
        "largest MMD offline",
        "BEAR; AWAC sweeps it, its hand runs end at 0.05",
        within=_MEASURABLE,
        only={"multiplier": ("auto",)},
    )
    eps_online: float = setting(
        0.05,
        "largest MMD online",
        "AWAC's own scripts sweep it apart, up to 0.15, on pen to 0.25, where bear-loose has it",
        within=_MEASURABLE,
        only={"multiplier": ("auto",)},
    )
    online: bool = setting(
        False, "whether eps_online holds, without warm start; the switch sets it", "ours", only=NEVER
    )
    multiplier: Literal["auto"] | float = setting(
        "auto",
        "weight of the MMD: the constraint's dual variable, or fixed",
        "BEAR; its main.py: fixed at 100",
        within=NOT_NEGATIVE,
    )
    multiplier_lr: float = setting(
        1e-3,
        "Adam step size of the dual variable's logarithm",
        "BEAR's code",
        within=POSITIVE,
        only={"multiplier": ("auto",)},
    )
    warm_start: int = setting(
        20_000,
        "first offline updates in which the policy only matches the behaviour model",
        "AWAC's own scripts; BEAR's code: 100,000, rlkit's: 40,000",
        within=NOT_NEGATIVE,
        schedule="offline_updates",
    )
    kernel: Literal["laplacian", "gaussian"] = setting(
        "laplacian", "exp(-d / (2 sigma)) of the L1 or the squared L2 distance d", "AWAC's own scripts, BEAR's code"
    )
    mmd_sigma: float = setting(
        50.0, "width of the kernel", "AWAC's own scripts; BEAR's code: 10 or 20", within=POSITIVE
    )
    mmd_samples: int = setting(
        10, "actions per state in each set", "AWAC's own scripts; BEAR's readme: 5, rlkit's: 4", within=AT_LEAST_ONE
    )
    mmd_estimator: Literal["v", "u"] = setting(
        "v", "with each action's distance to itself, or without, which has no floor", "BEAR's code: v"
    )
    noise_clip: float | None = setting(
        None,
        "largest noise of the actions in the policy's loss, in deviations",
        "rlkit's: none; BEAR's code: 0.5",
        within=POSITIVE,
    )
    policy_q: Literal["first", "mean"] = setting(
        "first", "Q of one action per state, or its mean over all that the MMD sees", "rlkit's; BEAR's code: mean"
    )
    target_candidates: int = setting(
        10, "actions per next state among which the target takes the best", "BEAR's code", within=AT_LEAST_ONE
    )
    target_min_weight: float = setting(
        0.75, "weight of the least critic in the target", "BEAR's code, after BCQ", within=FRACTION
    )
    target_policy: bool = setting(
        False, "next actions from a slow copy of the policy", "rlkit's: from the policy; BEAR's code: the copy"
    )
    act_candidates: int = setting(
        100, "sampled actions among which scores take the best", "rlkit's; BEAR's code: 10", within=AT_LEAST_ONE
    )
    vae_hidden: tuple[int, ...] = setting(
        (750, 750), "hidden layers of encoder and decoder", "BEAR's code", within=AT_LEAST_ONE
    )
    vae_lr: float = setting(3e-4, "Adam step size of the VAE", "rlkit's; BEAR's code: 1e-3", within=POSITIVE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mmd_estimator == "u" and self.mmd_samples < 2:
            raise SettingError("mmd_estimator=u compares different actions of a set: it needs mmd_samples of 2 or more")


def needs(cfg: Config) -> Needs:
    """A squashed policy, a VAE, the dual variable where it is trained, and draws for both sets of actions."""
    modules: dict[str, Any] = {
        "vae": lambda seeds, obs_dim, action_dim, hidden: vae.VAE(seeds, obs_dim, action_dim, cfg.vae_hidden)
    }
    if cfg.multiplier == "auto":
        # BEAR's code draws where the multiplier starts; from 1 every seed has the same start
        modules["log_multiplier"] = lambda seeds, *sizes: Dual(seeds, 0.0, *_LOG_MULTIPLIER)
    return Needs(
        policy="squashed",
        action_samples=3 * cfg.mmd_samples + vae.ENCODER_DRAWS,
        next_action_samples=cfg.target_candidates,
        target_policy=cfg.target_policy,
        modules=modules,
        module_lr={"vae": cfg.vae_lr, "log_multiplier": cfg.multiplier_lr},
    )


def on_phase(cfg: Config, phase: Phase) -> Config:
    """Online the constraint has the threshold `eps_online`, and no warm start."""
    return dataclasses.replace(cfg, online=phase == "online")


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """Target of the best of several next actions, by mixed critics; [S, B]."""
    assert step.noise.next_actions is not None
    actions, _ = next_dist.many().sample(step.noise.next_actions)
    return bellman(
        step, soft_clipped_max(nets.q_of_many(step.batch.next_obs, actions, target=True), cfg.target_min_weight)
    )


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-Q + multiplier MMD, at first without Q; each [S]."""
    u = step.once("policy_actions", lambda: _policy_actions(cfg, step))
    distance = step.once("mmd", lambda: _distance(cfg, nets, step))
    used = u if cfg.policy_q == "mean" else u[:, :1]
    q = nets.q_of_many(step.batch.obs, used.tanh()).mean(2).amin(ENSEMBLE)  # over samples, then critics: [S, B]
    weight = _log_multiplier(cfg, nets, distance).detach().exp()
    loss = weight * distance - _started(cfg, step) * row_mean(q)
    return loss, {
        "q_policy": row_mean(q),
        "mmd": distance,
        "mmd_floor": _floor(cfg, step),
        "mmd_multiplier": weight,
        "log_prob_data": row_mean(step.dist.log_prob(step.batch.action)).detach(),
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Losses of the VAE on the batch and of the dual variable, which climbs while the MMD is above its threshold."""
    assert step.noise.action is not None
    loss, metrics = vae.vae_loss(vae.model_of(nets), step, step.noise.action[:, -vae.ENCODER_DRAWS :])
    losses = {"vae": loss}
    if cfg.multiplier == "auto":
        distance = step.once("mmd", lambda: _distance(cfg, nets, step)).detach()
        eps = cfg.eps_online if cfg.online else cfg.eps_offline
        losses["log_multiplier"] = -_log_multiplier(cfg, nets, distance).exp() * (distance - eps)
    return losses, metrics


def behaviour_log_prob(cfg: Config, nets: Nets, obs: Tensor, action: Tensor) -> Tensor:
    """Bound that the VAE gives on the log-likelihood of given actions; [S, n]."""
    return vae.log_prob_bound(vae.model_of(nets), obs, action)


def act(cfg: Config, nets: Nets, obs: Tensor, noise: Tensor | None) -> Tensor:
    """A sample from given noise to collect; for scores the best of a fixed spread of samples; [S, n, A]."""
    dist: SquashedGaussian = nets.policy(obs)
    if noise is not None:
        return dist.sample(noise)[0]
    spread = normal_points(cfg.act_candidates, torch.zeros_like(dist.mean))
    return best(nets, obs, dist.many().sample(spread)[0])


def _policy_actions(cfg: Config, step: Step, first: int = 0) -> Tensor:
    """One set of the policy's actions before their tanh [S, N, B, A], from the `first` draw on."""
    assert step.noise.action is not None
    assert isinstance(step.dist, SquashedGaussian)
    noise = step.noise.action[:, first : first + cfg.mmd_samples]
    clip = cfg.noise_clip
    return step.dist.many().before_squash(noise if clip is None else noise.clamp(-clip, clip))


def _distance(cfg: Config, nets: Nets, step: Step) -> Tensor:
    """MMD between the policy's actions, with gradient, and the behaviour model's: [S]."""
    assert step.noise.action is not None
    with torch.no_grad():
        latent = vae.latents(step.noise.action[:, cfg.mmd_samples : 3 * cfg.mmd_samples])
        behaviour = vae.model_of(nets).sample(step.batch.obs, latent)
    own = step.once("policy_actions", lambda: _policy_actions(cfg, step))
    return mmd(own, behaviour, cfg.kernel, cfg.mmd_sigma, cfg.mmd_estimator)


@torch.no_grad()
def _floor(cfg: Config, step: Step) -> Tensor:
    """MMD between two sets of the policy's own actions: [S]."""
    sets = _policy_actions(cfg, step), _policy_actions(cfg, step, cfg.mmd_samples)
    return mmd(*sets, cfg.kernel, cfg.mmd_sigma, cfg.mmd_estimator)


def _log_multiplier(cfg: Config, nets: Nets, like: Tensor) -> Tensor:
    """Logarithm of the weight of the MMD: [S]."""
    if cfg.multiplier == "auto":
        value: Tensor = nets.extra["log_multiplier"]()[:, 0]
        return value
    return torch.full_like(like, cfg.multiplier).log()


def _started(cfg: Config, step: Step) -> Tensor | float:
    """Factor of Q in the policy's loss: 0 in the warm start, then 1."""
    if cfg.online or step.age is None:
        return 1.0
    return (step.age >= cfg.warm_start).to(step.batch.obs.dtype)
