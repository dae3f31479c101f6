"""BRAC (Wu et al. 2019, arXiv:1911.11361) as AWAC has it: an actor-critic, or AWAC, held near a behaviour model pib.

    logprob_policy   minimise E_pi[alpha log pi(a|s) - Q(s,a) - weight log pib(a|s)]   (AWAC A.5 adds log pib alone)
    kl_policy        minimise E_pi[alpha log pi(a|s) - Q(s,a)] + weight KL(pi || pib)  (BRAC-p)
    kl_value         the same, and y = r + gamma (1 - terminated) [soft V(s') - weight KL(pi || pib)(s')]  (BRAC-v)
    reward_awac      r + weight log pib(a_data|s) as the reward, AWAC's policy loss    (AWAC's own scripts)

KL(pi || pib) is a mean over policy actions. pib maximises the likelihood of the batch's actions in the same updates, so
it follows the growing buffer; BRAC's code fits it before, with an entropy bonus of its own, and then leaves it alone.
AWAC's trainer weights that likelihood by advantage: `behaviour_weights`. Without KL or bonus nothing keeps the policy's
spread: `logprob_policy` is the paper's literal text.

Between squashed policies the KL is biased near the bounds, as in BRAC's code: log pi is that of the sampled action, log
pib that of the action moved to 1e-3 inside the bounds, where its density is finite.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import ENSEMBLE, Metrics, Needs, Phase, Step, bellman, row_mean
from algos.methods import awac
from algos.networks.dists import Dist
from algos.networks.nets import Dual, Nets
from algos.networks.policies import POLICIES
from algos.parts.behaviour import behaviour_loss
from algos.parts.entropy import alpha, alpha_loss, alpha_modules, check_alpha
from algos.settings import (
    AT_LEAST_ONE,
    FINITE,
    NOT_NEGATIVE,
    POSITIVE,
    POSITIVE_OR_INF,
    Preset,
    SettingError,
    Settings,
    setting,
)
from algos.space import Choice, Space, Span

__all__ = [
    "BRAC_V_PRESETS",
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "behaviour_log_prob",
    "divergence",
    "needs",
    "on_phase",
    "td_target",
]

METRICS = {
    "divergence": "what the penalty measures: KL(policy || behaviour model), or -log pib where there is no KL",
    "behaviour_log_prob": "log-likelihood of the batch's actions under the behaviour model",
    "penalty_weight": "weight of the penalty, where it is tuned",
}

_OFFICIAL = Preset(
    "google-research's behavior_regularized_offline_rl, run_primal.sh and class defaults",
    {
        "hidden": (300, 300),
        "batch_size": 256,
        "critic_lr": 1e-3,
        "policy_weight_decay": 0.0,
        "update_order": "post",
        "q_bound": "none",
        "copy_targets": False,
        "policy_family": "squashed",
        "log_std_range": (-5.0, 0.0),
        "std_start": 0.082,  # its map's middle, exp(-2.5)
        "penalty_weight": 0.1,
        "behaviour_fit": "offline",
        "warm_start": 20_000,
        "offline_updates": 500_000,
    },
    ("widths", "initialisation", "a behaviour model cloned for 300,000 updates at its own rate before the policy"),
)
BRAC_V_PRESETS = {"official": _OFFICIAL}
PRESETS = {
    # BRAC-p
    "official": Preset(_OFFICIAL.source, {**_OFFICIAL.settings, "mode": "kl_policy"}, _OFFICIAL.cannot),
    "awac-scripts": Preset(
        "AWAC's authors' scripts (railrl_evalsawyer): icml2020/hand/brac/brac1.py, middle of its sweep",
        {
            "mode": "reward_awac",
            "temperature": 0.1,
            "behaviour_weights": "advantage",
            "bootstrap_through_terminals": True,
            "copy_targets": False,
            "offline_updates": 25_000,
            "warmup_steps": 1000,
        },
        (
            "widths",
            "initialisation",
            "batches",
            "data",
            "Q clamped at 0, though its rewards hold log pib, which it adds to those of all rows of a batch",
        ),
    ),
}
SPACE: Space = {"penalty_weight": Span(0.03, 3, log=True), "behaviour_fit": Choice(("always", "offline"))}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of BRAC."""

    mode: Literal["logprob_policy", "kl_policy", "kl_value", "reward_awac"] = setting(
        "logprob_policy",
        "log pib in the policy's loss; KL to pib in the policy's loss, or also in the target; log pib in the reward",
        "AWAC A.5: log pib as policy regularisation; BRAC: kl_policy and kl_value; AWAC's own scripts: reward_awac",
    )
    penalty_weight: Literal["auto"] | float = setting(
        1.0,
        "weight of KL or log pib: fixed, or tuned",
        "BRAC's code: 1, its README 0.1; AWAC's own scripts: 1",
        within=NOT_NEGATIVE,
    )
    target_divergence: float = setting(0.0, "divergence that penalty_weight=auto allows", "BRAC's code", within=FINITE)
    divergence_samples: int = setting(
        4,
        "policy actions per state of the estimate",
        "BRAC's code",
        within=AT_LEAST_ONE,
        only={"mode": ("logprob_policy", "kl_policy", "kl_value")},
    )
    value_penalty_max: float | None = setting(
        None,
        "largest penalty that enters Q; none: any",
        "BRAC's code: none; one action off the data may cost 1e5",
        within=POSITIVE,
        only={"mode": ("kl_value", "reward_awac")},
    )
    warm_start: int = setting(
        0,
        "first offline updates whose policy loss leaves out Q",
        "AWAC: none; BRAC's code: 20000 of 500000",
        within=NOT_NEGATIVE,
        schedule="offline_updates",
    )
    behaviour_fit: Literal["always", "offline", "frozen"] = setting(
        "always",
        "pib is fitted in both phases, offline only, or not (which offline becomes at the switch)",
        "AWAC A.5: on the replay buffer; BRAC: offline",
    )
    behaviour_weights: Literal["none", "advantage"] = setting(
        "none",
        "whether pib clones all rows alike, or better ones more, by Q over its own action and `temperature`",
        "AWAC A.5 and BRAC: alike; AWAC's trainer by default: advantage",
    )
    alpha: Literal["auto"] | float = setting(
        0.0, "entropy temperature: tuned, or fixed", "BRAC's code", within=NOT_NEGATIVE
    )
    target_entropy: float | None = setting(
        None, "entropy that auto alpha aims at; none: -(action dimensions)", "BRAC's code", within=FINITE
    )
    policy_family: Literal["squashed", "gaussian"] = setting(
        "gaussian",
        "of policy and pib: tanh-squashed normal, or normal around a tanh mean",
        "AWAC's own scripts; BRAC: squashed",
    )
    temperature: float = setting(
        0.3,
        "of AWAC's loss, and of the weights of pib's rows",
        "AWAC's own scripts: 0.01, 0.1 or 0.3",
        within=POSITIVE_OR_INF,
        only=({"mode": ("reward_awac",)}, {"behaviour_weights": ("advantage",)}),
    )
    advantage_clip: float | None = setting(
        2.0, "of AWAC's loss", "AWAC's own scripts", within=FINITE, only={"mode": ("reward_awac",)}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha, self.target_entropy)
        if self.target_divergence != 0 and self.penalty_weight != "auto":
            raise SettingError(
                "target_divergence contradicts a fixed penalty_weight: only penalty_weight=auto aims at it"
            )
        wrong = {"penalty_weight=auto": self.penalty_weight == "auto", "alpha": self.alpha != 0}
        for name, given in {**wrong, "warm_start": self.warm_start > 0}.items():
            if self.mode == "reward_awac" and given:
                raise SettingError(f"{name} contradicts mode=reward_awac: AWAC's policy loss has no such term")


def needs(cfg: Config) -> Needs:
    """Policy actions here and, for BRAC-v, at the next states, the behaviour model, and the tuned weights."""
    dual = (
        {"penalty_weight": lambda seeds, *sizes: Dual(seeds, 1.0, 0.0, 500.0)} if cfg.penalty_weight == "auto" else {}
    )
    own = 1 if cfg.behaviour_weights == "advantage" else 0
    return Needs(
        policy=cfg.policy_family,
        action_samples=own + (0 if cfg.mode == "reward_awac" else cfg.divergence_samples),
        next_action_samples=cfg.divergence_samples if cfg.mode == "kl_value" else 1,
        bounded_q=cfg.alpha == 0 and cfg.mode in ("logprob_policy", "kl_policy"),
        offline_fit=cfg.behaviour_fit == "offline",
        modules={"behaviour": POLICIES[cfg.policy_family], **alpha_modules(cfg.alpha), **dual},
        module_lr={"penalty_weight": 1e-3} if dual else {},  # start, range and step size: BRAC's code
        module_decay={"behaviour": "policy"},  # AWAC's own scripts
    )


def on_phase(cfg: Config, phase: Phase) -> Config:
    """Online the warm start is over, and pib stays as it is where it is fitted offline only."""
    if phase == "offline":
        return cfg
    fit = "frozen" if cfg.behaviour_fit == "offline" else cfg.behaviour_fit
    return dataclasses.replace(cfg, warm_start=0, behaviour_fit=fit)


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """Soft value of s', less BRAC-v's penalty there; [S, B]."""
    batch, noise = step.batch, step.noise
    assert noise.next_action is not None
    action, log_prob = next_dist.sample(noise.next_action)
    next_v = nets.target_q(batch.next_obs, action).amin(ENSEMBLE)
    next_v = next_v - alpha(cfg.alpha, nets, next_v) * log_prob
    if cfg.mode == "kl_value":
        assert noise.next_actions is not None
        next_v = next_v - _in_value(cfg, nets, divergence(cfg, nets, batch.next_obs, next_dist, noise.next_actions))
    target = bellman(step, next_v)
    if cfg.mode == "reward_awac":
        target = target - _in_value(cfg, nets, -nets.extra["behaviour"](batch.obs).log_prob(batch.action))
    return target


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """alpha log pi - Q + weight times the divergence, or AWAC's loss; each [S]."""
    if cfg.mode == "reward_awac":
        plain = awac.Config(cfg.temperature, advantage_clip=cfg.advantage_clip, v_estimator="mean_action")
        return awac.actor_loss(plain, nets, step)
    action, log_prob = step.sampled
    q = nets.q(step.batch.obs, action).amin(ENSEMBLE)  # [S, B]
    entropy_coef = alpha(cfg.alpha, nets, q)  # [S, 1]
    penalty = _penalty_here(cfg, nets, step)  # [S, B]
    loss = row_mean(entropy_coef * log_prob + _weight(cfg, nets, q) * penalty - _q_counts(cfg, step) * q)
    return loss, {
        "q_policy": row_mean(q),
        "entropy": row_mean(-log_prob),
        "entropy_coef": entropy_coef[:, 0],
        "divergence": row_mean(penalty),
        "log_prob_data": row_mean(step.dist.log_prob(step.batch.action)),
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Losses of the behaviour model, fitted by its likelihood, and of what is tuned."""
    losses, metrics = alpha_loss(cfg.alpha, cfg.target_entropy, nets, step)
    weighted = cfg.behaviour_weights == "advantage"
    loss, metrics["behaviour_log_prob"] = behaviour_loss(nets, step, cfg.temperature if weighted else None)
    if cfg.behaviour_fit != "frozen":
        losses["behaviour"] = loss
    if cfg.penalty_weight == "auto":
        weight = nets.extra["penalty_weight"]()[:, 0]  # [S], rises while the divergence exceeds its target
        losses["penalty_weight"] = weight * (cfg.target_divergence - row_mean(_penalty_here(cfg, nets, step).detach()))
        metrics["penalty_weight"] = weight.detach()
    return losses, metrics


def behaviour_log_prob(cfg: Config, nets: Nets, obs: Tensor, action: Tensor) -> Tensor:
    """log pib of given actions; [S, n]."""
    log_prob: Tensor = nets.extra["behaviour"](obs).log_prob(action)
    return log_prob


def divergence(cfg: Config, nets: Nets, obs: Tensor, dist: Dist, noise: Tensor) -> Tensor:
    """Mean over policy actions of log pi - log pib, or of -log pib: noise [S, K, B, A] -> [S, B]."""
    with torch.no_grad():
        behaviour: Dist = nets.extra["behaviour"](obs)
    action, log_prob = dist.many().sample(noise)
    log_behaviour = behaviour.many().log_prob(action)  # [S, K, B]
    return (-log_behaviour if cfg.mode == "logprob_policy" else log_prob - log_behaviour).mean(1)


def _penalty_here(cfg: Config, nets: Nets, step: Step) -> Tensor:
    """The divergence at the batch's states: [S, B]."""
    assert step.noise.action is not None
    noise = step.noise.action[:, : cfg.divergence_samples]
    return step.once("divergence", lambda: divergence(cfg, nets, step.batch.obs, step.dist, noise))


def _in_value(cfg: Config, nets: Nets, penalty: Tensor) -> Tensor:
    """Penalty that enters Q, weighted: [S, B]."""
    return _weight(cfg, nets, penalty) * (
        penalty if cfg.value_penalty_max is None else penalty.clamp_max(cfg.value_penalty_max)
    )


def _weight(cfg: Config, nets: Nets, like: Tensor) -> Tensor:
    """The current weight of the penalty, without gradient: [S, 1]."""
    if cfg.penalty_weight == "auto":
        value: Tensor = nets.extra["penalty_weight"]().detach()
        return value
    return torch.full_like(like[:, :1], cfg.penalty_weight)


def _q_counts(cfg: Config, step: Step) -> Tensor | float:
    """Factor of Q in the policy's loss: 0 during the warm start, then 1."""
    if not cfg.warm_start:
        return 1.0
    assert step.age is not None
    return (step.age >= cfg.warm_start).to(step.batch.reward.dtype)
